"""The RTP termination: RTP and RTCP on a port pair, or on one port; symmetric (RFC 4961)."""

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar

from gateway import rtcp
from gateway.config import Interface
from gateway.description import RTP, Address, Description
from gateway.learning import PeerLock
from gateway.ports import Lease
from gateway.rtp import HEADER_LENGTH, PLAIN, is_rtcp
from gateway.termination import Services, Statistics, Termination

MAX_DATAGRAM = 2048  # asyncio allocates this much for every datagram; its own default is 256 KiB
MAX_PACKET = 1500


class RtpSocket(asyncio.DatagramProtocol):
    """One UDP socket. `received(data, address)` gets what could be RTP or RTCP at all."""

    def __init__(self, received: Callable[[bytes, Address], None]) -> None:
        self._received = received
        self.transport: asyncio.DatagramTransport | None = None
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport
        if hasattr(transport, "max_size"):
            transport.max_size = MAX_DATAGRAM

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        if HEADER_LENGTH <= len(data) + 4 <= MAX_PACKET and data[0] & 0xC0 == PLAIN:
            self._received(data, addr if len(addr) == 2 else addr[:2])

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(None)

    async def close(self) -> None:
        """The socket is closed when this returns."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.close()
        await self.lost


class RtpTermination(Termination):
    """Plain RTP with one peer. Strangers are neither heard nor answered."""

    kind: ClassVar[str] = RTP

    def __init__(self, call_id: str, leg_id: str, interface: Interface, services: Services) -> None:
        super().__init__(call_id, leg_id, interface, services)
        self.hosts: tuple[str, ...] = ()  # from where the peer may also come, by signalling
        self.mux = False
        self._lock = PeerLock()
        self._control_peer: Address | None = None
        self._control_learned: Address | None = None
        self._lease: Lease | None = None
        self._rtp: RtpSocket | None = None
        self._rtcp: RtpSocket | None = None
        self._send: Callable[[bytes, Address | None], None] | None = None
        self._target: Address | None = None
        self._strangers = 0

    async def open(self) -> None:
        self._lease = self.services.ports.bind_pair(self.interface.local)
        loop = asyncio.get_running_loop()
        rtp, control = self._lease.sockets
        transport, self._rtp = await loop.create_datagram_endpoint(lambda: RtpSocket(self._on_rtp), sock=rtp)
        _, self._rtcp = await loop.create_datagram_endpoint(lambda: RtpSocket(self._on_rtcp), sock=control)
        self._send = transport.sendto

    @property
    def port(self) -> int:
        """0 before `open`."""
        return self._lease.port if self._lease is not None else 0

    @property
    def ready(self) -> bool:
        return self._target is not None and self._send is not None

    async def apply(self, local: Description, remote: Description) -> None:
        self.local, self.remote = local, remote
        hosts = {*self.hosts, remote.rtp[0]} if self.hosts and remote.rtp else ()
        if remote.rtp is not None and remote.rtp != self._lock.announced:
            self._control_learned = None
        self._lock.announce(remote.rtp, hosts)
        self._target = self._lock.send_to
        self.mux = local.rtcp_mux and remote.rtcp_mux
        self._control_peer = remote.rtp if self.mux else remote.rtcp
        if self.mux and self._rtcp is not None and self._lease is not None:
            control, self._rtcp = self._rtcp, None
            await control.close()
            self._lease.release_rtcp()

    def _on_rtp(self, data: bytes, address: Address) -> None:
        if address != self._lock.locked and not self._learn(data, address):
            self._strangers += 1
        elif is_rtcp(data):
            self.rtcp_received(data)
        else:
            self.rtp_received(data)

    def _learn(self, data: bytes, address: Address) -> bool:
        """Whether this packet makes its sender our peer: while none is locked, or if it was announced."""
        if self.remote is None or len(data) < HEADER_LENGTH or is_rtcp(data):
            return False
        if data[1] & 0x7F not in self.routes:
            return False
        sequence, ssrc = int.from_bytes(data[2:4], "big"), int.from_bytes(data[8:12], "big")
        if not self._lock.packet(address, ssrc, sequence):
            return False
        self._target = address
        self.emit(
            "peer-learned", address=f"{address[0]}:{address[1]}", announced=int(address == self.remote.rtp)
        )
        return True

    def _on_rtcp(self, data: bytes, address: Address) -> None:
        """RTCP comes from the RTP peer's host; its port is learned once (RFC 4961 section 4)."""
        target = self._target
        if self.remote is None or target is None or not is_rtcp(data):
            self._strangers += 1
        elif address in (self._control_learned, self._control_peer):
            self.rtcp_received(data)
        elif self._control_learned is None and address[0] == target[0]:
            self._control_learned = address
            self.rtcp_received(data)
        else:
            self._strangers += 1

    def send_rtp(self, data: bytes) -> None:
        if self._send is not None and self._target is not None:
            self._send(data, self._target)

    def send_rtcp(self, data: bytes) -> None:
        if self.mux:
            self.send_rtp(data)
            return
        target = self._control_learned or self._control_peer
        if self._rtcp is not None and self._rtcp.transport is not None and target is not None:
            self._rtcp.transport.sendto(data, target)

    def transport_statistics(self) -> Statistics:
        result: Statistics = {
            "local": f"{self.interface.advertised}:{self.port}",
            "discarded": self._strangers,
        }
        if self._target is not None:
            result["peer"] = f"{self._target[0]}:{self._target[1]}"
        return result

    async def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        self.routes = {}
        if self.ready and self.out.packets:
            self.send_rtcp(rtcp.goodbye(self.out.ssrc, self.cname))
        self._send = None
        for sock in (self._rtp, self._rtcp):
            if sock is not None:
                await sock.close()
        if self._lease is not None:
            self._lease.release()
