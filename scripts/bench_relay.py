"""What calls cost the engine that relays them, SRTP on one side and RTP on the other, 50 packets a second
each way; and what it adds to a packet's way while a thread of Python keeps the interpreter half busy."""

import asyncio
import select
import socket
import statistics
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack
from pathlib import Path

from bench_engines import Engine, gateway, rtpengine, rtpengine_program
from bench_figure import Figure, cpu
from bench_probe import SO_TIMESTAMPNS, take
from bench_streams import PACKETS_A_SECOND, SUITE, Control, Streams
from bench_streams import Call as Pair

PAYLOADS = (160, 1100)  # octets: G.711, and about what a packet of video has
CALLS, SECONDS, ROUNDS = 100, 6, 3
MANY, MANY_SECONDS = 500, 20
TIMED, TIMED_SECONDS = 60, 20
SHARE = 2 / 3  # of the peer's cost, at the most
MEAN, P999 = 0.3, 6.0  # ms
HALF_BUSY = Path(__file__).parent / "bench_half_busy.py"

Started = Callable[[], AbstractContextManager[Engine]]


def relay() -> Iterator[Figure]:
    program = rtpengine_program()
    peer = "rtpengine (Debian), userspace" if program else "rtpengine is missing"

    def theirs() -> AbstractContextManager[Engine]:
        return rtpengine(str(program))

    for payload in PAYLOADS:
        found = asyncio.run(costs(payload, gateway, *([theirs] if program else [])))
        ours, other = found[0], found[1] if program else None
        yield Figure.beside(
            f"relayed call, SRTP to RTP, {payload} octets", ours, "% of a core", peer, other,
            f"{SUITE}, {CALLS} calls, engines in turn, best of {ROUNDS} times {SECONDS} s; one core carries "
            f"{100 / ours:.0f} calls" + (f", the peer's {100 / other:.0f}" if other else ""),
            aim=None if other is None else round(other * SHARE, 3), digits=3,
        )  # fmt: skip
    lost, sent = asyncio.run(losses(gateway))
    others = asyncio.run(losses(theirs))[0] if program else None
    yield Figure.beside(
        f"packets lost of {MANY} calls at once", lost, "packets", peer, others,
        f"{MANY_SECONDS} s, {sent} packets, 160 octets, both ways, generator on the same two cores", aim=0,
    )  # fmt: skip
    yield from added(peer, theirs if program else None)


async def costs(payload: int, *engines: Started) -> list[float]:
    """% of a core for one call of each engine, the best of the rounds. They take turns, so that both have the
    machine in the same minutes; the one that waits has nothing to do."""
    async with AsyncExitStack() as stack:
        running = [stack.enter_context(started()) for started in engines]
        crowds = [await stack.enter_async_context(Streams(one, CALLS, payload)) for one in running]
        found = [float("inf")] * len(running)
        for crowd in crowds:
            await crowd.talk(1)
        for _ in range(ROUNDS):
            for place, (engine, crowd) in enumerate(zip(running, crowds, strict=True)):
                begun, at = cpu([engine.pid]), time.monotonic()
                await crowd.talk(SECONDS)
                used = (cpu([engine.pid]) - begun) / (time.monotonic() - at)
                found[place] = min(found[place], used / CALLS * 100)
        return found


async def losses(started: Started) -> tuple[int, int]:
    """Packets lost, and packets sent."""
    with started() as engine:
        async with Streams(engine, MANY, 160) as streams:
            await streams.talk(1)
            sent, heard = await streams.counted()
            await streams.talk(MANY_SECONDS)
            all_sent, all_heard = await streams.counted()
    return (all_sent - sent) - (all_heard - heard), all_sent - sent


def added(peer: str, theirs: Started | None) -> Iterator[Figure]:
    """From a telephone's packet leaving to its arrival at the other's kernel."""

    def half_busy() -> AbstractContextManager[Engine]:
        return gateway([sys.executable, str(HALF_BUSY)])

    ours = asyncio.run(delays(half_busy))
    others = asyncio.run(delays(theirs)) if theirs else None
    for name, share, aim in (("mean", None, MEAN), ("p99.9", 0.999, P999)):
        yield Figure.beside(
            f"added to a packet's way, {name}", _of(ours, share), "ms", f"{peer}, nobody busy",
            _of(others, share) if others else None,
            f"RTP to SRTP, {TIMED} calls for {TIMED_SECONDS} s, {len(ours)} packets, and loopback's own way; "
            "a thread of Python keeps the engine's interpreter half busy", aim=aim, digits=3,
        )  # fmt: skip


def _of(delays: list[float], share: float | None) -> float:
    if share is None:
        return statistics.fmean(delays)
    return statistics.quantiles(delays, n=1000, method="inclusive")[round(share * 1000) - 1]


async def delays(started: Started) -> list[float]:
    """ms of each packet that arrived."""
    with started() as engine:
        loop = asyncio.get_running_loop()
        _, control = await loop.create_datagram_endpoint(Control, remote_addr=("127.0.0.1", engine.port))
        calls = [Pair(number) for number in range(TIMED)]
        try:
            for call in calls:
                await call.set_up(control)
            return timed(calls)
        finally:
            control.transport.close()
            for call in calls:
                call.close()


def timed(calls: list[Pair]) -> list[float]:
    """The plain telephones speak in turn; the kernel notes when each packet comes to the other side."""
    ears: dict[socket.socket, Ear] = {}
    for call in calls:
        call.sockets[0].setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        ears[call.sockets[0]] = Ear()
    found: list[float] = []
    step = 1 / PACKETS_A_SECOND / len(calls)
    begun = time.monotonic()
    for turn in range(int(TIMED_SECONDS / step)):
        call = calls[turn % len(calls)]
        number = turn // len(calls)
        packet = struct.pack("!BBHII", 0x80, 0, number & 0xFFFF, number * 160, call.number + 1) + bytes(160)
        ears[call.sockets[0]].left.append(time.time_ns())
        call.sockets[1].sendto(packet, call.towards[1])
        due = begun + (turn + 1) * step
        while (wait := due - time.monotonic()) > 0:
            for sock in select.select(list(ears), [], [], wait)[0]:
                ears[sock].read(sock, found)
    return found[PACKETS_A_SECOND * len(calls) :]  # not the first second, in which peers are learned


class Ear:
    """What one telephone hears. `left`: when each packet was sent to it, in ns; the engine counts them by
    numbers of its own."""

    def __init__(self) -> None:
        self.left: list[int] = []
        self._first: int | None = None

    def read(self, sock: socket.socket, found: list[float]) -> None:
        while True:
            try:
                data, at = take(sock)
            except BlockingIOError:
                return
            if 192 <= data[1] <= 223:
                continue  # RTCP
            sequence = int.from_bytes(data[2:4], "big")
            if self._first is None:
                self._first = sequence
            sent = self.left[(sequence - self._first) & 0xFFFF]
            found.append((at - sent) / 1e6)
