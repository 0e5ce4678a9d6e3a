"""Ports: pairs and singles, exhaustion, and that nothing leaks over many calls."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from gateway.errors import GatewayError, PortsExhausted
from gateway.gateway import Gateway
from gateway.ports import PortPool
from tests.gateway.browser import Browser
from tests.gateway.calls import browser_calls_phone
from tests.gateway.control import PHONE, WEBRTC, Control, Refused, config
from tests.gateway.phone import Phone
from tests.ports import own_block

Phones = Callable[..., Awaitable[Phone]]
Browsers = Callable[..., Browser]
LOOPBACK = "127.0.0.1"


def test_pairs_begin_even_and_singles_break_as_few_pairs_as_they_can() -> None:
    even, _ = own_block().take_range(10)
    pool = PortPool(even + 1, even + 8)
    assert (pool.total, pool.free) == (8, 8)
    single = pool.bind_single([LOOPBACK])
    assert single.port in (even + 1, even + 8)  # they have no partner
    pairs = [pool.bind_pair(LOOPBACK) for _ in range(3)]
    assert all(pair.port % 2 == 0 for pair in pairs)
    with pytest.raises(PortsExhausted, match="no free media ports"):
        pool.bind_pair(LOOPBACK)
    last = pool.bind_single([LOOPBACK])
    with pytest.raises(PortsExhausted):
        pool.bind_single([LOOPBACK])
    pairs[0].release_rtcp()
    assert pool.free == 1
    for lease in (single, last, *pairs, *pairs):
        lease.release()
    assert pool.free == 8
    for lease in [pool.bind_pair(LOOPBACK) for _ in range(3)]:
        lease.release()


def test_ports_that_another_program_holds_are_passed_over() -> None:
    first, last = own_block().take_range(4)
    pool = PortPool(first, last)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((LOOPBACK, first + 1))
        pair = pool.bind_pair(LOOPBACK)
        assert pair.port == first + 2
        with pytest.raises(PortsExhausted):
            pool.bind_pair(LOOPBACK)
        assert pool.free == 2
    pool.bind_pair(LOOPBACK).release()
    pair.release()
    assert pool.free == 4


def test_an_address_that_is_not_ours_is_named() -> None:
    pool = PortPool(*own_block().take_range(2))
    with pytest.raises(GatewayError, match=r"192\.0\.2\.200"):
        pool.bind_pair("192.0.2.200")
    assert pool.free == 2


@pytest.fixture
async def small() -> AsyncIterator[tuple[Gateway, Control]]:
    first, last = own_block().take_range(5)
    gateway = Gateway(config(first_port=first, last_port=last))
    await gateway.start()
    control = await Control.open(gateway)
    yield gateway, control
    control.close()
    await gateway.close()


async def test_exhaustion_is_a_clear_error_and_leaves_nothing(
    small: tuple[Gateway, Control], phones: Phones, browsers: Browsers
) -> None:
    gateway, control = small
    alice = await phones()
    await control.body("offer", "c1", PHONE, from_tag="a", via_branch="b", sdp=alice.description())
    for profile in (PHONE, WEBRTC):
        with pytest.raises(Refused, match="no free media ports"):
            await control.ask(
                "offer", "c2", **{**profile, "from-tag": "a", "to-tag": "b", "sdp": alice.description()}
            )
    assert (await control.ask("ping"))["ports"] == {"free": 1, "total": 5}
    with pytest.raises(Refused, match="Unknown call-id"):
        await control.ask("query", "c2")
    # A branch too many leaves the others alone.
    await control.body("terminate", "c3", WEBRTC, from_tag="x", sdp=await browsers().offer())
    with pytest.raises(Refused, match="no free media ports"):
        await control.ask(
            "offer", "c1", **{**PHONE, "from-tag": "a", "to-tag": "b2", "sdp": alice.description()}
        )
    assert set((await control.ask("query", "c1"))["legs"]) == {"a", "b"}
    await control.ask("delete", "c1", from_tag="a")
    await control.ask("delete", "c3")
    assert gateway.ports.free == 5


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


async def test_a_hundred_calls_leave_nothing_behind(
    gateway: Gateway, control: Control, phones: Phones, browsers: Browsers
) -> None:
    alice, page = await phones(), browsers()
    offer = await page.offer()
    await control.body("offer", "c", PHONE, from_tag="a", via_branch="b", sdp=alice.description())
    await control.ask("delete", "c")  # what the first call starts: a worker
    files, tasks = open_files(), len(asyncio.all_tasks())
    for index in range(100):
        call = f"c{index}"
        await control.body("offer", call, WEBRTC, from_tag="a", via_branch="b", sdp=alice.description())
        await control.body("offer", call, PHONE, from_tag="a", via_branch="c", sdp=alice.description())
        if index % 2:
            # A browser that answers and is never seen: its leg is looking for it when it ends.
            await control.body("answer", call, PHONE, from_tag="a", to_tag="c", sdp=alice.description())
            await control.body("terminate", call, WEBRTC, from_tag="x", sdp=offer)
        await control.ask("delete", call)
        assert gateway.ports.free == gateway.ports.total
    assert open_files() == files
    assert len(asyncio.all_tasks()) <= tasks
    assert not gateway.commands.calls and not gateway.commands._turns and not gateway.commands._claims


async def test_connected_calls_leave_nothing_behind(
    gateway: Gateway, control: Control, browsers: Browsers
) -> None:
    files = open_files()
    for index in range(5):
        alice, bob = Browser(), await Phone.open()
        await browser_calls_phone(control, alice, bob, f"c{index}")
        await control.ask("delete", f"c{index}", from_tag="a")
        await alice.close()
        await bob.close()
    assert gateway.ports.free == gateway.ports.total
    await control.ask("ping")
    assert open_files() <= files


@pytest.mark.parametrize(
    ("address", "level", "ask", "kind"),
    [
        ("127.0.0.1", socket.IPPROTO_IP, socket.IP_RECVTOS, socket.IP_TOS),
        ("::1", socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, socket.IPV6_TCLASS),
    ],
)
def test_what_leaves_is_marked(address: str, level: int, ask: int, kind: int) -> None:
    """RFC 4594 section 4.1, as the far end's kernel sees it."""
    lease = PortPool(*own_block().take_range(2), dscp=46).bind_pair(address)
    with socket.socket(lease.sockets[0].family, socket.SOCK_DGRAM) as far:
        far.bind((address, 0))
        far.setsockopt(level, ask, 1)
        far.settimeout(5)
        lease.sockets[0].sendto(b"x", far.getsockname()[:2])
        _, notes, _, _ = far.recvmsg(16, 64)
    lease.release()
    assert [data[0] for where, what, data in notes if (where, what) == (level, kind)] == [46 << 2]
