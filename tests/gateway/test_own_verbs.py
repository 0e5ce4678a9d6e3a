"""terminate, accept, attach, detach: the echo test, and a page that comes back into its call."""

from collections.abc import Awaitable, Callable

import pytest

from gateway.gateway import Gateway
from tests.gateway.browser import Browser
from tests.gateway.calls import browser_calls_phone, direction, phone_calls_phone
from tests.gateway.control import PHONE, WEBRTC, Control, Refused
from tests.gateway.phone import Phone
from ucplatform import sdp

Phones = Callable[..., Awaitable[Phone]]
Browsers = Callable[..., Browser]


async def test_echo_to_a_phone(control: Control, phones: Phones) -> None:
    alice = await phones(frequency=440)
    alice.connect(await control.body("terminate", "c1", PHONE, from_tag="a", sdp=alice.description()))
    await control.ask("attach", "c1", from_tag="a", application="echo")
    alice.talk()
    assert await alice.tone() == pytest.approx(440, abs=5)
    statistics = (await control.ask("delete", "c1", from_tag="a"))["legs"]["a"]
    assert statistics["out"]["packets"] >= 50


async def test_echo_to_a_browser(control: Control, browsers: Browsers) -> None:
    alice = browsers(frequency=1000)
    body = await control.body("terminate", "c1", WEBRTC, from_tag="a", sdp=await alice.offer())
    await alice.accept(body)
    await control.ask("attach", "c1", from_tag="a", application="echo")
    assert await alice.tone() == pytest.approx(1000, abs=5)
    # On hold by a new offer of the same leg, and back.
    for how, reverse in (("sendonly", "recvonly"), ("sendrecv", "sendrecv")):
        alice.transceiver.direction = how
        body = await control.body("terminate", "c1", WEBRTC, from_tag="a", sdp=await alice.offer())
        assert direction(body) == reverse
        await alice.accept(body)
    assert await alice.tone() == pytest.approx(1000, abs=5)


async def test_reloaded_page_takes_its_call_over(
    gateway: Gateway, control: Control, phones: Phones, browsers: Browsers
) -> None:
    alice, bob = browsers(frequency=1000), await phones(frequency=440)
    await browser_calls_phone(control, alice, bob)
    bob.talk()
    assert await bob.tone() == pytest.approx(1000, abs=5)
    await alice.close()
    again = browsers(frequency=600)
    body = await again.offer()
    answer = await control.body(
        "terminate", "c1", WEBRTC, from_tag="a2", sdp=body, codec_prefer=["PCMU"], direction=["loop"]
    )
    assert sdp.parse(answer).media[0].codecs[0].name == "PCMU"
    await again.accept(answer)
    await control.ask("attach", "c1", from_tag="a2", to_tag="b")
    deleted = await control.ask("delete", "c1", from_tag="a", via_branch="a")
    assert list(deleted["legs"]) == ["a"]
    assert await again.tone() == pytest.approx(440, abs=5)
    assert await bob.tone() == pytest.approx(600, abs=5)
    assert len({packet.ssrc for packet in bob.heard}) == 1
    # The call goes on by the new leg: hold from the phone's side reaches the new page.
    offer = await control.body(
        "offer", "c1", WEBRTC, from_tag="b", to_tag="a2", sdp=bob.description("sendonly")
    )
    assert direction(offer) == "sendonly"
    assert set((await control.ask("delete", "c1", from_tag="a2"))["legs"]) == {"a2", "b"}
    assert gateway.ports.free == gateway.ports.total


async def test_the_callee_may_be_taken_over_too(control: Control, phones: Phones) -> None:
    alice, bob, other = await phones(frequency=440), await phones(frequency=700), await phones(frequency=900)
    await phone_calls_phone(control, alice, bob)
    other.connect(await control.body("terminate", "c1", PHONE, from_tag="b2", sdp=other.description()))
    await control.ask("attach", "c1", from_tag="b2", to_tag="a")
    assert list((await control.ask("delete", "c1", from_tag="b"))["legs"]) == ["b"]
    alice.talk()
    other.talk()
    assert await alice.tone() == pytest.approx(900, abs=5)
    assert await other.tone() == pytest.approx(440, abs=5)


async def test_takeover_with_another_codec_is_transcoded(control: Control, phones: Phones) -> None:
    alice, bob = await phones(frequency=440), await phones()
    await phone_calls_phone(control, alice, bob)
    other = await phones(codecs="8", payload_type=8)
    other.connect(await control.body("terminate", "c1", PHONE, from_tag="b2", sdp=other.description()))
    await control.ask("attach", "c1", from_tag="b2", to_tag="a")
    alice.talk()
    await other.until(lambda: len(other.heard) >= 10)
    assert {packet.payload_type for packet in other.heard} == {8}


async def test_an_offer_of_our_own(control: Control, phones: Phones) -> None:
    """No SDP in: an offer out, as for a delayed offer."""
    alice = await phones(frequency=440)
    offer = await control.body("terminate", "c1", PHONE, from_tag="a", codec_prefer=["PCMA"])
    names = [codec.name for codec in sdp.parse(offer).media[0].codecs]
    assert names[0] == "PCMA" and {"PCMU", "G722", "opus", "telephone-event"} <= set(names)
    alice.connect(offer)
    await control.ask("accept", "c1", from_tag="a", sdp=alice.description())
    await control.ask("attach", "c1", from_tag="a", application="echo")
    alice.talk()
    assert await alice.tone() == pytest.approx(440, abs=5)


async def test_an_offer_of_our_own_to_a_browser(control: Control, browsers: Browsers) -> None:
    alice = browsers(frequency=1000)
    offer = await control.body("terminate", "c1", WEBRTC, from_tag="a")
    await control.ask("accept", "c1", from_tag="a", sdp=await alice.answer(offer))
    await control.ask("attach", "c1", from_tag="a", application="echo")
    assert await alice.tone() == pytest.approx(1000, abs=5)


async def test_a_leg_goes_from_one_call_to_another_as_it_is(
    gateway: Gateway, control: Control, phones: Phones, browsers: Browsers
) -> None:
    """An attended transfer: alice talked to bob and to carol; now they talk to each other."""
    alice, bob, carol = await phones(), await phones(frequency=440), browsers(frequency=1000)
    await phone_calls_phone(control, alice, bob)
    await browser_calls_phone(control, carol, alice, "c2")
    await control.ask("adopt", "c1", from_tag="new", other_call_id="c2", other_tag="a")
    await control.ask("attach", "c1", from_tag="new", to_tag="b")
    bob.talk()
    assert await bob.tone() == pytest.approx(1000, abs=5)
    assert await carol.tone() == pytest.approx(440, abs=5)
    assert set((await control.ask("delete", "c2", from_tag="b"))["legs"]) == {"b"}
    await control.ask("delete", "c1", from_tag="a", via_branch="a")
    assert set((await control.ask("delete", "c1", from_tag="new"))["legs"]) == {"new", "b"}
    assert gateway.ports.free == gateway.ports.total


async def test_detached_legs_hear_nothing(control: Control, phones: Phones) -> None:
    alice, bob = await phones(), await phones()
    await phone_calls_phone(control, alice, bob)
    alice.talk()
    await bob.tone()
    await control.ask("detach", "c1", from_tag="b")
    count = len(bob.heard)
    received = (await control.ask("query", "c1"))["legs"]["a"]["in"]["packets"]
    while (await control.ask("query", "c1"))["legs"]["a"]["in"]["packets"] < received + 5:
        pass
    assert len(bob.heard) <= count + 2
    await control.ask("attach", "c1", from_tag="a", to_tag="b")
    assert await bob.tone() == pytest.approx(440, abs=5)


@pytest.mark.parametrize(
    ("command", "keys", "reason"),
    [
        ("adopt", {"from-tag": "x", "other-call-id": "c9", "other-tag": "a"}, "Unknown call-id"),
        ("attach", {"from-tag": "a", "application": "jukebox"}, "unknown application"),
        ("attach", {"from-tag": "a", "to-tag": "x"}, "unknown leg x"),
        ("attach", {"from-tag": "a"}, "to-tag is missing"),
        ("detach", {"from-tag": "x"}, "unknown leg x"),
        ("accept", {"from-tag": "a", "sdp": "v=0"}, "nothing was offered"),
        ("delete", {"from-tag": "x"}, "unknown leg x"),
        ("terminate", {"from-tag": "z", "direction": ["moon"]}, "unknown media interface moon"),
        ("sing", {}, "unknown command 'sing'"),
    ],
)
async def test_wrong_requests_say_why(
    control: Control, phones: Phones, command: str, keys: dict[str, object], reason: str
) -> None:
    alice = await phones()
    await control.body("terminate", "c1", PHONE, from_tag="a", sdp=alice.description())
    with pytest.raises(Refused, match=reason):
        await control.ask(command, "c1", **keys)
