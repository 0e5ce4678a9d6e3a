"""Forwarding without decoding: a table from payload type to route, one rewritten stream per destination.

This is the Python relay. A native one takes over exactly what is here: the table of a source leg (payload
type to payload type and output stream) and the numbers of an output stream. All else stays where it is.
"""

import random
from collections.abc import Callable
from typing import Protocol

from gateway.dtmf import END, Detector
from gateway.rtp import HEADER, HEADER_LENGTH, MARKER, PLAIN, SEQUENCE_MASK, TIMESTAMP_MASK, payload_of

FRAME_SECONDS = 0.02


class Route(Protocol):
    """Where packets of one payload type go. `second` is the header's second octet, `now` the loop's clock."""

    def forward(
        self, data: bytes, second: int, sequence: int, timestamp: int, ssrc: int, now: float
    ) -> None: ...


class OutStream:
    """One stream towards a leg: own SSRC; its numbers go on whatever feeds it (RFC 3550 section 5.1)."""

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

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self.ssrc = random.randrange(1, 1 << 32)
        self.send = send
        self.packets = 0
        self.octets = 0  # of payload, as sender reports count them
        self.sequence = random.randrange(1 << 15)  # below 2^15, as SRTP likes it (RFC 3711 section 3.3.1)
        self.timestamp = random.randrange(1 << 32)
        self.clock = 8000
        self.sent_at = 0.0  # when `timestamp` was the present
        self.source: object = None
        self.source_ssrc = 0
        self.sequence_step = 0
        self.timestamp_step = 0
        self.busy = False  # something of our own is being played in

    def begin(self, source: object, ssrc: int, sequence: int, timestamp: int, clock: int, now: float) -> bool:
        """A new source feeds the stream from this packet on. False while we play something in ourselves."""
        if self.busy:
            return False
        following = self.next_timestamp(clock, now)
        self.source, self.source_ssrc = source, ssrc
        self.sequence_step = self.sequence + 1 - sequence
        self.timestamp_step = following - timestamp
        return True

    def next_timestamp(self, clock: int, now: float) -> int:
        """The timestamp of a sound that begins now, on this clock."""
        if self.packets:
            elapsed = max(now - self.sent_at, FRAME_SECONDS)
            following = (self.timestamp + int(elapsed * clock)) & TIMESTAMP_MASK
        else:
            following = self.timestamp
        self.clock = clock
        return following

    def put(self, second: int, sequence: int, timestamp: int, payload: bytes, now: float) -> None:
        """Send one packet with these numbers."""
        self.send(HEADER.pack(PLAIN, second, sequence, timestamp, self.ssrc) + payload)
        self.packets += 1
        self.octets += len(payload)
        if (sequence - self.sequence) & SEQUENCE_MASK < 0x8000:  # not a late one
            self.sequence = sequence
            self.timestamp = timestamp
            self.sent_at = now

    def append(self, second: int, timestamp: int, payload: bytes, now: float) -> None:
        """Send one packet of our own making: the next sequence number."""
        self.put(second, (self.sequence + 1) & SEQUENCE_MASK, timestamp & TIMESTAMP_MASK, payload, now)

    def hold(self) -> None:
        """Keep every source out until `release`."""
        self.busy = True
        self.source = None

    def release(self) -> None:
        self.busy = False
        self.source = None


class Forward:
    """Packets pass as they are, with the numbers of the output stream."""

    __slots__ = ("clock", "out", "payload_type", "source")

    def __init__(self, source: object, out: OutStream, payload_type: int, clock: int) -> None:
        self.source = source
        self.out = out
        self.payload_type = payload_type
        self.clock = clock

    def forward(self, data: bytes, second: int, sequence: int, timestamp: int, ssrc: int, now: float) -> None:
        out = self.out
        if out.source is not self.source or out.source_ssrc != ssrc or out.clock != self.clock:
            if not out.begin(self.source, ssrc, sequence, timestamp, self.clock, now):
                return
            second |= MARKER  # tells the receiver's jitter buffer that a new spurt begins
        out.put(
            second & MARKER | self.payload_type,
            (sequence + out.sequence_step) & SEQUENCE_MASK,
            (timestamp + out.timestamp_step) & TIMESTAMP_MASK,
            data[HEADER_LENGTH:] if data[0] == PLAIN else payload_of(data),
            now,
        )


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
