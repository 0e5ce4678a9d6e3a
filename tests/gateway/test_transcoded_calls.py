"""Calls whose sides share no codec go through a worker process; key presses pass it by."""

import itertools
import os
import signal
from collections.abc import Awaitable, Callable

import pytest

from gateway.dtmf import TelephoneEvent, press
from gateway.gateway import Gateway
from tests.gateway.browser import Browser
from tests.gateway.control import PHONE, WEBRTC, Control, Refused
from tests.gateway.phone import Phone
from ucplatform import sdp

Phones = Callable[..., Awaitable[Phone]]
Browsers = Callable[..., Browser]


async def connect(control: Control, alice: Browser, bob: Phone) -> None:
    offer = await control.body("offer", "c1", PHONE, from_tag="a", via_branch="b", sdp=await alice.offer())
    bob.connect(offer)
    answer = await control.body("answer", "c1", WEBRTC, from_tag="a", to_tag="b", sdp=bob.description())
    await alice.accept(answer)
    await alice.connected()


async def test_opus_browser_and_ulaw_phone(control: Control, phones: Phones, browsers: Browsers) -> None:
    alice, bob = browsers(frequency=1000, codecs=("opus",)), await phones(frequency=440)
    await connect(control, alice, bob)
    bob.talk()
    assert await bob.tone() == pytest.approx(1000, abs=5)
    assert await alice.tone() == pytest.approx(440, abs=5)
    legs = (await control.ask("query", "c1"))["legs"]
    assert (legs["a"]["codec"], legs["b"]["codec"]) == ("opus/48000/2", "PCMU/8000")
    sequences = [packet.sequence for packet in bob.heard]
    steps = {(after - before) & 0xFFFF for before, after in itertools.pairwise(sequences)}
    assert steps == {1}


async def test_the_offer_names_the_callers_codecs_first(control: Control, browsers: Browsers) -> None:
    alice = browsers(codecs=("opus",))
    offer = await control.body("offer", "c1", PHONE, from_tag="a", via_branch="b", sdp=await alice.offer())
    codecs = sdp.parse(offer).media[0].codecs
    assert [codec.name for codec in codecs[:4]] == ["opus", "PCMU", "PCMA", "G722"]
    assert {codec.clock for codec in codecs[4:]} == {8000, 48000}
    assert {codec.name for codec in codecs[4:]} == {"telephone-event"}


async def test_keys_pass_beside_transcoded_sound(control: Control, phones: Phones) -> None:
    """From Opus with events at 48 kHz to µ-law with events at 8 kHz."""
    alice, bob = await phones(codecs="96 110", payload_type=96), await phones()
    offer = await control.body("offer", "c1", PHONE, from_tag="a", via_branch="b", sdp=alice.description())
    bob.connect(offer)
    answer = await control.body("answer", "c1", PHONE, from_tag="a", to_tag="b", sdp=bob.description())
    alice.connect(answer)
    start = alice.timestamp
    for event in press("5", 100, 48000):
        alice.timestamp = start  # all packets of a press have the time at which it began
        alice.send(bytes(event), 110)
    assert (await control.event("dtmf", tag="a"))["digit"] == "5"
    await bob.until(lambda: len(bob.heard) >= 7)
    events = [TelephoneEvent.parse(packet.payload) for packet in bob.heard]
    assert {packet.payload_type for packet in bob.heard} == {101}
    assert {event.code for event in events} == {5}
    assert events[-1].end and events[-1].duration == 800
    assert len({packet.timestamp for packet in bob.heard}) == 1


async def test_a_worker_that_dies_is_replaced(
    gateway: Gateway, control: Control, phones: Phones, browsers: Browsers
) -> None:
    alice, bob = browsers(frequency=1000, codecs=("opus",)), await phones()
    await connect(control, alice, bob)
    assert await bob.tone() == pytest.approx(1000, abs=5)
    (pid,) = gateway.transcoder.pids
    os.kill(pid, signal.SIGKILL)
    assert await bob.tone() == pytest.approx(1000, abs=60)
    assert gateway.transcoder.pids != [pid]


async def test_no_codec_at_all_in_common(control: Control, phones: Phones) -> None:
    alice, bob = await phones(codecs="18", payload_type=18), await phones()
    await control.body("offer", "c1", PHONE, from_tag="a", via_branch="b", sdp=alice.description())
    with pytest.raises(Refused, match="no codec in common"):
        await control.ask("answer", "c1", from_tag="a", to_tag="b", sdp=bob.description())
