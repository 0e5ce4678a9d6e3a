"""The RTP termination: RTP and RTCP on a port pair, or on one port; symmetric (RFC 4961)."""

from typing import ClassVar

from gateway import rtcp
from gateway.carrier import Port, UdpPort, looks_like_rtp, udp_port
from gateway.config import Interface
from gateway.description import RTP, Address, Description
from gateway.learning import PeerLock
from gateway.ports import Lease
from gateway.rtp import HEADER_LENGTH, is_rtcp
from gateway.termination import Services, Statistics, Termination


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
        self._rtp: Port | None = None
        self._rtcp: UdpPort | None = None
        self._target: Address | None = None

    async def open(self) -> None:
        self._lease = self.services.ports.bind_pair(self.interface.local)
        rtp, control = self._lease.sockets
        self._rtp = await self.carrier.listen(rtp)
        self._rtcp = await udp_port(control, self._on_rtcp)

    @property
    def port(self) -> int:
        """0 before `open`."""
        return self._lease.port if self._lease is not None else 0

    @property
    def ready(self) -> bool:
        return self._target is not None and self._rtp is not None

    async def apply(self, local: Description, remote: Description) -> None:
        self.local, self.remote = local, remote
        hosts = {*self.hosts, remote.rtp[0]} if self.hosts and remote.rtp else ()
        if remote.rtp is not None and remote.rtp != self._lock.announced:
            self._control_learned = None
        self._lock.announce(remote.rtp, hosts)
        self.carrier.announce(self._lock.announced)
        self._send_to(self._lock.send_to)
        self.mux = local.rtcp_mux and remote.rtcp_mux
        self._control_peer = remote.rtp if self.mux else remote.rtcp
        if self.mux and self._rtcp is not None and self._lease is not None:
            control, self._rtcp = self._rtcp, None
            await control.close()
            self._lease.release_rtcp()

    def _send_to(self, target: Address | None) -> None:
        self._target = target
        if self._rtp is not None:
            self.carrier.peer(self._rtp, target, locked=self._lock.locked is not None)

    def learn(self, data: bytes, address: Address) -> None:
        """This packet may make its sender our peer: while none is locked, or if it was announced."""
        if self.remote is None or len(data) < HEADER_LENGTH or is_rtcp(data):
            return
        if data[1] & 0x7F not in self.routes:
            return
        sequence, ssrc = int.from_bytes(data[2:4], "big"), int.from_bytes(data[8:12], "big")
        if not self._lock.packet(address, ssrc, sequence):
            return
        self._send_to(address)
        self.emit(
            "peer-learned", address=f"{address[0]}:{address[1]}", announced=int(address == self.remote.rtp)
        )

    def _on_rtcp(self, port: UdpPort, data: bytes, address: Address) -> None:
        """RTCP comes from the RTP peer's host; its port is learned once (RFC 4961 section 4)."""
        target = self._target
        if not looks_like_rtp(data):
            return
        if self.remote is None or target is None or not is_rtcp(data):
            self.discarded += 1
        elif address in (self._control_learned, self._control_peer):
            self.rtcp_received(data)
        elif self._control_learned is None and address[0] == target[0]:
            self._control_learned = address
            self.rtcp_received(data)
        else:
            self.discarded += 1

    def send_rtcp(self, data: bytes) -> None:
        if self.mux:
            self.carrier.send_rtcp(data)
            return
        target = self._control_learned or self._control_peer
        if self._rtcp is not None and target is not None:
            self._rtcp.sendto(data, target)

    def transport_statistics(self) -> Statistics:
        result: Statistics = {"local": f"{self.interface.advertised}:{self.port}"}
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
        self.carrier.close()
        for port in (self._rtp, self._rtcp):
            if port is not None:
                await port.close()
        if self._lease is not None:
            self._lease.release()
