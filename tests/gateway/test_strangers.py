"""Hostile packets: strangers are neither heard nor answered, and garbage ends nothing."""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.rtp import Packet
from tests.gateway.browser import Browser
from tests.gateway.calls import browser_calls_phone, phone_calls_phone
from tests.gateway.control import PHONE, WEBRTC, Control
from tests.gateway.phone import Phone
from ucplatform import sdp

Phones = Callable[..., Awaitable[Phone]]
Browsers = Callable[..., Browser]


async def statistics(control: Control, leg: str) -> dict[str, Any]:
    legs = (await control.ask("query", "c1"))["legs"]
    assert isinstance(legs, dict)
    found = legs[leg]
    assert isinstance(found, dict)
    return found


async def test_strangers_are_not_heard_before_during_or_after_learning(
    control: Control, phones: Phones
) -> None:
    alice, bob, stranger = await phones(frequency=440), await phones(), await phones(frequency=900)
    offer = await control.body("offer", "c1", PHONE, from_tag="a", via_branch="b", sdp=alice.description())
    bob.connect(offer)
    stranger.connect(offer)
    for _ in range(20):  # before there is an answer
        stranger.send(stranger.sound[:160])
    async with asyncio.timeout(5):
        while (await statistics(control, "b"))["in"]["discarded"] < 20:
            pass
    answer = await control.body("answer", "c1", PHONE, from_tag="a", to_tag="b", sdp=bob.description())
    alice.connect(answer)
    stranger.connect(answer)  # now towards the caller's leg
    alice.talk()
    await bob.until(lambda: len(bob.heard) >= 5)
    stranger.talk()
    assert await bob.tone() == pytest.approx(440, abs=5)
    assert {packet.ssrc for packet in bob.heard} == {bob.heard[0].ssrc}
    assert not stranger.heard and not stranger.reports
    assert (await statistics(control, "a"))["in"]["discarded"] >= 40
    assert (await statistics(control, "a"))["peer"] == f"127.0.0.1:{alice.port}"
    sequences = [packet.sequence for packet in bob.heard]
    assert len(set(sequences)) == len(sequences)


async def test_a_phone_behind_nat_is_learned_once(control: Control, phones: Phones) -> None:
    """It comes from a port that it did not announce; who comes later from elsewhere is a stranger."""
    alice, bob, stranger = await phones(frequency=440), await phones(frequency=700), await phones()
    offer = await control.body(
        "offer", "c1", PHONE, from_tag="a", via_branch="b", sdp=alice.description(port=9998)
    )
    bob.connect(offer)
    answer = await control.body("answer", "c1", PHONE, from_tag="a", to_tag="b", sdp=bob.description())
    alice.connect(answer)
    stranger.connect(answer)
    alice.talk()
    bob.talk()
    event = await control.event("peer-learned", tag="a")
    assert (event["address"], event["announced"]) == (f"127.0.0.1:{alice.port}", 0)
    stranger.talk()
    assert await alice.tone() == pytest.approx(700, abs=5)
    assert await bob.tone() == pytest.approx(440, abs=5)
    assert not stranger.heard


async def test_only_signalled_hosts_are_learned_where_signalling_named_them(
    control: Control, phones: Phones
) -> None:
    """received-from says where the signalling came from; media from any other host is a stranger's."""
    alice, bob, stranger = await phones(), await phones(), await phones()
    body = alice.description().replace("c=IN IP4 127.0.0.1", "c=IN IP4 192.0.2.77")
    offer = await control.body(
        "offer", "c1", PHONE, from_tag="a", via_branch="b", sdp=body, received_from=["IP4", "192.0.2.78"]
    )
    bob.connect(offer)
    stranger.connect(
        await control.body("answer", "c1", PHONE, from_tag="a", to_tag="b", sdp=bob.description())
    )
    for _ in range(20):
        stranger.send(stranger.sound[:160])
    await control.ask("ping")
    leg = await statistics(control, "a")
    while leg["in"]["discarded"] < 20:
        leg = await statistics(control, "a")
    assert leg["in"]["packets"] == 0 and leg["peer"] == f"192.0.2.77:{alice.port}"


async def test_garbage_from_the_phone_itself(control: Control, phones: Phones) -> None:
    alice, bob = await phones(frequency=440), await phones()
    await phone_calls_phone(control, alice, bob)
    alice.talk()
    await bob.tone()
    randomness = random.Random(1)
    heads = [
        b"",
        b"\x80",
        b"\x80\x00",
        b"\x80\xc8",
        b"\x80\xc8\x00\x01",
        b"\x9f\x00",
        b"\xb0\x00",
        b"\x80\x65",
    ]
    for _ in range(300):
        data = randomness.choice(heads) + randomness.randbytes(randomness.randrange(40))
        alice.transport.sendto(data, alice.peer)
        alice.transport.sendto(data, (alice.peer[0], alice.peer[1] + 1))
    for size in (1500, 9000, 60000):
        alice.transport.sendto(b"\x80\x00" + bytes(size), alice.peer)
    await bob.tone()  # some of it was RTP of its own, and was heard
    assert await bob.tone() == pytest.approx(440, abs=20)


def ice_of(browser: Browser) -> Any:
    """The browser's ICE connection, to misuse it."""
    return browser.transceiver.sender.transport.transport._connection


async def test_garbage_from_the_browser_itself(control: Control, phones: Phones, browsers: Browsers) -> None:
    alice, bob = browsers(frequency=1000), await phones(frequency=440)
    await browser_calls_phone(control, alice, bob)
    bob.talk()
    assert await bob.tone() == pytest.approx(1000, abs=5)
    randomness = random.Random(2)
    dtls = alice.transceiver.sender.transport
    for first in (0, 1, 20, 22, 23, 63, 64, 127, 128, 191, 200, 255):
        for _ in range(30):
            await ice_of(alice).send(bytes([first]) + randomness.randbytes(randomness.randrange(80)))
    stun = bytes.fromhex("000100082112a442") + os.urandom(12)
    for tail in (b"\x00\x06\x00\x04\xff\xfe\xfd\xfc", b"\x00\x20\x00\x04\x00\x01\x02\x03", bytes(8)):
        await ice_of(alice).send(stun + tail)
    for _ in range(200):  # SRTP that does not authenticate
        await ice_of(alice).send(b"\x80\x00" + randomness.randbytes(170))
    for _ in range(50):  # RTCP that authenticates but is none
        packet = b"\x80\xc8" + randomness.randbytes(randomness.randrange(6, 60))
        await ice_of(alice).send(dtls._tx_srtp.protect_rtcp(packet))
    assert await bob.tone() == pytest.approx(1000, abs=5)
    assert await alice.tone() == pytest.approx(440, abs=5)
    leg = await statistics(control, "a")
    assert (leg["ice"], leg["dtls"]) == ("completed", "connected")
    assert leg["in"]["discarded"] >= 400


async def test_a_strangers_dtls_and_srtp_reach_nobody(
    control: Control, phones: Phones, browsers: Browsers
) -> None:
    """A ClientHello from an address that ICE has not validated, before and during the real handshake."""
    alice, bob, stranger = browsers(frequency=1000), await phones(), await phones()
    offer = await control.body("offer", "c1", PHONE, from_tag="a", via_branch="b", sdp=await alice.offer())
    bob.connect(offer)
    answer = await control.body("answer", "c1", WEBRTC, from_tag="a", to_tag="b", sdp=bob.description())
    target = ("127.0.0.1", sdp.parse(answer).media[0].port)
    hello = bytes.fromhex("16feff0000000000000000002c010000200000000000000020fefd") + os.urandom(40)
    rtp = bytes(Packet(0, False, 1, 160, 7, bytes(160)))
    for _ in range(50):
        stranger.transport.sendto(hello, target)
    await alice.accept(answer)
    for _ in range(50):
        stranger.transport.sendto(hello, target)
        stranger.transport.sendto(rtp, target)
    assert await bob.tone() == pytest.approx(1000, abs=5)
    assert not stranger.sources
    assert (await statistics(control, "a"))["in"]["discarded"] >= 150


async def test_a_wrong_fingerprint_carries_no_media(
    control: Control, phones: Phones, browsers: Browsers
) -> None:
    alice, bob = browsers(frequency=1000), await phones()
    body = await alice.offer()
    lines = [
        line[:-2] + ("00" if not line.endswith("00") else "11") if line.startswith("a=fingerprint") else line
        for line in body.split("\r\n")
    ]
    offer = await control.body("offer", "c1", PHONE, from_tag="a", via_branch="b", sdp="\r\n".join(lines))
    bob.connect(offer)
    answer = await control.body("answer", "c1", WEBRTC, from_tag="a", to_tag="b", sdp=bob.description())
    await alice.accept(answer)
    bob.talk()
    assert (await control.event("dtls", tag="a", state="failed"))["tag"] == "a"
    leg = await statistics(control, "a")
    assert leg["in"]["packets"] == leg["out"]["packets"] == 0
    assert not bob.heard


async def test_a_page_that_vanishes_is_noticed_when_it_says_goodbye(
    control: Control, phones: Phones, browsers: Browsers
) -> None:
    alice, bob = browsers(), await phones()
    await browser_calls_phone(control, alice, bob)
    await alice.close()
    await control.event("dtls", tag="a", state="closed")
    bob.talk()
    sent = bob.sequence
    async with asyncio.timeout(5):
        while (bob.sequence - sent) & 0xFFFF < 10:
            await control.ask("ping")
    await control.ask("delete", "c1", from_tag="a")
