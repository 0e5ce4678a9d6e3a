"""Telephones with SRTP keyed by the descriptions (RFC 4568): heard and hearing, and never in the clear."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.srtp import _PROFILES
from tests.gateway.browser import Browser
from tests.gateway.control import PHONE, WEBRTC, Control, Refused
from tests.gateway.phone import Phone
from tests.gateway.srtp_phone import SAVP, SrtpPhone
from ucplatform import sdp

Phones = Callable[..., Awaitable[Any]]
Browsers = Callable[..., Browser]


async def statistics(control: Control, leg: str) -> dict[str, Any]:
    legs: Any = (await control.ask("query", "c1"))["legs"]
    return dict(legs[leg])


async def secure_calls_plain(control: Control, alice: SrtpPhone, bob: Phone) -> None:
    offer = await control.body("offer", "c1", PHONE, from_tag="a", via_branch="b", sdp=alice.description())
    bob.connect(offer)
    answer = await control.body("answer", "c1", SAVP, from_tag="a", to_tag="b", sdp=bob.description())
    alice.connect(answer)


@pytest.mark.parametrize("suite", _PROFILES)
async def test_each_suite_is_heard_both_ways(control: Control, phones: Phones, suite: str) -> None:
    alice, bob = await phones(SrtpPhone, frequency=440, suite=suite), await phones(frequency=700)
    await secure_calls_plain(control, alice, bob)
    alice.talk()
    bob.talk()
    assert await bob.tone() == pytest.approx(440, abs=5)
    assert await alice.tone() == pytest.approx(700, abs=5)
    assert alice.garbled == 0
    assert (await statistics(control, "a"))["srtp"] == suite and "srtp" not in await statistics(control, "b")


async def test_browser_calls_a_phone_that_is_offered_srtp(
    control: Control, phones: Phones, browsers: Browsers
) -> None:
    alice, bob = browsers(frequency=1000), await phones(SrtpPhone, frequency=440)
    offer = await control.body("offer", "c1", SAVP, from_tag="a", via_branch="b", sdp=await alice.offer())
    lines = sdp.cryptos_of(sdp.parse(offer).media[0])
    assert [line.suite for line in lines] == list(_PROFILES)
    assert len({line.key for line in lines}) == len(lines)
    bob.connect(offer)
    answer = await control.body("answer", "c1", WEBRTC, from_tag="a", to_tag="b", sdp=bob.description())
    await alice.accept(answer)
    await alice.connected()
    bob.talk()
    assert await alice.tone() == pytest.approx(440, abs=5)
    assert await bob.tone() == pytest.approx(1000, abs=5)


async def test_a_secure_offer_is_never_answered_in_the_clear(
    control: Control, phones: Phones, browsers: Browsers
) -> None:
    alice, bob = browsers(), await phones()
    await control.body("offer", "c1", SAVP, from_tag="a", via_branch="b", sdp=await alice.offer())
    with pytest.raises(Refused, match="changes the media transport"):
        await control.body("answer", "c1", WEBRTC, from_tag="a", to_tag="b", sdp=bob.description())


@pytest.mark.parametrize("change", ["no line", "unknown suite", "not encrypted"])
async def test_an_offer_without_a_usable_key_is_refused(
    control: Control, phones: Phones, change: str
) -> None:
    alice = await phones(SrtpPhone)
    head, _, rest = alice.description().partition("a=crypto:")
    line, _, tail = rest.partition("\r\n")
    lines = {
        "no line": "",
        "unknown suite": f"a=crypto:{line.replace('AES_CM_128', 'F8_128')}\r\n",
        "not encrypted": f"a=crypto:{line} UNENCRYPTED_SRTP\r\n",
    }
    with pytest.raises(Refused, match="no SRTP suite in common"):
        await control.body(
            "offer", "c1", PHONE, from_tag="a", via_branch="b", sdp=head + lines[change] + tail
        )


async def test_nothing_in_the_clear_is_heard_and_bad_packets_leave_the_call_untouched(
    control: Control, phones: Phones
) -> None:
    alice, bob = await phones(SrtpPhone, frequency=440), await phones()
    await secure_calls_plain(control, alice, bob)
    liar = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with liar:
        alice.talk()
        await bob.until(lambda: len(bob.heard) >= 5)
        heard = {packet.ssrc for packet in bob.heard}
        for number in range(200):  # from the phone's own address: in the clear, and under another key
            header = b"\x80\0" + number.to_bytes(2, "big") + os.urandom(4) + b"LIAR"
            alice.transport.sendto(header + os.urandom(160 + number % 11), alice.peer)
            liar.sendto(header + os.urandom(170), alice.peer)  # type: ignore[arg-type]
        assert await bob.tone() == pytest.approx(440, abs=5)
    assert {packet.ssrc for packet in bob.heard} == heard
    assert (await statistics(control, "a"))["in"]["discarded"] >= 200


async def test_a_new_offer_keeps_the_keys_and_a_new_key_of_theirs_is_taken_up(
    control: Control, phones: Phones
) -> None:
    alice, bob = await phones(SrtpPhone, frequency=440), await phones(frequency=700)
    await secure_calls_plain(control, alice, bob)
    before = alice.theirs
    alice.talk()
    bob.talk()
    await bob.tone()
    await control.body("offer", "c1", PHONE, from_tag="a", to_tag="b", sdp=alice.description())
    alice.connect(await control.body("answer", "c1", SAVP, from_tag="a", to_tag="b", sdp=bob.description()))
    assert alice.theirs == before
    assert await bob.tone() == pytest.approx(440, abs=5)
    alice.new_key()
    await control.body("offer", "c1", PHONE, from_tag="a", to_tag="b", sdp=alice.description())
    alice.connect(await control.body("answer", "c1", SAVP, from_tag="a", to_tag="b", sdp=bob.description()))
    assert alice.theirs == before
    assert await bob.tone() == pytest.approx(440, abs=5)
    assert await alice.tone() == pytest.approx(700, abs=5)
    assert alice.garbled == 0


async def test_its_rtcp_is_protected_too(control: Control, phones: Phones) -> None:
    from gateway import rtcp, srtp

    alice, bob = await phones(SrtpPhone), await phones()
    loop = asyncio.get_running_loop()
    came: asyncio.Queue[bytes] = asyncio.Queue()

    class Reports(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            came.put_nowait(data)

    place, _ = await loop.create_datagram_endpoint(Reports, local_addr=("127.0.0.1", 0))
    own = place.get_extra_info("sockname")[1]
    body = alice.description(extra=f"a=rtcp:{own}\r\n")
    bob.connect(await control.body("offer", "c1", PHONE, from_tag="a", via_branch="b", sdp=body))
    answer = await control.body("answer", "c1", SAVP, from_tag="a", to_tag="b", sdp=bob.description())
    part = alice.connect(answer)
    alice.talk()
    bob.talk()
    assert alice.theirs is not None and alice.peer is not None
    receiving = srtp.session(alice.theirs, sending=False)
    sending = srtp.session(alice.mine, sending=True)
    (report, *_) = rtcp.parse(receiving.unprotect_rtcp(await asyncio.wait_for(came.get(), 15)))
    assert isinstance(report, rtcp.Report)
    # Ours counts as theirs only under the key.
    ours = rtcp.compound(alice.ssrc, None, None, "alice")
    dropped = (await statistics(control, "a"))["in"]["discarded"]
    assert part.port == alice.peer[1]
    place.sendto(ours, (alice.peer[0], part.port + 1))
    async with asyncio.timeout(5):
        while (await statistics(control, "a"))["in"]["discarded"] == dropped:
            pass
    place.sendto(sending.protect_rtcp(ours), (alice.peer[0], part.port + 1))
    place.sendto(ours, (alice.peer[0], part.port + 1))
    async with asyncio.timeout(5):
        while (await statistics(control, "a"))["in"]["discarded"] < dropped + 2:
            pass
    assert (await statistics(control, "a"))["in"]["discarded"] == dropped + 2
    place.close()
