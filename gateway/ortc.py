"""The one place that touches private names of aiortc and aioice (both pinned; a test fails when they move).

`SecureTransport` is ICE and DTLS of one WebRTC peer on our own sockets. The leg's carrier has them: it gives
up STUN and DTLS only, and takes the SRTP sessions when the handshake is done. What anybody sends never raises
into aioice or aiortc; what is bad is counted and dropped.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aioice import Candidate
from aioice.candidate import candidate_foundation, candidate_priority
from aioice.ice import CandidatePair, Connection, StunProtocol
from aioice.stun import Message
from aiortc import (
    RTCCertificate,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
    RTCIceCandidate,
    RTCIceGatherer,
    RTCIceParameters,
    RTCIceTransport,
)
from pylibsrtp import Session

from gateway.carrier import Address, Carrier, Port

logger = logging.getLogger(__name__)

MAX_WAITING = 64  # DTLS datagrams in aioice's queue
TOP_PREFERENCE = 65535


@dataclass(slots=True)
class Drops:
    """Datagrams of one peer that were thrown away, by reason."""

    stun: int = 0
    dtls: int = 0

    @property
    def total(self) -> int:
        return self.stun + self.dtls


class PortTransport(asyncio.DatagramTransport):
    """A carrier's port as aioice sees it."""

    def __init__(self, port: Port, protocol: asyncio.BaseProtocol, name: Address) -> None:
        super().__init__({"sockname": name})
        self._port = port
        self._protocol = protocol
        self._closing: asyncio.Task[None] | None = None

    def sendto(self, data: bytes, addr: Any = None) -> None:  # type: ignore[override]
        if self._closing is None:
            self._port.sendto(data, addr)

    def is_closing(self) -> bool:
        return self._closing is not None

    def close(self) -> None:
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close())

    async def _close(self) -> None:
        await self._port.close()
        self._protocol.connection_lost(None)


class MediaSocket(StunProtocol):
    """aioice's side of one of our ports."""

    def __init__(self, connection: "IceConnection", port: Port) -> None:
        super().__init__(connection)
        self.connection = connection
        self.port = port

    def stun(self, data: bytes, address: Address) -> None:
        try:
            super().datagram_received(data, address)
        except Exception as error:  # fuzzed STUN raises IndexError, KeyError, struct.error, …
            self.connection.drops.stun += 1
            logger.debug("STUN from %s dropped: %r", address, error)


class IceConnection(Connection):
    """aioice's agent on sockets that were bound before; remembers where to send."""

    def __init__(self, sockets: Sequence[socket.socket], controlling: bool, carrier: Carrier) -> None:
        super().__init__(ice_controlling=controlling)
        self.drops = Drops()
        self.selected: tuple[Port, Address] | None = None
        self._sockets = list(sockets)
        self._carrier = carrier

    @property
    def ports(self) -> list[Port]:
        return [protocol.port for protocol in self._protocols if isinstance(protocol, MediaSocket)]

    def datagram(self, port: Port, data: bytes, address: Address) -> None:
        """STUN, or DTLS from a valid pair (RFC 7983)."""
        if data[0] < 4:
            for protocol in self._protocols:
                if isinstance(protocol, MediaSocket) and protocol.port is port:
                    protocol.stun(data, address)
        elif 19 < data[0] < 64 and self._queue.qsize() < MAX_WAITING:
            super().data_received(data, 1)
        else:
            self.drops.dtls += 1

    async def get_component_candidates(
        self, component: int, addresses: list[str], timeout: int = 5
    ) -> list[Candidate]:
        """Host candidates of our sockets; aioice's own way binds random ports and leaves out loopback."""
        candidates = []
        for index, sock in enumerate(self._sockets):
            host, port = sock.getsockname()[:2]
            carried = await self._carrier.listen(sock)
            protocol = MediaSocket(self, carried)
            protocol.connection_made(PortTransport(carried, protocol, (host, port)))
            protocol.local_candidate = Candidate(
                foundation=candidate_foundation("host", "udp", host),
                component=component,
                transport="udp",
                priority=candidate_priority(component, "host", TOP_PREFERENCE - index),
                host=host,
                port=port,
                type="host",
            )
            self._protocols.append(protocol)
            candidates.append(protocol.local_candidate)
        return candidates

    def data_received(self, data: bytes, component: int) -> None:
        """What aioice took for no STUN although it begins like it."""
        self.drops.stun += 1

    def check_incoming(self, message: Message, addr: Address, protocol: StunProtocol) -> None:
        """aioice would raise KeyError here, in its own loop even, for a check without PRIORITY."""
        if "PRIORITY" not in message.attributes:
            self.drops.stun += 1
            return
        self._revive_cancelled_checks()
        super().check_incoming(message, addr, protocol)

    def _revive_cancelled_checks(self) -> None:
        """Make checks that aioice cancelled when it had its first pair possible again (RFC 8445 7.3.1.4).

        It leaves them in progress for ever; a peer that then prefers such a pair would never be heard on it.
        """
        for pair in self._check_list:
            if pair.state == CandidatePair.State.IN_PROGRESS and pair.task is not None and pair.task.done():
                pair.task = None
                self.check_state(pair, CandidatePair.State.WAITING)

    def check_complete(self, pair: CandidatePair) -> None:
        """Learn which pairs are valid, and which one is nominated now."""
        if pair.state == CandidatePair.State.SUCCEEDED and isinstance(pair.protocol, MediaSocket):
            self._carrier.admit(pair.protocol.port, pair.remote_addr)
        super().check_complete(pair)
        nominated = self._nominated.get(1)
        if nominated is not None and isinstance(nominated.protocol, MediaSocket):
            selected = (nominated.protocol.port, nominated.remote_addr)
            if selected != self.selected:
                self.selected = selected
                self._carrier.peer(*selected, locked=False)


class Gatherer(RTCIceGatherer):
    """aiortc's gatherer around our own connection; asks no STUN server (this works without internet)."""

    def __init__(self, connection: IceConnection) -> None:
        super().__init__(iceServers=[])
        self._connection = connection


class Dtls(RTCDtlsTransport):
    """aiortc's DTLS; SRTP never comes this way, so what looks like it is not ours to parse."""

    async def _handle_rtp_data(self, data: bytes, arrival_time_ms: int) -> None:
        return

    async def _handle_rtcp_data(self, data: bytes) -> None:
        return

    @property
    def sessions(self) -> tuple[Session, Session] | None:
        """SRTP sessions (receiving, sending) once the handshake is done and the fingerprint is right."""
        if self.state != "connected":
            return None
        return self._rx_srtp, self._tx_srtp


@dataclass(frozen=True, slots=True)
class RemoteParameters:
    """What the peer's description says of its transport. `role` is ours: 'client' or 'server'."""

    ufrag: str
    password: str
    lite: bool
    candidates: tuple[RTCIceCandidate, ...]
    fingerprints: tuple[tuple[str, str], ...]
    role: str


class SecureTransport:
    """ICE and DTLS with one peer. `on_state(part, state)` hears of 'ice' and 'dtls' changes."""

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        certificate: RTCCertificate,
        carrier: Carrier,
        *,
        controlling: bool,
        on_state: Callable[[str, str], None],
    ) -> None:
        self._connection = IceConnection(sockets, controlling, carrier)
        self._carrier = carrier
        self._gatherer = Gatherer(self._connection)
        self._ice = RTCIceTransport(self._gatherer)
        self._dtls = Dtls(self._ice, [certificate])
        self._on_state = on_state
        self._secured = False
        self._ice.on("statechange", lambda: self._on_state("ice", self._ice.state))
        self._dtls.on("statechange", self._dtls_changed)

    async def gather(self) -> None:
        await self._gatherer.gather()

    @property
    def candidates(self) -> list[RTCIceCandidate]:
        return self._gatherer.getLocalCandidates()

    @property
    def credentials(self) -> tuple[str, str]:
        """Our ICE user name fragment and password."""
        return self._connection.local_username, self._connection.local_password

    @property
    def drops(self) -> Drops:
        return self._connection.drops

    @property
    def peer(self) -> Address | None:
        """Where media goes; None before ICE has chosen."""
        return self._connection.selected[1] if self._connection.selected is not None else None

    @property
    def ice_state(self) -> str:
        return self._ice.state

    @property
    def dtls_state(self) -> str:
        return self._dtls.state

    @property
    def ready(self) -> bool:
        """Packets can be sent."""
        return self._secured and self._connection.selected is not None

    async def connect(self, remote: RemoteParameters) -> None:
        """Run ICE, then DTLS from the pair that ICE has validated; the outcome is in the states."""
        # No end of candidates: aioice would give up when the listed ones fail, but browsers list few and are
        # met at their peer-reflexive address.
        for candidate in remote.candidates:
            await self._ice.addRemoteCandidate(candidate)
        await self._ice.start(
            RTCIceParameters(usernameFragment=remote.ufrag, password=remote.password, iceLite=remote.lite)
        )
        if self._ice.state != "completed":
            return
        self._dtls._set_role(remote.role)
        fingerprints = [RTCDtlsFingerprint(algorithm, digest) for algorithm, digest in remote.fingerprints]
        await self._dtls.start(RTCDtlsParameters(fingerprints))

    def datagram(self, port: Port, data: bytes, address: Address) -> None:
        """STUN or DTLS has come by a port."""
        self._connection.datagram(port, data, address)

    def _dtls_changed(self) -> None:
        sessions = self._dtls.sessions
        self._secured = sessions is not None
        self._carrier.secure_with(*(sessions or (None, None)))
        self._on_state("dtls", self._dtls.state)

    async def close(self) -> None:
        """Say goodbye in DTLS and close the sockets; they are closed when this returns."""
        await self._dtls.stop()
        await self._ice.stop()
        self._secured = False
        self._dtls.remove_all_listeners()
