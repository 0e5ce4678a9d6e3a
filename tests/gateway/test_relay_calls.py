"""Calls that share a codec: the far end's tone is heard, nothing is decoded on the way."""

from collections.abc import Awaitable, Callable

import pytest

from tests.gateway.browser import Browser
from tests.gateway.control import PHONE, WEBRTC, Control
from tests.gateway.phone import Phone

Phones = Callable[..., Awaitable[Phone]]
Browsers = Callable[..., Browser]


async def test_phone_calls_phone(control: Control, phones: Phones) -> None:
    alice, bob = await phones(frequency=440), await phones(frequency=700)
    bob.connect(
        await control.body("offer", "c1", PHONE, from_tag="a", via_branch="b", sdp=alice.description())
    )
    alice.connect(
        await control.body(
            "answer", "c1", PHONE, from_tag="a", to_tag="b", via_branch="b", sdp=bob.description()
        )
    )
    alice.talk()
    bob.talk()
    assert await bob.tone() == pytest.approx(440, abs=5)
    assert await alice.tone() == pytest.approx(700, abs=5)


async def test_browser_calls_phone(control: Control, phones: Phones, browsers: Browsers) -> None:
    alice, bob = browsers(frequency=1000), await phones(frequency=440)
    offer = await control.body("offer", "c1", PHONE, from_tag="a", via_branch="b", sdp=await alice.offer())
    bob.connect(offer)
    answer = await control.body("answer", "c1", WEBRTC, from_tag="a", to_tag="b", sdp=bob.description())
    await alice.accept(answer)
    await alice.connected()
    bob.talk()
    assert await alice.tone() == pytest.approx(440, abs=5)
    assert await bob.tone() == pytest.approx(1000, abs=5)


async def test_phone_calls_browser(control: Control, phones: Phones, browsers: Browsers) -> None:
    alice, bob = await phones(frequency=440), browsers(frequency=1000)
    offer = await control.body("offer", "c1", WEBRTC, from_tag="a", via_branch="b", sdp=alice.description())
    answer = await control.body("answer", "c1", PHONE, from_tag="a", to_tag="b", sdp=await bob.answer(offer))
    alice.connect(answer)
    alice.talk()
    await bob.connected()
    assert await bob.tone() == pytest.approx(440, abs=5)
    assert await alice.tone() == pytest.approx(1000, abs=5)


async def test_browser_calls_browser(control: Control, browsers: Browsers) -> None:
    alice, bob = browsers(frequency=500), browsers(frequency=1000)
    offer = await control.body("offer", "c1", WEBRTC, from_tag="a", via_branch="b", sdp=await alice.offer())
    bobs = await bob.answer(offer)
    await alice.accept(await control.body("answer", "c1", WEBRTC, from_tag="a", to_tag="b", sdp=bobs))
    assert await bob.tone() == pytest.approx(500, abs=5)
    assert await alice.tone() == pytest.approx(1000, abs=5)
    legs = (await control.ask("query", "c1"))["legs"]
    assert legs["a"]["codec"] == legs["b"]["codec"] == "opus/48000/2"
