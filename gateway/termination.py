"""What every termination of media has, whatever its transport: streams, routes, statistics, RTCP."""

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from aiortc import RTCCertificate

from gateway import rtcp
from gateway.carrier import Address, Carrier, Guard, Port, Upward
from gateway.config import Config, Interface
from gateway.description import Description
from gateway.dtmf import Detector
from gateway.errors import PacketError
from gateway.events import EventLog, Value
from gateway.negotiate import Payloads, speech
from gateway.ports import PortPool
from gateway.relay import Route
from gateway.statistics import Remote
from gateway.transcoder import Transcode, Transcoder
from ucplatform.sdp import Codec, Media

logger = logging.getLogger(__name__)

Statistics = dict[str, object]


@dataclass(frozen=True, slots=True)
class Services:
    """What terminations share."""

    config: Config
    ports: PortPool
    events: EventLog
    certificate: Callable[[], RTCCertificate]
    transcoder: Transcoder
    carrier: Callable[[Upward, Guard], Carrier]
    """For one leg: who decides what it does not, and how its packets are protected."""
    relay: str
    """`native` or `python`."""


class Termination:
    """One leg's media. Subclasses own the sockets and say when packets can be sent.

    `remote` is the far end's last agreed description, `local` the one that we gave it. `peer` is the
    termination that hears this one; a termination that is its own peer is the echo test.
    """

    kind: ClassVar[str] = ""
    guard: ClassVar[Guard] = Guard.NONE

    def __init__(self, call_id: str, leg_id: str, interface: Interface, services: Services) -> None:
        self.call_id = call_id
        self.id = leg_id
        self.interface = interface
        self.services = services
        self.remote: Description | None = None
        self.local: Description | None = None
        self.peer: Termination | None = None
        self.payloads = Payloads()
        self.lines: tuple[Media | None, ...] = (None,)
        self.mid: str | None = None
        self.cname = secrets.token_hex(8)
        self.reported = Remote()
        self.carrier = services.carrier(self, self.guard)
        self.received = self.carrier.received
        self.out = self.carrier.out
        self.detector = Detector()
        self.digits = 0
        self.discarded = 0  # by the transport, or because nobody could read it
        self.routes: Mapping[int, Route] = {}
        self.transcodes: dict[tuple[object, ...], Transcode] = {}
        self.on_ready: Callable[[Termination], None] | None = None
        self.closed = False
        self.silent = False  # media-timeout was told
        self._listening_since: float | None = None
        self._time = asyncio.get_running_loop().time

    # What subclasses bring.

    async def open(self) -> None:
        """Take ports; PortsExhausted when there are none."""
        raise NotImplementedError

    async def apply(self, local: Description, remote: Description) -> None:
        """Both sides are agreed now: begin, or go on with what has changed."""
        raise NotImplementedError

    def send_rtcp(self, data: bytes) -> None:
        self.carrier.send_rtcp(data)

    def raw(self, port: Port, data: bytes, address: Address) -> None:
        """STUN or DTLS has come; a leg without them drops it."""

    def learn(self, data: bytes, address: Address) -> None:
        """RTP or RTCP of somebody who is not the peer yet."""

    @property
    def ready(self) -> bool:
        """Packets can be sent."""
        raise NotImplementedError

    def transport_statistics(self) -> Statistics:
        """Local and peer address, and states of the transport."""
        raise NotImplementedError

    async def close(self) -> None:
        """Close the sockets and give the ports back; both have happened when this returns."""
        raise NotImplementedError

    # What they share.

    @property
    def can_send(self) -> bool:
        """The far end wants packets, we said that we would send, and the transport is up."""
        if self.remote is None or self.local is None or self.closed:
            return False
        return self.ready and self.remote.receives and self.local.sends

    @property
    def may_speak(self) -> bool:
        """The far end may send by what was agreed."""
        return (
            self.remote is not None and self.remote.sends and self.local is not None and self.local.receives
        )

    @property
    def agreed(self) -> list[Codec]:
        """What we may send to the far end, with its payload types, in the order of the answer."""
        if self.remote is None or self.local is None:
            return []
        theirs = {codec.key: codec for codec in reversed(self.remote.codecs)}
        ours = {codec.key for codec in self.local.codecs}
        order = self.local.codecs if self.local.answer else self.remote.codecs
        return [theirs[codec.key] for codec in order if codec.key in theirs and codec.key in ours]

    @property
    def codec(self) -> Codec | None:
        """What we send to the far end: the first of those agreed."""
        codecs = speech(self.agreed)
        return codecs[0] if codecs else None

    def emit(self, kind: str, **detail: Value) -> None:
        self.services.events.add(kind, self.call_id, self.id, **detail)

    def route(self, routes: Mapping[int, Route], clocks: Mapping[int, int]) -> None:
        """The ways of the payload types that the far end may send, and their clocks."""
        self.routes = routes
        self.carrier.route(routes, clocks)

    def begun(self, payload_type: int) -> None:
        """The far end's first packet has come."""
        codecs = self.local.codecs if self.local is not None else ()
        codec = next((codec for codec in codecs if codec.payload == payload_type), None)
        self.emit("media-started", codec=codec.rtpmap if codec else str(payload_type))

    def rtcp_received(self, data: bytes) -> None:
        """One compound of the far end; what cannot be read is counted and dropped."""
        try:
            packets = rtcp.parse(data)
        except PacketError:
            self.discarded += 1
            return
        self.carrier.refresh()  # whose stream it is that the report speaks of
        now, ntp = self._time(), rtcp.ntp_now() >> 16 & 0xFFFFFFFF
        for packet in packets:
            if not isinstance(packet, rtcp.Report):
                continue
            if packet.sender is not None and packet.ssrc == self.received.ssrc:
                self.received.sender_report(packet.sender.ntp_middle, now)
            for block in packet.blocks:
                if block.ssrc == self.out.ssrc:
                    self.reported.block(block, ntp, now)

    def report(self) -> None:
        """Send our RTCP report (RFC 3550 section 6.4) and look whether the far end has fallen silent."""
        now = self._time()
        self.carrier.refresh()
        self._watch(now)
        if not self.ready:
            return
        sender = self.out.sender_info(now)
        block = self.received.report(now)
        if sender is not None or block is not None:
            self.send_rtcp(rtcp.compound(self.out.ssrc, sender, block, self.cname))

    def _watch(self, now: float) -> None:
        if not self.may_speak or not self.ready:
            self._listening_since = None
            return
        if self._listening_since is None:
            self._listening_since = now
        # Reports count as a sign of life: a phone may suppress silence.
        heard = max(self.received.last_at or 0.0, self.reported.last_at or 0.0, self._listening_since)
        quiet = now - heard >= self.services.config.media_timeout
        if quiet and not self.silent:
            self.emit("media-timeout", seconds=round(now - heard, 1))
        self.silent = quiet

    def pressed(self, digit: str) -> None:
        """The far end pressed a key."""
        self.digits += 1
        self.emit("dtmf", digit=digit)

    @property
    def dropped(self) -> int:
        """Datagrams of the far end, or of strangers, that were thrown away."""
        return self.received.discarded + self.carrier.thrown_away + self.discarded

    def statistics(self) -> Statistics:
        """One leg as `query` and `delete` return it."""
        self.carrier.refresh()
        received, reported = self.received, self.reported
        transport = self.transport_statistics()
        incoming: Statistics = {
            "packets": received.packets,
            "bytes": received.octets,
            "lost": received.lost,
            "jitter_ms": received.jitter_ms,
            "discarded": self.dropped,
        }
        if received.last_at is not None:
            incoming["last_s"] = round(self._time() - received.last_at, 2)
        result: Statistics = {
            "kind": self.kind,
            "in": incoming,
            "out": {"packets": self.out.packets, "bytes": self.out.octets},
            "dtmf": self.digits,
            **transport,
        }
        if self.codec is not None:
            result["codec"] = self.codec.rtpmap
        if reported.lost is not None:
            result["remote_lost"] = reported.lost
            result["remote_jitter_ms"] = round(1000.0 * reported.jitter / self.out.clock, 2)
        if reported.rtt_ms is not None:
            result["rtt_ms"] = reported.rtt_ms
        return result
