"""The WebRTC termination: ICE, DTLS-SRTP, one port for everything (BUNDLE, rtcp-mux)."""

import asyncio
import logging
from typing import ClassVar

from aiortc import RTCIceCandidate

from gateway import rtcp
from gateway.carrier import Address, Guard, Port
from gateway.config import Interface
from gateway.description import WEBRTC, Description
from gateway.errors import GatewayError
from gateway.ortc import RemoteParameters, SecureTransport
from gateway.ports import Lease
from gateway.termination import Services, Statistics, Termination
from ucplatform.sdp import Candidate, Fingerprint, IceCredentials

logger = logging.getLogger(__name__)


class WebRtcTermination(Termination):
    """One browser. `controlling` is our ICE role: that of the side which offers (RFC 8445 section 6.1.1)."""

    kind: ClassVar[str] = WEBRTC
    guard: ClassVar[Guard] = Guard.DTLS

    def __init__(
        self, call_id: str, leg_id: str, interface: Interface, services: Services, *, controlling: bool
    ) -> None:
        super().__init__(call_id, leg_id, interface, services)
        self._controlling = controlling
        self._lease: Lease | None = None
        self._secure: SecureTransport | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._advertised: dict[str, str] = {}
        self._certificate = services.certificate()

    async def open(self) -> None:
        interfaces = self._interfaces()
        self._lease = self.services.ports.bind_single([interface.local for interface in interfaces])
        self._advertised = {interface.local: interface.advertised for interface in interfaces}
        self._secure = SecureTransport(
            self._lease.sockets,
            self._certificate,
            self.carrier,
            controlling=self._controlling,
            on_state=self._state_changed,
        )
        await self._secure.gather()

    def _interfaces(self) -> list[Interface]:
        """Ours first, then the others that a browser may reach us by; loopback only if ours is loopback."""
        others = [other for other in self.services.config.interfaces if other != self.interface]
        if not self.interface.loopback:
            others = [other for other in others if not other.loopback]
        unique = {interface.local: interface for interface in reversed([self.interface, *others])}
        return list(reversed(unique.values()))

    @property
    def secure(self) -> SecureTransport:
        if self._secure is None:
            raise GatewayError("termination is not open")
        return self._secure

    @property
    def port(self) -> int:
        """0 before `open`."""
        return self._lease.port if self._lease is not None else 0

    @property
    def ready(self) -> bool:
        return self._secure is not None and self._secure.ready

    @property
    def credentials(self) -> IceCredentials:
        return IceCredentials(*self.secure.credentials)

    @property
    def candidates(self) -> list[Candidate]:
        """Ours, with the addresses to be advertised."""
        return [
            Candidate(
                foundation=found.foundation,
                component=1,
                transport="udp",
                priority=found.priority,
                address=self._advertised.get(found.ip, found.ip),
                port=found.port,
                type="host",
            )
            for found in self.secure.candidates
        ]

    @property
    def fingerprints(self) -> list[Fingerprint]:
        found = self._certificate.getFingerprints()
        return [Fingerprint(item.algorithm, item.value) for item in found if item.algorithm == "sha-256"]

    async def apply(self, local: Description, remote: Description) -> None:
        first = self.remote is None
        if not first and self.remote is not None and remote.ice != self.remote.ice:
            raise GatewayError("ICE restart is not supported")
        self.local, self.remote = local, remote
        if first:
            self._connecting = asyncio.create_task(self._connect(self._parameters(local, remote)))

    def _parameters(self, local: Description, remote: Description) -> RemoteParameters:
        if remote.ice is None:
            raise GatewayError("a WebRTC description needs ICE credentials")
        return RemoteParameters(
            ufrag=remote.ice.ufrag,
            password=remote.ice.password,
            lite=remote.ice_lite,
            candidates=tuple(
                RTCIceCandidate(
                    component=1,
                    foundation=item.foundation,
                    ip=item.address,
                    port=item.port,
                    priority=item.priority,
                    protocol="udp",
                    type=item.type,
                )
                for item in remote.candidates
            ),
            fingerprints=tuple((item.algorithm, item.digest) for item in remote.fingerprints),
            role="client" if we_are_active(local, remote) else "server",
        )

    async def _connect(self, remote: RemoteParameters) -> None:
        limit = self.services.config.connect_timeout
        try:
            async with asyncio.timeout(limit):
                await self.secure.connect(remote)
        except TimeoutError:
            part = "dtls" if self.secure.ice_state == "completed" else "ice"
            self.emit(part, state="failed", reason=f"not connected within {limit:g} s")
        except Exception as error:  # a peer's certificate or parameters that OpenSSL will not have
            logger.exception("call=%s leg=%s connecting failed", self.call_id, self.id)
            self.emit("dtls", state="failed", reason=str(error) or type(error).__name__)

    def _state_changed(self, part: str, state: str) -> None:
        if not self.closed:
            self.emit(part, state=state)
            if self.on_ready is not None:
                self.on_ready(self)

    def raw(self, port: Port, data: bytes, address: Address) -> None:
        if self._secure is not None:
            self._secure.datagram(port, data, address)

    @property
    def dropped(self) -> int:
        return super().dropped + (self._secure.drops.total if self._secure is not None else 0)

    def transport_statistics(self) -> Statistics:
        result: Statistics = {"local": f"{self.interface.advertised}:{self.port}"}
        if self._secure is not None:
            peer = self._secure.peer
            if peer is not None:
                result["peer"] = f"{peer[0]}:{peer[1]}"
            result["ice"] = self._secure.ice_state
            result["dtls"] = self._secure.dtls_state
        return result

    async def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        self.routes = {}
        if self.ready and self.out.packets:
            self.send_rtcp(rtcp.goodbye(self.out.ssrc, self.cname))
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
        if self._secure is not None:
            await self._secure.close()
        self.carrier.close()
        if self._lease is not None:
            self._lease.release()


def we_are_active(local: Description, remote: Description) -> bool:
    """Who begins DTLS (RFC 8842 section 5): the answer has decided, and the offer said actpass."""
    if remote.setup in ("active", "passive"):
        return remote.setup == "passive"
    return local.setup == "active"
