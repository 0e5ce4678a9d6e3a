"""Key presses: told once each, passed on, and played in for who presses them elsewhere."""

import itertools
from collections.abc import Awaitable, Callable

import pytest

from gateway.dtmf import Detector, TelephoneEvent, press
from gateway.errors import PacketError
from gateway.relay import Events, Forward, OutStream, new_source
from gateway.rtp import HEADER, MARKER, PLAIN
from tests.gateway.calls import phone_calls_phone
from tests.gateway.control import Control, Refused
from tests.gateway.phone import Phone

Phones = Callable[..., Awaitable[Phone]]


def send_press(phone: Phone, digit: str, lost: range = range(0)) -> None:
    start = phone.timestamp
    for index, event in enumerate(press(digit, 160, 8000)):
        phone.timestamp = start
        if index not in lost:
            phone.send(bytes(event), 101, marker=index == 0)
    phone.timestamp = start + 1600


async def test_each_press_is_told_once_and_passed_on(control: Control, phones: Phones) -> None:
    alice, bob = await phones(), await phones()
    await phone_calls_phone(control, alice, bob)
    for digit in "1592#*D":
        send_press(alice, digit, lost=range(0, 2))  # the first packets of each are lost
    await bob.until(lambda: len(bob.heard) == 7 * 8)
    told = [event["digit"] for event in control.events if event["event"] == "dtmf"]
    assert "".join(map(str, told)) == "1592#*D"
    assert [event["tag"] for event in control.events if event["event"] == "dtmf"] == ["a"] * 7
    assert (await control.ask("query", "c1"))["legs"]["a"]["dtmf"] == 7
    assert len({packet.timestamp for packet in bob.heard}) == 7


async def test_played_presses_interrupt_the_sound(control: Control, phones: Phones) -> None:
    alice, bob = await phones(), await phones()
    await phone_calls_phone(control, alice, bob)
    alice.talk()
    await bob.tone()
    start = len(bob.heard)
    await control.ask("play DTMF", "c1", from_tag="a", code="42")
    await bob.until(lambda: sum(packet.payload_type == 101 for packet in bob.heard) == 2 * 15)
    await bob.until(lambda: bob.heard[-1].payload_type == 0)
    events = [packet for packet in bob.heard[start:] if packet.payload_type == 101]
    first, last = bob.heard.index(events[0]), bob.heard.index(events[-1])
    assert all(packet.payload_type == 101 for packet in bob.heard[first : last + 1])
    codes = [TelephoneEvent.parse(packet.payload).code for packet in events]
    assert codes == [4] * 15 + [2] * 15
    assert len({packet.timestamp for packet in events}) == 2
    assert [packet.marker for packet in events].count(True) == 2
    sequences = [packet.sequence for packet in bob.heard]
    assert all((after - before) & 0xFFFF == 1 for before, after in itertools.pairwise(sequences))
    stamps = [packet.timestamp for packet in (bob.heard[first - 1], *events, bob.heard[last + 1])]
    assert all(0 <= (after - before) & 0xFFFFFFFF < 8000 for before, after in itertools.pairwise(stamps))


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"code": "x"}, "DTMF digits"),
        ({"code": ""}, "DTMF digits"),
        ({"code": "1", "duration": 5}, "duration"),
        ({"code": "1"}, "does not take telephone-event"),
    ],
)
async def test_what_cannot_be_played(
    control: Control, phones: Phones, keys: dict[str, object], reason: str
) -> None:
    alice, bob = await phones(), await phones(codecs="0")
    await phone_calls_phone(control, alice, bob)
    with pytest.raises(Refused, match=reason):
        await control.ask("play DTMF", "c1", from_tag="a", **keys)


def test_packets_of_one_press_are_one() -> None:
    detector = Detector()
    found = [detector.packet(1, 800, bytes(event)) for event in press("7", 100, 8000)]
    assert found == ["7"] + [None] * (len(found) - 1)
    assert detector.packet(1, 4000, bytes(TelephoneEvent(7, True, 10, 800))) == "7"
    assert detector.packet(1, 8000, bytes(TelephoneEvent(16, True, 10, 800))) is None  # hook flash
    with pytest.raises(PacketError):
        detector.packet(1, 9000, b"\x07\x0a\x00")


def test_a_press_that_begins_with_its_end_gets_a_beginning() -> None:
    """Chromium writes a short press as three ends; a receiver may ignore an end it saw no beginning of."""
    sent: list[bytes] = []
    told: list[str] = []
    out = OutStream(lambda data: sent.append(data) is None)
    route = Events(Detector(), told.append, Forward(new_source(), out, 101, 8000))
    end = bytes(TelephoneEvent(5, True, 10, 928))
    for sequence in range(3):
        packet = HEADER.pack(PLAIN, 126, sequence, 160, 7) + end
        route.forward(packet, 126, sequence, 160, 7, 1.0)
    events = [TelephoneEvent.parse(packet[12:]) for packet in sent]
    assert [event.end for event in events] == [False, True, True]
    assert {(event.code, event.duration) for event in events} == {(5, 928)}
    assert [packet[1] & MARKER for packet in sent] == [MARKER, 0, 0]
    assert told == ["5"]
