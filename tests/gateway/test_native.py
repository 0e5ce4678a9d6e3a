"""The native relay against the Python one, and under what a user may do to it."""

import asyncio
import random
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.carrier import Guard
from gateway.errors import PacketError
from gateway.native import NativeCarrier, NativeRelay, address_of, ffi, lib, place
from gateway.relay import Forward, Nowhere, OutStream
from gateway.rtp import HEADER, HEADER_LENGTH, payload_of
from gateway.statistics import Received
from tests.gateway.carriers import Ice
from tests.ports import own_block

#: one packet: which stream, how far its sequence moves on, timestamp, payload, seconds since the one before
STREAMS = st.lists(
    st.tuples(
        st.sampled_from([1, 2, 0xFFFFFFFF]),
        st.sampled_from([1, 1, 1, 2, 0, -1, -3, 60, 2999, 3000, 40000, -100, -101]),
        st.integers(0, 2**32 - 1),
        st.integers(0, 200),
        st.floats(0, 3, allow_nan=False),
    ),
    max_size=60,
)


def packets(stream: list[tuple[int, int, int, int, float]]) -> list[tuple[bytes, float]]:
    sequence, now, found = 65500, 1000.0, []
    for ssrc, step, timestamp, size, pause in stream:
        sequence, now = (sequence + step) & 0xFFFF, now + pause
        found.append((HEADER.pack(0x80, 0, sequence, timestamp, ssrc) + bytes(size), now))
    return found


@given(STREAMS)
def test_both_count_alike(stream: list[tuple[int, int, int, int, float]]) -> None:
    ours, theirs = Received(), ffi.new("intake *")
    header = ffi.new("rtp_header *")
    for data, now in packets(stream):
        _, _, sequence, timestamp, ssrc = HEADER.unpack_from(data)
        ours.packet(ssrc, sequence, timestamp, len(data), now)
        assert lib.rtp_read(data, len(data), header) == 0
        lib.intake_packet(theirs, header, len(data), 8000, now)
        assert (ours.packets, ours.octets) == (theirs.packets, theirs.octets)
        assert (ours.expected, ours.lost) == (lib.intake_expected(theirs), lib.intake_lost(theirs))
        assert ours.jitter == pytest.approx(theirs.jitter)


@given(STREAMS, st.lists(st.sampled_from([8000, 16000, 48000]), min_size=1, max_size=3))
def test_both_number_alike(stream: list[tuple[int, int, int, int, float]], clocks: list[int]) -> None:
    sent: list[bytes] = []
    ours = OutStream(lambda data: sent.append(data) is None)
    theirs, header = ffi.new("outlet *"), ffi.new("rtp_header *")
    theirs.ssrc, theirs.sequence, theirs.timestamp = ours.ssrc, ours.sequence, ours.timestamp
    theirs.clock = ours.clock
    for index, (data, now) in enumerate(packets(stream)):
        clock = clocks[index % len(clocks)]
        ours.carry(7, 96, clock, data, now)
        lib.rtp_read(data, len(data), header)
        assert lib.outlet_carry(theirs, 7, 96, clock, header, now) == 0
        written = ffi.new("uint8_t[12]")
        lib.rtp_write(written, header)
        lib.outlet_sent(theirs, header, len(data) - HEADER_LENGTH, now)
        assert bytes(ffi.buffer(written)) == sent[-1][:HEADER_LENGTH]
    assert (ours.packets, ours.octets) == (theirs.packets, theirs.octets)


@given(st.binary(min_size=HEADER_LENGTH, max_size=80))
def test_both_find_the_same_payload(data: bytes) -> None:
    data = bytes([0x80 | data[0] & 0x3F]) + data[1:]
    length = ffi.new("size_t *")
    start = lib.rtp_payload(data, len(data), length)
    try:
        payload = payload_of(data)
    except PacketError:
        assert start < 0
    else:
        assert start >= 0 and data[start : start + length[0]] == payload


class Crossing:
    """Two plain legs that hear each other, and a peer on each side."""

    def __init__(self, relay: NativeRelay) -> None:
        self.legs = [relay.carrier(Ice(), Guard.NONE) for _ in range(2)]
        self.ours, self.theirs = [udp() for _ in range(2)], [udp() for _ in range(2)]

    async def open(self) -> "Crossing":
        self.ports = [await leg.listen(ours) for leg, ours in zip(self.legs, self.ours, strict=True)]
        for leg, port, theirs in zip(self.legs, self.ports, self.theirs, strict=True):
            leg.peer(port, theirs.getsockname(), locked=True)
        self.connect()
        return self

    def connect(self) -> None:
        for one, other in (self.legs, self.legs[::-1]):
            one.route({0: Forward(one.key, other.out, 8, 8000)}, {0: 8000})

    def send(self, side: int, sequence: int) -> None:
        packet = HEADER.pack(0x80, 0, sequence & 0xFFFF, 160 * sequence & 0xFFFFFFFF, 5) + bytes(160)
        self.theirs[side].sendto(packet, self.ours[side].getsockname())

    def close(self) -> None:
        for leg in self.legs:
            leg.close()
        for sock in (*self.ours, *self.theirs):
            sock.close()


def udp() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    made.bind(("127.0.0.1", own_block().take()))
    return made


@pytest.fixture
async def relay():  # type: ignore[no-untyped-def]
    made = NativeRelay()
    yield made
    made.close()


async def test_a_packet_crosses_with_new_numbers(relay: NativeRelay) -> None:
    crossing = await Crossing(relay).open()
    crossing.send(0, 7)
    async with asyncio.timeout(5):
        data = await asyncio.get_running_loop().sock_recv(crossing.theirs[1], 2048)
    assert data[1] == 0x80 | 8 and data[8:12] == crossing.legs[1].out.ssrc.to_bytes(4, "big")
    assert len(data) == 172
    crossing.legs[0].refresh()
    assert crossing.legs[0].received.packets == crossing.legs[1].out.packets == 1
    crossing.close()


async def test_a_route_taken_away_carries_no_more(relay: NativeRelay) -> None:
    crossing = await Crossing(relay).open()
    first, second = crossing.legs
    first.route({}, {})
    crossing.send(0, 1)
    second.route({0: Nowhere()}, {0: 8000})
    crossing.send(1, 1)

    def counted() -> bool:
        second.refresh()
        return bool(first.thrown_away and second.received.packets)

    async with asyncio.timeout(5):
        while not counted():
            await asyncio.sleep(0.01)
    assert first.out.packets == second.out.packets == 0
    crossing.close()


async def test_what_is_gone_does_nothing(relay: NativeRelay) -> None:
    """Handles are not reused: what still holds one cannot reach the leg that came after."""
    crossing = await Crossing(relay).open()
    first, second = crossing.legs
    crossing.close()
    after = relay.carrier(Ice(), Guard.NONE)
    assert after.key not in (first.key, second.key)
    first.route({0: Nowhere()}, {0: 8000})
    first.peer(crossing.ports[0], None, locked=False)
    first.send_rtcp(bytes(20))
    first.out.append(0, 0, bytes(10), 0.0)
    first.out.hold()
    assert first.out.begin(1, 1, 8000, 0.0) is None and not first.out.fed_by(1, 1)
    assert lib.leg_port(relay.thread, first.key, 0) == 0
    after.close()


async def test_strangers_fill_nobody_elses_queue(relay: NativeRelay) -> None:
    """One leg that is flooded from unknown addresses leaves the others their way upward."""
    flooded, other = Ice(), Ice()
    legs = [relay.carrier(flooded, Guard.DTLS), relay.carrier(other, Guard.DTLS)]
    sockets, stranger = [udp(), udp()], udp()
    for leg, sock in zip(legs, sockets, strict=True):
        await leg.listen(sock)
    for _ in range(3000):  # nobody takes them up meanwhile: the loop does not run
        stranger.sendto(b"\0\1hello", sockets[0].getsockname())
    stranger.sendto(b"\0\1other", sockets[1].getsockname())
    async with asyncio.timeout(5):
        assert await other.raws.get() == b"\0\1other"
    assert legs[0].thrown_away > 0
    for leg in legs:
        leg.close()
    for sock in (*sockets, stranger):
        sock.close()


async def test_legs_come_and_go_while_packets_fly(relay: NativeRelay) -> None:
    """Closing and rewiring races with the thread; nothing may be touched after it is gone."""
    stop = threading.Event()
    steady = await Crossing(relay).open()
    targets = [sock.getsockname() for sock in steady.ours]

    def shower() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while not stop.is_set():
                for target in targets:
                    sender.sendto(random.randbytes(200), target)
                    sender.sendto(HEADER.pack(0x80, 0, 1, 1, 1) + bytes(20), target)

    thread = threading.Thread(target=shower)
    thread.start()
    try:
        for number in range(300):
            passing = relay.carrier(Ice(), Guard.NONE)
            sock = steady.ours[0].dup()
            port = await passing.listen(sock)
            passing.peer(port, steady.theirs[0].getsockname(), locked=True)
            steady.legs[0].route({0: Forward(steady.legs[0].key, passing.out, 0, 8000)}, {0: 8000})
            steady.send(0, number)
            await asyncio.sleep(0)
            passing.close()
            sock.close()
            steady.connect()
    finally:
        stop.set()
        thread.join()
    steady.close()


def test_addresses_go_there_and_back() -> None:
    for address in (("192.0.2.7", 5004), ("2001:db8::7", 65535)):
        assert address_of(place(address)[0]) == address
    assert place(None).family == 0


async def test_one_hundred_thousand_legs_leave_nothing(relay: NativeRelay) -> None:
    def legs(count: int) -> None:
        for _ in range(count):
            made: NativeCarrier = relay.carrier(Ice(), Guard.DTLS)
            made.close()

    legs(10_000)
    before = resident()
    legs(100_000)
    assert resident() <= before + 2 * 1024 * 1024


def resident() -> int:
    """Octets of this process that are in memory."""
    with open("/proc/self/statm") as pages:
        return int(pages.read().split()[1]) * 4096
