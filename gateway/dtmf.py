"""Telephone events (RFC 4733): found in a stream once each, and made for `play DTMF`."""

import struct
from dataclasses import dataclass

from gateway.errors import PacketError

DIGITS = "0123456789*#ABCD"
_EVENT = struct.Struct("!BBH")
END = 0x80  # the flag of a press's last packets
VOLUME = 10  # dBm0 below zero
END_REPEATS = 3  # RFC 4733 section 2.5.1.4: the end goes out three times
MAX_DURATION = 0xFFFF


@dataclass(frozen=True, slots=True)
class TelephoneEvent:
    """RFC 4733 section 2.3; `duration` in units of the stream's clock."""

    code: int
    end: bool
    volume: int
    duration: int

    @classmethod
    def parse(cls, payload: bytes) -> "TelephoneEvent":
        if len(payload) < 4:
            raise PacketError("telephone event is too short")
        code, flags, duration = _EVENT.unpack_from(payload)
        return cls(code, flags >= END, flags & 0x3F, duration)

    def __bytes__(self) -> bytes:
        flags = (END if self.end else 0) | self.volume
        return _EVENT.pack(self.code, flags, min(self.duration, MAX_DURATION))

    @property
    def digit(self) -> str | None:
        return DIGITS[self.code] if self.code < len(DIGITS) else None


class Detector:
    """Says each key press once, however many of its packets arrive or are lost."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: tuple[int, int] | None = None

    def packet(self, ssrc: int, timestamp: int, payload: bytes) -> str | None:
        """The digit when this packet is the first of its key press; PacketError when it is no event.

        All packets of a press share one timestamp (RFC 4733 section 2.2.1), so a new one is a new press. Long
        presses are sent as segments whose timestamps follow on; they would need five seconds at 8 kHz.
        """
        event = TelephoneEvent.parse(payload)
        if self._seen == (ssrc, timestamp):
            return None
        self._seen = (ssrc, timestamp)
        return event.digit


def press(digit: str, duration_ms: int, clock: int, interval_ms: int = 20) -> list[TelephoneEvent]:
    """The packets of one key press, to be sent `interval_ms` apart; ValueError for what is no DTMF digit."""
    code = DIGITS.index(digit.upper())
    total = clock * duration_ms // 1000
    step = clock * interval_ms // 1000
    running = [TelephoneEvent(code, False, VOLUME, at) for at in range(step, total, step)]
    return running + [TelephoneEvent(code, True, VOLUME, total)] * END_REPEATS
