"""How a leg's packets are carried: the wall between what was agreed and what flies.

A carrier has the sockets of one leg, its SRTP sessions, its table from payload type to route, the stream
towards it, and the counters. There are two kinds: this one, in Python, and the thread of `gateway.native`.
What is not theirs to decide they hand to `Upward`.
"""

import asyncio
import socket
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Protocol

from pylibsrtp import Error as SrtpError
from pylibsrtp import Session

from gateway.errors import PacketError
from gateway.relay import Outlet, OutStream, Route, new_source
from gateway.rtp import HEADER, HEADER_LENGTH, PLAIN, is_rtcp
from gateway.statistics import Received

MAX_DATAGRAM = 2048  # asyncio allocates this much for every datagram; its own default is 256 KiB
MAX_PACKET = 1500

Address = tuple[str, int]


class Guard(Enum):
    """How a leg's packets are protected, and so whose are taken: by address alone; from addresses that ICE
    has proved, keyed by DTLS; by address, and by keys that stood in the descriptions."""

    NONE = "none"
    DTLS = "dtls"
    SDES = "sdes"


class Port(Protocol):
    """One UDP socket of a leg."""

    def sendto(self, data: bytes, address: Address) -> None: ...

    async def close(self) -> None:
        """The socket is closed when this returns."""


class Upward(Protocol):
    """Who decides what a carrier does not."""

    def raw(self, port: Port, data: bytes, address: Address) -> None:
        """STUN from anybody, and DTLS from an address that was admitted (RFC 7983)."""

    def learn(self, data: bytes, address: Address) -> None:
        """RTP or RTCP from an address that is not the peer's; carried on if that has become the peer."""

    def rtcp_received(self, data: bytes) -> None:
        """One compound of the peer, in the clear."""

    def begun(self, payload_type: int) -> None:
        """The first packet of the peer has come."""


class Carrier(Protocol):
    """Both kinds. `key` is what streams know it by that it feeds."""

    @property
    def key(self) -> int: ...

    @property
    def received(self) -> Received: ...

    @property
    def out(self) -> Outlet: ...

    async def listen(self, sock: socket.socket) -> Port:
        """Take what comes to this bound, non-blocking socket."""

    def admit(self, port: Port, address: Address) -> None:
        """A leg keyed by DTLS takes DTLS and SRTP from here."""

    def peer(self, port: Port, address: Address | None, *, locked: bool) -> None:
        """Where our packets go and by which port. `locked`: a plain leg hears nobody else."""

    def announce(self, address: Address | None) -> None:
        """Signalling's word for the peer: from there `learn` is asked even when the peer is locked."""

    def secure_with(self, receiving: Session | None, sending: Session | None) -> None:
        """SRTP from now on; None: nothing passes."""

    def route(self, routes: Mapping[int, Route], clocks: Mapping[int, int]) -> None:
        """The way of each payload type that may come, and its clock in Hz."""

    def send_rtcp(self, data: bytes) -> None:
        """A compound to the peer, protected where the leg is."""

    def refresh(self) -> None:
        """Bring `received` and `thrown_away` up to date."""

    @property
    def thrown_away(self) -> int:
        """Packets from strangers, and those that could not be read."""

    def close(self) -> None:
        """Nothing is carried any more; the ports are closed by themselves."""


class UdpPort(asyncio.DatagramProtocol):
    """A socket in the event loop. `admitted`: the addresses that passed a check on it (RFC 8445 7.2.5.3)."""

    def __init__(self, received: Callable[["UdpPort", bytes, Address], None]) -> None:
        self._received = received
        self._transport: asyncio.DatagramTransport | None = None
        self._lost = asyncio.get_running_loop().create_future()
        self.admitted: set[Address] = set()

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport
        if hasattr(transport, "max_size"):
            transport.max_size = MAX_DATAGRAM

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        if data:
            self._received(self, data, addr if len(addr) == 2 else addr[:2])

    def sendto(self, data: bytes, address: Address) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data, address)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._lost.done():
            self._lost.set_result(None)
        del self._received  # it keeps us, and nothing comes any more

    async def close(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.close()
        await asyncio.shield(self._lost)


async def udp_port(sock: socket.socket, received: Callable[[UdpPort, bytes, Address], None]) -> UdpPort:
    """A bound socket whose datagrams go to `received`."""
    loop = asyncio.get_running_loop()
    _, port = await loop.create_datagram_endpoint(lambda: UdpPort(received), sock=sock)
    return port


def looks_like_rtp(data: bytes) -> bool:
    """Whether a datagram of a plain leg can be RTP or RTCP at all."""
    return HEADER_LENGTH <= len(data) + 4 <= MAX_PACKET and data[0] & 0xC0 == PLAIN


def nobody_sends(data: bytes) -> bool:
    """What the stream of a closed carrier sends by."""
    return False


class PythonCarrier:
    """Each packet is a few calls in the event loop."""

    def __init__(self, upward: Upward, guard: Guard) -> None:
        self.key = new_source()
        self.received = Received()
        self.out = OutStream(self._send_rtp)
        self._upward = upward
        self._guard = guard
        self._routes: Mapping[int, Route] = {}
        self._clocks: Mapping[int, int] = {}
        self._port: Port | None = None
        self._peer: Address | None = None
        self._locked: Address | None = None
        self._announced: Address | None = None
        self._receiving: Session | None = None
        self._sending: Session | None = None
        self._strangers = self._failed = 0
        self._closed = False
        self._time = asyncio.get_running_loop().time

    async def listen(self, sock: socket.socket) -> Port:
        return await udp_port(
            sock, self._secure_datagram if self._guard is Guard.DTLS else self._plain_datagram
        )

    def admit(self, port: Port, address: Address) -> None:
        if isinstance(port, UdpPort):
            port.admitted.add(address)

    def peer(self, port: Port, address: Address | None, *, locked: bool) -> None:
        self._port, self._peer = port, address
        self._locked = address if locked else None

    def announce(self, address: Address | None) -> None:
        self._announced = address

    def secure_with(self, receiving: Session | None, sending: Session | None) -> None:
        self._receiving, self._sending = receiving, sending

    def route(self, routes: Mapping[int, Route], clocks: Mapping[int, int]) -> None:
        self._routes, self._clocks = routes, clocks

    def _plain_datagram(self, port: UdpPort, data: bytes, address: Address) -> None:
        if not looks_like_rtp(data) or self._closed:
            return
        if self._locked not in (None, address) and address != self._announced:
            self._strangers += 1
            return
        clear = data if self._guard is Guard.NONE else self._decrypted(data)
        if clear is None:
            return
        if address != self._locked:
            self._upward.learn(clear, address)
            if address != self._locked:
                self._strangers += 1
                return
        self._clear(clear)

    def _secure_datagram(self, port: UdpPort, data: bytes, address: Address) -> None:
        first = data[0]
        if self._closed:
            return
        if first < 4:
            self._upward.raw(port, data, address)
        elif address not in port.admitted:
            self._strangers += 1
        elif 127 < first < 192:
            clear = self._decrypted(data)
            if clear is not None:
                self._clear(clear)
        else:
            self._upward.raw(port, data, address)

    def _decrypted(self, data: bytes) -> bytes | None:
        """None for what is not the peer's, which is counted."""
        session = self._receiving
        if session is None or len(data) < HEADER_LENGTH:
            self._failed += 1
            return None
        try:
            return session.unprotect_rtcp(data) if is_rtcp(data) else session.unprotect(data)
        except (SrtpError, ValueError):  # forged, replayed, or longer than libsrtp's buffer
            self._failed += 1
            return None

    def _clear(self, data: bytes) -> None:
        if is_rtcp(data):
            self._upward.rtcp_received(data)
        else:
            self._rtp(data)

    def _rtp(self, data: bytes) -> None:
        """One RTP packet of the peer, in the clear."""
        received = self.received
        if len(data) < HEADER_LENGTH:
            received.discarded += 1
            return
        _, second, sequence, timestamp, ssrc = HEADER.unpack_from(data)
        route = self._routes.get(second & 0x7F)
        if route is None:
            received.discarded += 1
            return
        now = self._time()
        if ssrc != received.ssrc:
            received.clock = self._clocks.get(second & 0x7F, received.clock)
            if received.ssrc is None:
                self._upward.begun(second & 0x7F)
        received.packet(ssrc, sequence, timestamp, len(data), now)
        try:
            route.forward(data, second, sequence, timestamp, ssrc, now)
        except PacketError:
            received.discarded += 1

    def _send_rtp(self, data: bytes) -> bool:
        return self._send(data, Session.protect)

    def send_rtcp(self, data: bytes) -> None:
        self._send(data, Session.protect_rtcp)

    def _send(self, data: bytes, protect: Callable[[Session, bytes], bytes]) -> bool:
        """Whether it has left."""
        if self._port is None or self._peer is None:
            return False
        if self._sending is None and self._guard is not Guard.NONE:
            return False
        if self._sending is not None:
            try:
                data = protect(self._sending, data)
            except (SrtpError, ValueError):  # libsrtp refuses the packet
                self._failed += 1
                return False
        self._port.sendto(data, self._peer)
        return True

    def refresh(self) -> None:
        return

    @property
    def thrown_away(self) -> int:
        return self._strangers + self._failed

    def close(self) -> None:
        self._closed = True
        self._routes = {}
        self._receiving = self._sending = self._port = None
        self.out.send = nobody_sends
        del self._upward  # it keeps us, and is asked nothing any more
