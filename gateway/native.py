"""The native relay as the gateway uses it: a thread in C (`gateway/csrc`) that carries all legs' packets.

libsrtp is borrowed by function pointer from pylibsrtp, which aiortc has loaded anyway. A session that was
given to the thread is never called from Python again, and kept until the leg is closed.
"""

import asyncio
import random
import socket
from collections.abc import Mapping
from typing import Any

from pylibsrtp import Session
from pylibsrtp._binding import ffi as srtp_ffi
from pylibsrtp._binding import lib as srtp

from gateway.carrier import Address, Guard, Port, Upward
from gateway.errors import GatewayError, PacketError
from gateway.relay import Forward, Nowhere, Route
from gateway.rtcp import SenderInfo, ntp_now
from gateway.rtp import HEADER, is_rtcp
from gateway.statistics import Received

try:
    from _uc_relay import ffi, lib
except ImportError:  # no compiler at set-up; all goes through Python
    ffi = lib = None

AT_ONCE = 64  # items taken up before the event loop has its turn
SOUND = 0  # the medium of a leg


def available() -> bool:
    """Whether the thread was built."""
    return lib is not None


class NativePort:
    """A socket that the thread reads; what Python sends goes out directly."""

    def __init__(self, handle: int, sock: socket.socket) -> None:
        self.handle = handle
        self._sock: socket.socket | None = sock

    def sendto(self, data: bytes, address: Address) -> None:
        if self._sock is not None:
            try:
                self._sock.sendto(data, address)
            except OSError:  # full, or unreachable: lost as on any network
                return

    async def close(self) -> None:
        """The lease closes the socket itself, after the leg."""
        self._sock = None


class NativeRelay:
    """The thread. Made within a running event loop; `close` ends it."""

    def __init__(self) -> None:
        functions = ffi.new("srtp_functions *")
        for name in ("unprotect", "unprotect_rtcp", "protect", "protect_rtcp"):
            address = srtp_ffi.addressof(srtp, f"srtp_{name}")
            setattr(functions, name, ffi.cast("srtp_step", int(srtp_ffi.cast("uintptr_t", address))))
        self.thread = lib.relay_new(functions)
        if self.thread == ffi.NULL:
            raise OSError(ffi.errno, "the relay's thread cannot be started")
        self._items = ffi.new("upward_item[]", AT_ONCE)
        self._legs: dict[int, NativeCarrier] = {}
        self._loop = asyncio.get_running_loop()
        self.time = self._loop.time
        self._loop.add_reader(lib.relay_descriptor(self.thread), self._come_up)

    def carrier(self, upward: Upward, guard: Guard) -> "NativeCarrier":
        made = NativeCarrier(self, upward, guard)
        self._legs[made.key] = made
        return made

    def forget(self, key: int) -> None:
        self._legs.pop(key, None)

    def _come_up(self) -> None:
        for index in range(lib.relay_take(self.thread, self._items, AT_ONCE)):
            item = self._items[index]
            leg = self._legs.get(item.leg)
            if leg is not None:
                leg.came_up(item.kind, item.port, bytes(ffi.buffer(item.data, item.size)), item)

    def close(self) -> None:
        """The thread has ended when this returns."""
        self._loop.remove_reader(lib.relay_descriptor(self.thread))
        lib.relay_free(self.thread)
        self._legs.clear()


class NativeReceived(Received):
    """The counters of one medium, as they were at the last `refresh`."""

    __slots__ = ("_report", "_sequences")

    def __init__(self) -> None:
        super().__init__()
        self._report = ffi.new("intake_report *")
        self._sequences = 0

    def refresh(self, thread: Any, leg: int) -> None:
        report = self._report
        if lib.leg_read_medium(thread, leg, SOUND, report) < 0 or not report.sequences:
            return
        self.packets, self.octets = report.packets, report.octets
        self.last_at, self.jitter, self.clock = report.last_at, report.jitter, report.clock
        self.ssrc = report.ssrc
        self._base, self._highest, self._count = report.base, report.highest, report.count
        self._lost_before = report.lost - max(self.expected - self._count, 0)
        self._first_seen = True
        if report.sequences != self._sequences:  # reports speak of the new one only
            self._sequences = report.sequences
            self._prior_expected = self._prior_count = 0


class NativeOutlet:
    """The stream towards one leg, whose numbers the thread keeps."""

    def __init__(self, thread: Any, leg: int) -> None:
        self._thread = thread
        self._report = ffi.new("outlet_report *")
        self._timestamp = ffi.new("uint32_t *")
        self.ssrc = random.randrange(1, 1 << 32)
        # The sequence below 2^15, as SRTP likes it (RFC 3711 section 3.3.1).
        self.handle = lib.outlet_open(
            thread, leg, self.ssrc, random.randrange(1 << 15), random.randrange(1 << 32)
        )
        if not self.handle:
            raise GatewayError("no memory for another stream")

    def _read(self) -> Any:
        lib.outlet_read(self._thread, self.handle, self._report)  # afterwards the last numbers remain
        return self._report

    @property
    def packets(self) -> int:
        return int(self._read().packets)

    @property
    def octets(self) -> int:
        return int(self._read().octets)

    @property
    def clock(self) -> int:
        return int(self._read().clock) or 8000

    def carry(self, source: int, payload_type: int, clock: int, data: bytes, now: float) -> None:
        if (
            lib.outlet_forward(self._thread, self.handle, source, payload_type, clock, data, len(data), now)
            < 0
        ):
            raise PacketError("malformed RTP")

    def fed_by(self, source: int, ssrc: int) -> bool:
        return bool(lib.outlet_fed_by(self._thread, self.handle, source, ssrc))

    def begin(self, source: int, ssrc: int, clock: int, now: float) -> int | None:
        if lib.outlet_begin(self._thread, self.handle, source, ssrc, clock, now, self._timestamp) < 0:
            return None
        return int(self._timestamp[0])

    def next_timestamp(self, clock: int, now: float) -> int:
        return int(lib.outlet_following(self._thread, self.handle, clock, now))

    def append(self, second: int, timestamp: int, payload: bytes, now: float) -> None:
        lib.outlet_append(
            self._thread, self.handle, second, timestamp & 0xFFFFFFFF, payload, len(payload), now
        )

    def hold(self) -> None:
        lib.outlet_hold(self._thread, self.handle, 1)

    def release(self) -> None:
        lib.outlet_hold(self._thread, self.handle, 0)

    def sender_info(self, now: float) -> SenderInfo | None:
        report = self._read()
        if not report.packets:
            return None
        timestamp = (report.timestamp + int((now - report.sent_at) * report.clock)) & 0xFFFFFFFF
        return SenderInfo(ntp_now(), timestamp, report.packets, report.octets)

    def close(self) -> None:
        self._read()
        lib.outlet_close(self._thread, self.handle)


class NativeCarrier:
    """One leg in the thread. See `gateway.carrier.Carrier`."""

    def __init__(self, relay: NativeRelay, upward: Upward, guard: Guard) -> None:
        self._relay = relay
        self._thread = relay.thread
        self._upward = upward
        self.key: int = lib.leg_open(self._thread, getattr(lib, f"LEG_{guard.name}"))
        if not self.key:
            raise GatewayError("no memory for another leg")
        self.received = NativeReceived()
        self.out = NativeOutlet(self._thread, self.key)
        self._ports: dict[int, NativePort] = {}
        self._routes: Mapping[int, Route] = {}
        self._locked: Address | None = None
        self._strangers = 0
        self._sessions: tuple[Session | None, Session | None] = (None, None)
        self._report = ffi.new("leg_report *")

    async def listen(self, sock: socket.socket) -> Port:
        handle = lib.leg_port(self._thread, self.key, sock.fileno())
        if not handle:
            raise GatewayError("the relay cannot take another socket")
        port = self._ports[handle] = NativePort(handle, sock)
        return port

    def admit(self, port: Port, address: Address) -> None:
        if isinstance(port, NativePort):
            lib.leg_admit(self._thread, port.handle, place(address))

    def peer(self, port: Port, address: Address | None, *, locked: bool) -> None:
        self._locked = address if locked else None
        if isinstance(port, NativePort):
            lib.leg_peer(self._thread, self.key, port.handle, place(address), locked)

    def announce(self, address: Address | None) -> None:
        lib.leg_announce(self._thread, self.key, place(address))

    def secure_with(self, receiving: Session | None, sending: Session | None) -> None:
        lib.leg_sessions(self._thread, self.key, session(receiving), session(sending))
        self._sessions = receiving, sending

    def route(self, routes: Mapping[int, Route], clocks: Mapping[int, int]) -> None:
        for payload_type in self._routes.keys() - routes.keys():
            lib.leg_route(self._thread, self.key, payload_type, lib.ROUTE_NONE, SOUND, 0, 0, 0)
        self._routes = routes
        for payload_type, way in routes.items():
            clock = clocks[payload_type]
            kind, outlet, called = lib.ROUTE_UP, 0, 0
            if isinstance(way, Forward) and isinstance(way.out, NativeOutlet):
                kind, outlet, called = lib.ROUTE_FORWARD, way.out.handle, way.payload_type
            elif isinstance(way, Nowhere):
                kind = lib.ROUTE_NOWHERE
            lib.leg_route(self._thread, self.key, payload_type, kind, SOUND, clock, outlet, called)

    def came_up(self, kind: int, port: int, data: bytes, item: Any) -> None:
        """What the thread leaves to us."""
        if kind == lib.UP_RTCP:
            self._upward.rtcp_received(data)
        elif kind == lib.UP_RTP:
            self._rtp(data)
        elif kind == lib.UP_BEGUN:
            self._upward.begun(data[1] & 0x7F)
        elif kind == lib.UP_RAW and port in self._ports:
            self._upward.raw(self._ports[port], data, address_of(item.sender))
        elif kind == lib.UP_LEARN:
            self._learn(data, address_of(item.sender))

    def _learn(self, data: bytes, address: Address) -> None:
        if address != self._locked:
            self._upward.learn(data, address)
        if address != self._locked:
            self._strangers += 1
        elif is_rtcp(data):
            self._upward.rtcp_received(data)
        else:
            lib.leg_inject(self._thread, self.key, data, len(data))

    def _rtp(self, data: bytes) -> None:
        _, second, sequence, timestamp, ssrc = HEADER.unpack_from(data)
        way = self._routes.get(second & 0x7F)
        if way is None:
            return
        try:
            way.forward(data, second, sequence, timestamp, ssrc, self._relay.time())
        except PacketError:
            self.received.discarded += 1

    def send_rtcp(self, data: bytes) -> None:
        lib.leg_send_rtcp(self._thread, self.key, data, len(data))

    def refresh(self) -> None:
        self.received.refresh(self._thread, self.key)

    @property
    def thrown_away(self) -> int:
        lib.leg_read(self._thread, self.key, self._report)
        report = self._report
        return int(self._strangers + report.strangers + report.failed + report.discarded)

    def close(self) -> None:
        self.refresh()
        lib.leg_read(self._thread, self.key, self._report)
        lib.leg_close(self._thread, self.key)
        self.out.close()
        self._relay.forget(self.key)
        self._sessions = (None, None)
        del self._upward  # it keeps us, and is asked nothing any more


def place(address: Address | None) -> Any:
    """An address as the thread has it; None is nowhere."""
    found = ffi.new("place *")
    if address is None:
        return found
    host, _, zone = address[0].partition("%")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    octets = socket.inet_pton(family, host)
    found.family = 6 if family == socket.AF_INET6 else 4
    found.port = address[1]
    found.scope = socket.if_nametoindex(zone) if zone else 0
    ffi.memmove(found.host, octets, len(octets))
    return found


def address_of(found: Any) -> Address:
    if found.family == 4:
        return socket.inet_ntop(socket.AF_INET, bytes(ffi.buffer(found.host, 4))), found.port
    host = socket.inet_ntop(socket.AF_INET6, bytes(ffi.buffer(found.host, 16)))
    return (f"{host}%{socket.if_indextoname(found.scope)}" if found.scope else host), found.port


def session(given: Session | None) -> Any:
    """libsrtp's own handle in a session of pylibsrtp."""
    if given is None:
        return ffi.NULL
    return ffi.cast("void *", int(srtp_ffi.cast("uintptr_t", given._srtp[0])))
