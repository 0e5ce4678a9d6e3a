"""Hold and resume by new offers, from either side; ports stay, nothing is sent to who does not want it."""

from collections.abc import Awaitable, Callable

import pytest

from tests.gateway.browser import Browser
from tests.gateway.calls import browser_calls_phone, direction, phone_calls_phone
from tests.gateway.control import PHONE, WEBRTC, Control
from tests.gateway.phone import Phone
from ucplatform import sdp

Phones = Callable[..., Awaitable[Phone]]
Browsers = Callable[..., Browser]


async def renegotiate(
    control: Control, offerer: Phone, answerer: Phone, tags: tuple[str, str], how: tuple[str, str]
) -> tuple[str, str]:
    """A new offer and its answer; gives the descriptions that the answerer and the offerer got."""
    first, second = tags
    offer = await control.body(
        "offer", "c1", PHONE, from_tag=first, to_tag=second, sdp=offerer.description(how[0])
    )
    answer = await control.body(
        "answer", "c1", PHONE, from_tag=first, to_tag=second, sdp=answerer.description(how[1])
    )
    return offer, answer


@pytest.mark.parametrize("tags", [("a", "b"), ("b", "a")])
async def test_hold_and_resume(control: Control, phones: Phones, tags: tuple[str, str]) -> None:
    alice, bob = await phones(frequency=440), await phones(frequency=700)
    await phone_calls_phone(control, alice, bob)
    alice.talk()
    bob.talk()
    assert await bob.tone() == pytest.approx(440, abs=5)
    holder, held = (alice, bob) if tags[0] == "a" else (bob, alice)
    offer, answer = await renegotiate(control, holder, held, tags, ("sendonly", "recvonly"))
    assert (direction(offer), direction(answer)) == ("sendonly", "recvonly")
    assert (
        sdp.parse(offer).media[0].port == held.peer[1] and sdp.parse(answer).media[0].port == holder.peer[1]
    )
    count = len(holder.heard)
    await held.tone()  # music on hold is heard; a second of it, in which the holder hears nothing
    assert len(holder.heard) <= count + 2  # what was on the way
    await renegotiate(control, holder, held, tags, ("sendrecv", "sendrecv"))
    assert await holder.tone() == pytest.approx(700 if holder is alice else 440, abs=5)
    assert await held.tone() == pytest.approx(440 if holder is alice else 700, abs=5)


async def test_nothing_is_sent_towards_inactive(control: Control, phones: Phones) -> None:
    alice, bob = await phones(), await phones()
    await phone_calls_phone(control, alice, bob)
    alice.talk()
    bob.talk()
    await bob.tone()
    await renegotiate(control, alice, bob, ("a", "b"), ("inactive", "inactive"))
    before = (await control.ask("query", "c1"))["legs"]
    counts = len(alice.heard), len(bob.heard)
    bob_sent = bob.sequence
    while (bob.sequence - bob_sent) & 0xFFFF < 10:
        after = (await control.ask("query", "c1"))["legs"]
    assert before["a"]["out"] == after["a"]["out"] and before["b"]["out"] == after["b"]["out"]
    assert len(alice.heard) <= counts[0] + 2 and len(bob.heard) <= counts[1] + 2


async def test_hold_by_null_address(control: Control, phones: Phones) -> None:
    """The hold of RFC 2543."""
    alice, bob = await phones(), await phones()
    await phone_calls_phone(control, alice, bob)
    body = alice.description().replace("c=IN IP4 127.0.0.1", "c=IN IP4 0.0.0.0")
    offer = await control.body("offer", "c1", PHONE, from_tag="a", to_tag="b", sdp=body)
    assert direction(offer) == "sendonly"


async def test_browser_on_hold(control: Control, phones: Phones, browsers: Browsers) -> None:
    alice, bob = browsers(frequency=1000), await phones(frequency=440)
    await browser_calls_phone(control, alice, bob)
    bob.talk()
    assert await bob.tone() == pytest.approx(1000, abs=5)
    alice.transceiver.direction = "sendonly"
    offer = await control.body("offer", "c1", PHONE, from_tag="a", to_tag="b", sdp=await alice.offer())
    assert direction(offer) == "sendonly"
    answer = await control.body(
        "answer", "c1", WEBRTC, from_tag="a", to_tag="b", sdp=bob.description("recvonly")
    )
    await alice.accept(answer)
    out = (await control.ask("query", "c1"))["legs"]["a"]["out"]
    await bob.tone()
    assert (await control.ask("query", "c1"))["legs"]["a"]["out"] == out
    alice.transceiver.direction = "sendrecv"
    await control.body("offer", "c1", PHONE, from_tag="a", to_tag="b", sdp=await alice.offer())
    answer = await control.body("answer", "c1", WEBRTC, from_tag="a", to_tag="b", sdp=bob.description())
    await alice.accept(answer)
    assert await alice.tone() == pytest.approx(440, abs=5)


async def test_phone_holds_a_browser(control: Control, phones: Phones, browsers: Browsers) -> None:
    """The new offer comes from the callee, and the browser answers it."""
    alice, bob = browsers(frequency=1000), await phones(frequency=440)
    await browser_calls_phone(control, alice, bob)
    bob.talk()
    assert await alice.tone() == pytest.approx(440, abs=5)
    for how, reverse in (("sendonly", "recvonly"), ("sendrecv", "sendrecv")):
        offer = await control.body("offer", "c1", WEBRTC, from_tag="b", to_tag="a", sdp=bob.description(how))
        body = await alice.answer(offer)
        answer = await control.body("answer", "c1", PHONE, from_tag="b", to_tag="a", sdp=body)
        assert direction(answer) == reverse
    assert await bob.tone() == pytest.approx(1000, abs=5)
    assert await alice.tone() == pytest.approx(440, abs=5)


async def test_an_offer_that_is_refused_changes_nothing(control: Control, phones: Phones) -> None:
    """A re-INVITE answered with an error: no answer reaches the engine."""
    alice, bob = await phones(frequency=440), await phones(frequency=700)
    await phone_calls_phone(control, alice, bob)
    await control.body("offer", "c1", PHONE, from_tag="a", to_tag="b", sdp=alice.description("inactive"))
    bob.talk()
    assert await alice.tone() == pytest.approx(700, abs=5)
