"""SIP over UDP: one socket per listening address, flows made from the addresses of each datagram."""

import asyncio
import socket
import struct
from collections.abc import Callable

from ucplatform.edge import log
from ucplatform.edge.addresses import Routes, family, unmapped
from ucplatform.edge.limits import Limits
from ucplatform.sip import stun
from ucplatform.sip.flow import Address, Flow, hostport

SO_RCVBUFFORCE = 33  # Linux; not in Python's socket module
SO_MEMINFO = 55  # the same
WILDCARDS = frozenset({"0.0.0.0", "::"})
#: octets; less cannot be a request line, but keeps a mapping in a NAT open
SHORTEST = 16


def udp_socket(address: Address, limits: Limits) -> socket.socket:
    """A bound, non-blocking socket with a large receive buffer.

    OSError names the address when it is taken.
    """
    sock = socket.socket(family(address[0]), socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        enlarge(sock, limits.receive_buffer)
        sock.bind(address)
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"cannot listen on udp {hostport(address)}: {error.strerror}") from error
    return sock


def enlarge(sock: socket.socket, octets: int) -> None:
    """Raise SO_RCVBUF: past the system's maximum where we may (CAP_NET_ADMIN), up to it otherwise."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, octets)
    except OSError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, octets)


def waiting(sock: socket.socket) -> int:
    """Octets of memory taken by datagrams that nobody has read yet; 0 where the system does not tell."""
    try:
        return struct.unpack_from("I", sock.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 36))[0]
    except (OSError, struct.error):
        return 0


class UdpListener(asyncio.DatagramProtocol):
    """One bound UDP socket. Datagrams go to `deliver(data, flow)`."""

    def __init__(self, deliver: Callable[[bytes, Flow], None], routes: Routes, limits: Limits) -> None:
        self._deliver = deliver
        self._routes = routes
        self._limits = limits
        self._flows: dict[tuple, Flow] = {}
        self._transport: asyncio.DatagramTransport | None = None
        self.address: Address = ("", 0)
        self._closed = asyncio.Event()
        self.dropped = 0

    async def open(self, address: Address) -> None:
        """Bind `address` and listen; OSError when it is taken."""
        sock = udp_socket(address, self._limits)
        self.address = unmapped(sock.getsockname())
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, sock=sock)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: tuple) -> None:
        if len(data) < SHORTEST:
            return  # CRLF and zero octets keep a NAT's mapping open and want no answer
        if data[0] < 4:  # no letter: STUN, or nothing
            return self._keep_alive(data, addr)
        try:
            flow = self._flows.get(addr) or self._remember(addr)
        except OSError:
            return  # no way back: the sender cannot be answered
        self._deliver(data, flow)

    def _keep_alive(self, data: bytes, addr: tuple) -> None:
        """Answer STUN (RFC 5626 3.5.2)."""
        reply = stun.answer(data, unmapped(addr)) if stun.is_stun(data) else None
        if reply is not None and self._transport is not None:
            self._transport.sendto(reply, addr)

    def _remember(self, addr: tuple) -> Flow:
        flow = self.flow(unmapped(addr))
        if len(self._flows) >= self._limits.udp_flows:
            self._flows.clear()  # equal flows are made again at need: nothing but the look-up is lost
        self._flows[addr] = flow
        return flow

    def flow(self, remote: Address) -> Flow:
        """The flow to a numeric `remote`; OSError when no route leads there."""
        host, port = self.address
        host = self._routes.local(remote[0]) if host in WILDCARDS else self._routes.face(host)
        return Flow.udp((host, port), remote)

    def send(self, flow: Flow, data: bytes) -> bool:
        """Send one datagram; False when the socket is closed or its queue is full."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return False
        if transport.get_write_buffer_size() > self._limits.output_buffer:
            self.dropped += 1  # a datagram may be lost; SIP sends it again
            return False
        transport.sendto(data, flow.remote)
        return True

    def queued(self) -> int:
        """What the kernel still keeps for us, as `waiting` counts it."""
        return 0 if self._transport is None else waiting(self._transport.get_extra_info("socket"))

    def refresh(self) -> None:
        """Ask the routing table again for every peer: addresses of this machine may have changed."""
        self._flows.clear()

    def error_received(self, exc: Exception) -> None:
        """ICMP said that some datagram went nowhere; the transaction's timer finds out which."""

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            log.error("udp-socket-lost", local=hostport(self.address), error=exc)
        self._transport = None
        self._closed.set()

    async def close(self) -> None:
        """Close the socket; its address is free again afterwards."""
        if self._transport is not None:
            self._transport.close()
            await self._closed.wait()
