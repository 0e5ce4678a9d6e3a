"""RTP headers (RFC 3550 section 5.1) and the arithmetic of their wrapping counters."""

import struct
from dataclasses import dataclass

from gateway.errors import PacketError

HEADER = struct.Struct("!BBHII")  # version and flags, marker and payload type, sequence, timestamp, SSRC
HEADER_LENGTH = 12
PLAIN = 0x80  # version 2, no padding, no extension, no CSRC: what nearly every packet starts with
MARKER = 0x80
SEQUENCE_MASK = 0xFFFF
TIMESTAMP_MASK = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Packet:
    """One RTP packet without its header extension, CSRC list and padding."""

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes

    @classmethod
    def parse(cls, data: bytes) -> "Packet":
        if len(data) < HEADER_LENGTH:
            raise PacketError("RTP packet is too short")
        _, second, sequence, timestamp, ssrc = HEADER.unpack_from(data)
        return cls(second & 0x7F, second >= MARKER, sequence, timestamp, ssrc, payload_of(data))

    def __bytes__(self) -> bytes:
        second = self.payload_type | (MARKER if self.marker else 0)
        return HEADER.pack(PLAIN, second, self.sequence, self.timestamp, self.ssrc) + self.payload


def payload_of(data: bytes) -> bytes:
    """The payload of a packet of at least 12 octets, whatever its header carries besides."""
    first = data[0]
    if first == PLAIN:
        return data[HEADER_LENGTH:]
    if first & 0xC0 != PLAIN:
        raise PacketError("not RTP version 2")
    start = HEADER_LENGTH + 4 * (first & 0x0F)
    if first & 0x10:
        if len(data) < start + 4:
            raise PacketError("RTP header extension is cut off")
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
    end = len(data)
    if first & 0x20:
        end -= data[-1]
    if start > end:
        raise PacketError("RTP header is longer than the packet")
    return data[start:end]


def is_rtcp(data: bytes) -> bool:
    """Tell RTCP from RTP on one port (RFC 5761 section 4); `data` holds at least two octets."""
    return 192 <= data[1] <= 223
