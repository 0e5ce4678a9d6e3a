"""Forwarding without decoding: a table from payload type to route, one rewritten stream per destination.

What is here is the Python relay, and what the native one leaves to Python: it reads `Forward` and `Nowhere`
out of the tables and does them itself, and gives the packets of all other routes up to them.
"""

import itertools
import random
from collections.abc import Callable
from typing import Protocol

from gateway.dtmf import END, Detector
from gateway.rtcp import SenderInfo, ntp_now
from gateway.rtp import HEADER, HEADER_LENGTH, MARKER, PLAIN, SEQUENCE_MASK, TIMESTAMP_MASK, payload_of

FRAME_SECONDS = 0.02
NOBODY = 0

_sources = itertools.count(1 << 62)  # above every key of the native relay


def new_source() -> int:
    """A key for something that feeds streams; never given twice."""
    return next(_sources)


class Route(Protocol):
    """Where packets of one payload type go. `second` is the header's second octet, `now` the loop's clock."""

    def forward(
        self, data: bytes, second: int, sequence: int, timestamp: int, ssrc: int, now: float
    ) -> None: ...


class Outlet(Protocol):
    """One stream towards a leg: own SSRC; its numbers go on whatever feeds it (RFC 3550 section 5.1).

    `now` is the loop's clock in seconds, `source` a key of `new_source` or of a carrier.
    """

    @property
    def ssrc(self) -> int: ...

    @property
    def packets(self) -> int: ...

    @property
    def octets(self) -> int:
        """Of payload, as sender reports count them."""

    @property
    def clock(self) -> int:
        """Hz of the stream's timestamps."""

    def carry(self, source: int, payload_type: int, clock: int, data: bytes, now: float) -> None:
        """Send a whole RTP packet of a source on, with the stream's numbers; PacketError when malformed."""

    def fed_by(self, source: int, ssrc: int) -> bool:
        """Whether the packets that go out are of this stream of a source."""

    def begin(self, source: int, ssrc: int, clock: int, now: float) -> int | None:
        """A source feeds the stream from now on: the timestamp of its beginning. None while we play something
        in ourselves."""

    def next_timestamp(self, clock: int, now: float) -> int:
        """The timestamp of a sound that begins now, on this clock."""

    def append(self, second: int, timestamp: int, payload: bytes, now: float) -> None:
        """Send one packet of our own making: the next sequence number."""

    def hold(self) -> None:
        """Keep every source out until `release`."""

    def release(self) -> None: ...

    def sender_info(self, now: float) -> SenderInfo | None:
        """What a sender report says; None before the first packet."""


class OutStream:
    """The outlet of the Python relay."""

    __slots__ = (
        "busy",
        "clock",
        "octets",
        "packets",
        "send",
        "sent_at",
        "sequence",
        "sequence_step",
        "source",
        "source_ssrc",
        "ssrc",
        "timestamp",
        "timestamp_step",
    )  # fmt: skip

    def __init__(self, send: Callable[[bytes], bool]) -> None:
        """`send` says whether the packet has left."""
        self.ssrc = random.randrange(1, 1 << 32)
        self.send = send
        self.packets = 0
        self.octets = 0
        self.sequence = random.randrange(1 << 15)  # below 2^15, as SRTP likes it (RFC 3711 section 3.3.1)
        self.timestamp = random.randrange(1 << 32)
        self.clock = 8000
        self.sent_at = 0.0  # when `timestamp` was the present
        self.source = NOBODY
        self.source_ssrc = 0
        self.sequence_step = 0
        self.timestamp_step = 0
        self.busy = False  # something of our own is being played in

    def carry(self, source: int, payload_type: int, clock: int, data: bytes, now: float) -> None:
        _, second, sequence, timestamp, ssrc = HEADER.unpack_from(data)
        payload = data[HEADER_LENGTH:] if data[0] == PLAIN else payload_of(data)
        if self.source != source or self.source_ssrc != ssrc or self.clock != clock:
            following = self.begin(source, ssrc, clock, now)
            if following is None:
                return
            self.sequence_step = self.sequence + 1 - sequence
            self.timestamp_step = following - timestamp
            second |= MARKER  # tells the receiver's jitter buffer that a new spurt begins
        self._put(
            second & MARKER | payload_type,
            (sequence + self.sequence_step) & SEQUENCE_MASK,
            (timestamp + self.timestamp_step) & TIMESTAMP_MASK,
            payload,
            now,
        )

    def fed_by(self, source: int, ssrc: int) -> bool:
        return self.source == source and self.source_ssrc == ssrc

    def begin(self, source: int, ssrc: int, clock: int, now: float) -> int | None:
        if self.busy:
            return None
        self.source, self.source_ssrc = source, ssrc
        return self.next_timestamp(clock, now)

    def next_timestamp(self, clock: int, now: float) -> int:
        if self.packets:
            elapsed = max(now - self.sent_at, FRAME_SECONDS)
            following = (self.timestamp + int(elapsed * clock)) & TIMESTAMP_MASK
        else:
            following = self.timestamp
        self.clock = clock
        return following

    def _put(self, second: int, sequence: int, timestamp: int, payload: bytes, now: float) -> None:
        """Send one packet with these numbers."""
        if not self.send(HEADER.pack(PLAIN, second, sequence, timestamp, self.ssrc) + payload):
            return
        self.packets += 1
        self.octets += len(payload)
        if (sequence - self.sequence) & SEQUENCE_MASK < 0x8000:  # not a late one
            self.sequence = sequence
            self.timestamp = timestamp
            self.sent_at = now

    def append(self, second: int, timestamp: int, payload: bytes, now: float) -> None:
        self._put(second, (self.sequence + 1) & SEQUENCE_MASK, timestamp & TIMESTAMP_MASK, payload, now)

    def hold(self) -> None:
        self.busy = True
        self.source = NOBODY

    def release(self) -> None:
        self.busy = False
        self.source = NOBODY

    def sender_info(self, now: float) -> SenderInfo | None:
        if not self.packets:
            return None
        timestamp = (self.timestamp + int((now - self.sent_at) * self.clock)) & TIMESTAMP_MASK
        return SenderInfo(ntp_now(), timestamp, self.packets, self.octets)


class Forward:
    """Packets pass as they are, with the numbers of the output stream."""

    __slots__ = ("clock", "out", "payload_type", "source")

    def __init__(self, source: int, out: Outlet, payload_type: int, clock: int) -> None:
        self.source = source
        self.out = out
        self.payload_type = payload_type
        self.clock = clock

    def forward(self, data: bytes, second: int, sequence: int, timestamp: int, ssrc: int, now: float) -> None:
        self.out.carry(self.source, self.payload_type, self.clock, data, now)


class Nowhere:
    """A known payload type with nobody to hear it: counted, not sent."""

    __slots__ = ()

    def forward(self, data: bytes, second: int, sequence: int, timestamp: int, ssrc: int, now: float) -> None:
        return


NOWHERE = Nowhere()


class Events:
    """Telephone events: reported once per key press, then on their way like everything else.

    A press whose first packet is its end (Chromium writes a short one as three ends, and the running
    packets may be
    lost) goes on with a running packet in the first one's place: receivers may ignore an end without a
    beginning.
    The end is repeated (RFC 4733 section 2.5.1.4), so it arrives all the same.
    """

    __slots__ = ("detector", "onward", "pressed")

    def __init__(self, detector: Detector, pressed: Callable[[str], None], onward: Route) -> None:
        self.detector = detector
        self.pressed = pressed
        self.onward = onward

    def forward(self, data: bytes, second: int, sequence: int, timestamp: int, ssrc: int, now: float) -> None:
        payload = payload_of(data)
        digit = self.detector.packet(ssrc, timestamp, payload)
        if digit is not None:
            self.pressed(digit)
            if payload[1] & END:
                second |= MARKER  # RFC 4733 section 2.5.1.1: the first packet of an event
                running = payload[:1] + bytes([payload[1] & ~END & 0xFF]) + payload[2:]
                data = HEADER.pack(PLAIN, second, sequence, timestamp, ssrc) + running
        self.onward.forward(data, second, sequence, timestamp, ssrc, now)


class RescaledEvents:
    """Events between streams of different clocks: the duration is counted anew (RFC 4733 section 2.3.5)."""

    __slots__ = ("denominator", "numerator", "onward")

    def __init__(self, onward: Route, numerator: int, denominator: int) -> None:
        self.onward = onward
        self.numerator = numerator
        self.denominator = denominator

    def forward(self, data: bytes, second: int, sequence: int, timestamp: int, ssrc: int, now: float) -> None:
        payload = payload_of(data)
        duration = int.from_bytes(payload[2:4], "big") * self.numerator // self.denominator
        scaled = payload[:2] + min(duration, 0xFFFF).to_bytes(2, "big")
        packet = HEADER.pack(PLAIN, second, sequence, timestamp, ssrc) + scaled
        self.onward.forward(packet, second, sequence, timestamp, ssrc, now)
