"""The one place that touches private names of aiortc and aioice (both pinned; a test fails when they move).

`SecureTransport` is ICE, DTLS and SRTP of one WebRTC peer on our own sockets. Packets do not go through
aiortc's queues: `MediaSocket.datagram_received` tells STUN, DTLS and SRTP apart (RFC 7983) and only the first
two reach them. What anybody sends never raises into aioice or aiortc; what is bad is counted and dropped.
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
from pylibsrtp import Error as SrtpError
from pylibsrtp import Session

logger = logging.getLogger(__name__)

MAX_DATAGRAM = 2048  # asyncio allocates this much for every datagram; its own default is 256 KiB
MAX_WAITING = 64  # DTLS datagrams in aioice's queue
TOP_PREFERENCE = 65535

Address = tuple[str, int]


@dataclass(slots=True)
class Drops:
    """Packets of one peer's transport that were thrown away, by reason."""

    strangers: int = 0  # not from an address that passed a connectivity check
    stun: int = 0
    dtls: int = 0
    srtp: int = 0

    @property
    def total(self) -> int:
        return self.strangers + self.stun + self.dtls + self.srtp


class MediaSocket(StunProtocol):
    """One of our sockets. `valid` holds the peer addresses that passed a check on it (RFC 8445 7.2.5.3)."""

    def __init__(self, connection: "IceConnection") -> None:
        super().__init__(connection)
        self.connection = connection
        self.valid: set[tuple[Any, ...]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if hasattr(transport, "max_size"):
            transport.max_size = MAX_DATAGRAM

    def datagram_received(self, data: bytes | str, addr: tuple[Any, ...]) -> None:
        if not isinstance(data, bytes) or not data:
            return
        first = data[0]
        connection = self.connection
        if first < 4:
            try:
                super().datagram_received(data, addr)
            except Exception as error:  # fuzzed STUN raises IndexError, KeyError, struct.error, …
                connection.drops.stun += 1
                logger.debug("STUN from %s dropped: %r", addr, error)
        elif addr[:2] not in self.valid:
            connection.drops.strangers += 1
        elif 127 < first < 192:
            connection.on_srtp(data)
        elif 19 < first < 64 and connection._queue.qsize() < MAX_WAITING:
            connection.data_received(data, 1)
        else:
            connection.drops.dtls += 1


class IceConnection(Connection):
    """aioice's agent on sockets that were bound before; remembers where to send."""

    def __init__(self, sockets: Sequence[socket.socket], controlling: bool) -> None:
        super().__init__(ice_controlling=controlling)
        self.drops = Drops()
        self.on_srtp: Callable[[bytes], None] = self._not_yet
        self.on_selected: Callable[[], None] = lambda: None
        self.selected: tuple[asyncio.DatagramTransport, Address] | None = None
        self._sockets = list(sockets)

    def _not_yet(self, data: bytes) -> None:
        self.drops.srtp += 1

    async def get_component_candidates(
        self, component: int, addresses: list[str], timeout: int = 5
    ) -> list[Candidate]:
        """Host candidates of our sockets; aioice's own way binds random ports and leaves out loopback."""
        loop = asyncio.get_running_loop()
        candidates = []
        for index, sock in enumerate(self._sockets):
            _, protocol = await loop.create_datagram_endpoint(lambda: MediaSocket(self), sock=sock)
            host, port = sock.getsockname()[:2]
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
        """DTLS from a valid pair, and what aioice took for no STUN although it begins like it."""
        if data[0] < 4:
            self.drops.stun += 1
        else:
            super().data_received(data, component)

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
            pair.protocol.valid.add(pair.remote_addr)
        super().check_complete(pair)
        nominated = self._nominated.get(1)
        if nominated is not None:
            selected = (nominated.protocol.transport, nominated.remote_addr)
            if selected != self.selected:
                self.selected = selected
                self.on_selected()


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
    """ICE, DTLS and SRTP with one peer. `on_state(part, state)` hears of 'ice' and 'dtls' changes."""

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        certificate: RTCCertificate,
        *,
        controlling: bool,
        on_rtp: Callable[[bytes], None],
        on_rtcp: Callable[[bytes], None],
        on_state: Callable[[str, str], None],
    ) -> None:
        self._connection = IceConnection(sockets, controlling)
        self._connection.on_selected = self._select
        self._gatherer = Gatherer(self._connection)
        self._ice = RTCIceTransport(self._gatherer)
        self._dtls = Dtls(self._ice, [certificate])
        self._on_rtp = on_rtp
        self._on_rtcp = on_rtcp
        self._on_state = on_state
        self._receiving: Session | None = None
        self._sending: Session | None = None
        self._transport: asyncio.DatagramTransport | None = None
        self._peer: Address = ("", 0)
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
        return self._peer if self._transport is not None else None

    @property
    def ice_state(self) -> str:
        return self._ice.state

    @property
    def dtls_state(self) -> str:
        return self._dtls.state

    @property
    def ready(self) -> bool:
        """Packets can be sent."""
        return self._sending is not None and self._transport is not None

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

    def _select(self) -> None:
        if self._connection.selected is not None:
            self._transport, self._peer = self._connection.selected

    def _dtls_changed(self) -> None:
        sessions = self._dtls.sessions
        if sessions is None:
            self._receiving = self._sending = None
        else:
            self._receiving, self._sending = sessions
            self._connection.on_srtp = self._srtp_received
        self._on_state("dtls", self._dtls.state)

    def _srtp_received(self, data: bytes) -> None:
        session = self._receiving
        if session is None or len(data) < 12:
            self._connection.drops.srtp += 1
            return
        try:
            if 192 <= data[1] <= 223:  # RFC 5761 section 4
                clear = session.unprotect_rtcp(data)
                received = self._on_rtcp
            else:
                clear = session.unprotect(data)
                received = self._on_rtp
        except (SrtpError, ValueError):  # forged, replayed, or longer than libsrtp's buffer
            self._connection.drops.srtp += 1
            return
        received(clear)

    def send_rtp(self, data: bytes) -> None:
        """Protect and send; before the handshake, and when libsrtp refuses the packet, nothing is sent."""
        if self._sending is not None and self._transport is not None:
            try:
                self._transport.sendto(self._sending.protect(data), self._peer)
            except (SrtpError, ValueError):
                self._connection.drops.srtp += 1

    def send_rtcp(self, data: bytes) -> None:
        """As `send_rtp`, for a compound RTCP packet."""
        if self._sending is not None and self._transport is not None:
            try:
                self._transport.sendto(self._sending.protect_rtcp(data), self._peer)
            except (SrtpError, ValueError):
                self._connection.drops.srtp += 1

    async def close(self) -> None:
        """Say goodbye in DTLS and close the sockets; they are closed when this returns."""
        await self._dtls.stop()
        await self._ice.stop()
        self._receiving = self._sending = self._transport = None
        self._connection.on_srtp = self._connection._not_yet
        self._dtls.remove_all_listeners()
