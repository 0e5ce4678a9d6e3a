"""Calls set up in one line."""

from gateway.description import read
from tests.gateway.browser import Browser
from tests.gateway.control import PHONE, WEBRTC, Control
from tests.gateway.phone import Phone


async def phone_calls_phone(control: Control, alice: Phone, bob: Phone, call: str = "c1") -> None:
    """Legs a and b; both know where to send."""
    offer = await control.body("offer", call, PHONE, from_tag="a", via_branch="b", sdp=alice.description())
    bob.connect(offer)
    answer = await control.body("answer", call, PHONE, from_tag="a", to_tag="b", sdp=bob.description())
    alice.connect(answer)


async def browser_calls_phone(control: Control, alice: Browser, bob: Phone, call: str = "c1") -> None:
    """Legs a and b; connected when this returns."""
    offer = await control.body("offer", call, PHONE, from_tag="a", via_branch="b", sdp=await alice.offer())
    bob.connect(offer)
    answer = await control.body("answer", call, WEBRTC, from_tag="a", to_tag="b", sdp=bob.description())
    await alice.accept(answer)
    await alice.connected()


def direction(body: str) -> str:
    """What a description says of its audio line."""
    return read(body).direction
