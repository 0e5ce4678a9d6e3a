"""Parallel ringing: one branch per device, each with its ports; losers go, the winner stays."""

import itertools
from collections.abc import Awaitable, Callable

import pytest

from gateway.gateway import Gateway
from tests.gateway.browser import Browser
from tests.gateway.control import PHONE, WEBRTC, Control, Refused
from tests.gateway.phone import Phone
from ucplatform import sdp

Phones = Callable[..., Awaitable[Phone]]
Browsers = Callable[..., Browser]


async def test_each_device_has_its_own_offer(
    gateway: Gateway, control: Control, phones: Phones, browsers: Browsers
) -> None:
    alice, bob, desk = browsers(frequency=1000), browsers(frequency=500), await phones(frequency=440)
    body = await alice.offer()
    free = gateway.ports.free
    to_desk = await control.body("offer", "c1", PHONE, from_tag="a", to_tag="b1", via_branch="b1", sdp=body)
    to_page = await control.body("offer", "c1", WEBRTC, from_tag="a", to_tag="b2", via_branch="b2", sdp=body)
    assert gateway.ports.free == free - 1 - 2 - 1  # the caller, the desk phone's pair, the other browser
    assert sdp.parse(to_desk).media[0].proto == "RTP/AVP"
    assert sdp.parse(to_page).media[0].proto == "UDP/TLS/RTP/SAVPF"
    assert sdp.parse(to_desk).media[0].port != sdp.parse(to_page).media[0].port
    assert bob
    desk.connect(to_desk)
    deleted = await control.ask("delete", "c1", from_tag="a", via_branch="b2")
    assert list(deleted["legs"]) == ["b2"]
    assert gateway.ports.free == free - 3
    answer = await control.body("answer", "c1", WEBRTC, from_tag="a", to_tag="b1", sdp=desk.description())
    await alice.accept(answer)
    desk.talk()
    assert await alice.tone() == pytest.approx(440, abs=5)
    await control.ask("delete", "c1", from_tag="a")
    assert gateway.ports.free == gateway.ports.total
    with pytest.raises(Refused, match="Unknown call-id"):
        await control.ask("query", "c1")


async def test_a_loser_that_is_still_there_harms_nothing(control: Control, phones: Phones) -> None:
    alice, bob, carol = await phones(frequency=440), await phones(frequency=700), await phones(frequency=900)
    for tag, device in (("b", bob), ("c", carol)):
        offer = await control.body(
            "offer", "c1", PHONE, from_tag="a", via_branch=tag, sdp=alice.description()
        )
        device.connect(offer)
    answer = await control.body("answer", "c1", PHONE, from_tag="a", to_tag="c", sdp=carol.description())
    alice.connect(answer)
    for device in (alice, bob, carol):
        device.talk()
    assert await alice.tone() == pytest.approx(900, abs=5)
    assert await carol.tone() == pytest.approx(440, abs=5)
    assert not bob.heard
    legs = (await control.ask("delete", "c1", from_tag="a"))["legs"]
    assert set(legs) == {"a", "b", "c"}


async def test_early_media_of_one_then_the_answer_of_another(control: Control, phones: Phones) -> None:
    alice, bob, carol = await phones(frequency=440), await phones(frequency=700), await phones(frequency=900)
    ports = set()
    for tag, device in (("b", bob), ("c", carol)):
        device.connect(
            await control.body("offer", "c1", PHONE, from_tag="a", via_branch=tag, sdp=alice.description())
        )
        device.talk()
    for tag, device, frequency in (("b", bob, 700), ("c", carol, 900)):
        answer = await control.body("answer", "c1", PHONE, from_tag="a", to_tag=tag, sdp=device.description())
        ports.add(alice.connect(answer).port)
        await alice.tone()  # a second in which the change is made
        assert await alice.tone() == pytest.approx(frequency, abs=5)
    assert len(ports) == 1
    sequences = [packet.sequence for packet in alice.heard]
    assert all((after - before) & 0xFFFF == 1 for before, after in itertools.pairwise(sequences))
    assert len({packet.ssrc for packet in alice.heard}) == 1


async def test_the_same_answer_twice(control: Control, phones: Phones) -> None:
    """183 and 200 carry the same SDP."""
    alice, bob = await phones(frequency=440), await phones()
    bob.connect(await control.body("offer", "c1", PHONE, from_tag="a", to_tag="b", sdp=alice.description()))
    answers = [
        await control.body("answer", "c1", PHONE, from_tag="a", to_tag="b", sdp=bob.description())
        for _ in range(2)
    ]
    assert answers[0] == answers[1]
    alice.connect(answers[0])
    alice.talk()
    assert await bob.tone() == pytest.approx(440, abs=5)


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"from-tag": "a", "to-tag": "b", "sdp": "nonsense"}, "malformed"),
        ({"from-tag": "a", "to-tag": "b"}, "sdp is missing"),
        ({"from-tag": "a", "to-tag": "a", "sdp": "v=0"}, "must name the other leg"),
        ({"to-tag": "a", "sdp": "v=0"}, "from-tag is missing"),
        ({"from-tag": "a", "to-tag": "b", "sdp": "v=0\r\ns=-\r\nt=0 0\r\n"}, "no audio"),
        (
            {"from-tag": "a", "to-tag": "b", "sdp": "v=0", "transport-protocol": "TCP/RTP/AVP"},
            "not supported",
        ),
        ({"from-tag": ["a"], "to-tag": "b"}, "must be text"),
        ({"from-tag": "a\n2026 forged line", "to-tag": "b"}, "must be printable"),
    ],
)
async def test_wrong_offers_leave_nothing(
    gateway: Gateway, control: Control, keys: dict[str, object], reason: str
) -> None:
    with pytest.raises(Refused, match=reason):
        await control.ask("offer", "c1", **keys)
    assert gateway.ports.free == gateway.ports.total
    assert not gateway.commands.calls


async def test_an_answer_without_an_offer(control: Control, phones: Phones) -> None:
    alice, bob = await phones(), await phones()
    with pytest.raises(Refused, match="Unknown call-id"):
        await control.ask("answer", "c1", from_tag="a", to_tag="b", sdp=bob.description())
    await control.body("offer", "c1", PHONE, from_tag="a", to_tag="b", sdp=alice.description())
    with pytest.raises(Refused, match="unknown leg"):
        await control.ask("answer", "c1", from_tag="a", to_tag="x", sdp=bob.description())
    with pytest.raises(Refused, match="no offer"):
        await control.ask("answer", "c1", from_tag="b", to_tag="a", sdp=bob.description())


async def test_video_is_refused_and_audio_lives(control: Control, phones: Phones) -> None:
    alice, bob = await phones(frequency=440), await phones()
    video = "m=video 4002 RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\n"
    body = alice.description().replace("m=audio", video + "m=audio")
    offer = sdp.parse(await control.body("offer", "c1", PHONE, from_tag="a", to_tag="b", sdp=body))
    assert [part.kind for part in offer.media] == ["audio"]
    bob.connect(str(offer))
    answer = await control.body("answer", "c1", PHONE, from_tag="a", to_tag="b", sdp=bob.description())
    lines = sdp.parse(answer).media
    assert [(part.kind, bool(part.port)) for part in lines] == [("video", False), ("audio", True)]
    # A later offer to the same side has as many lines (RFC 3264 section 8).
    again = await control.body("offer", "c1", PHONE, from_tag="b", to_tag="a", sdp=bob.description())
    lines = sdp.parse(again).media
    assert [(part.kind, bool(part.port)) for part in lines] == [("video", False), ("audio", True)]
