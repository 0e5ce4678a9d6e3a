"""RTCP (RFC 3550 section 6): the few packets that we read and write. Reading never raises but PacketError."""

import struct
import time
from dataclasses import dataclass

from gateway.errors import PacketError

SENDER_REPORT, RECEIVER_REPORT, SOURCE_DESCRIPTION, GOODBYE = 200, 201, 202, 203
NTP_EPOCH = 2208988800  # seconds from 1900 to 1970
BLOCK_LENGTH = 24
MAX_PACKETS = 32  # in one compound; nobody sends more, and hostile ones end here

_BLOCK = struct.Struct("!IIIIII")
_SENDER = struct.Struct("!IIIIII")


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """What a receiver says of one SSRC. `delay` and `last_report` in 1/65536 s, `jitter` in clock units."""

    ssrc: int
    fraction_lost: int
    lost: int
    highest: int
    jitter: int
    last_report: int
    delay: int

    @classmethod
    def parse(cls, data: bytes) -> "ReportBlock":
        ssrc, loss, highest, jitter, last_report, delay = _BLOCK.unpack(data)
        lost = loss & 0xFFFFFF
        if lost >= 0x800000:  # signed, and negative where duplicates arrived
            lost = 0
        return cls(ssrc, loss >> 24, lost, highest, jitter, last_report, delay)

    def __bytes__(self) -> bytes:
        loss = self.fraction_lost << 24 | min(self.lost, 0x7FFFFF)
        return _BLOCK.pack(self.ssrc, loss, self.highest, self.jitter, self.last_report, self.delay)


@dataclass(frozen=True, slots=True)
class SenderInfo:
    """The middle of a sender report; `ntp` is the whole 64-bit timestamp."""

    ntp: int
    timestamp: int
    packets: int
    octets: int

    @property
    def ntp_middle(self) -> int:
        return self.ntp >> 16 & 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Report:
    """A sender report (with `sender`) or a receiver report."""

    ssrc: int
    sender: SenderInfo | None
    blocks: tuple[ReportBlock, ...]


@dataclass(frozen=True, slots=True)
class Other:
    """Any packet that is passed over here: SDES, BYE, APP, feedback, XR."""

    kind: int
    count: int
    body: bytes


def parse(data: bytes) -> list[Report | Other]:
    """Split a compound packet (RFC 3550 section 6.1; reduced-size ones of RFC 5506 too)."""
    found: list[Report | Other] = []
    position = 0
    while position < len(data):
        if len(data) - position < 4 or data[position] & 0xC0 != 0x80 or len(found) == MAX_PACKETS:
            raise PacketError("not an RTCP packet")
        end = position + 4 + 4 * int.from_bytes(data[position + 2 : position + 4], "big")
        if end > len(data):
            raise PacketError("RTCP packet is cut off")
        body = data[position + 4 : end]
        found.append(_packet(data[position + 1], data[position] & 0x1F, body))
        position = end
    return found


def _packet(kind: int, count: int, body: bytes) -> Report | Other:
    if kind not in (SENDER_REPORT, RECEIVER_REPORT):
        return Other(kind, count, body)
    start = 24 if kind == SENDER_REPORT else 4
    if len(body) < start + BLOCK_LENGTH * count:
        raise PacketError("RTCP report is cut off")
    sender = None
    ssrc = int.from_bytes(body[:4], "big")
    if kind == SENDER_REPORT:
        _, seconds, fraction, timestamp, packets, octets = _SENDER.unpack_from(body)
        sender = SenderInfo(seconds << 32 | fraction, timestamp, packets, octets)
    blocks = (body[at : at + BLOCK_LENGTH] for at in range(start, start + BLOCK_LENGTH * count, BLOCK_LENGTH))
    return Report(ssrc, sender, tuple(ReportBlock.parse(block) for block in blocks))


def compound(ssrc: int, sender: SenderInfo | None, block: ReportBlock | None, cname: str) -> bytes:
    """SR or RR, then the CNAME that must be in every compound (RFC 3550 section 6.1)."""
    body = struct.pack("!I", ssrc)
    kind = RECEIVER_REPORT
    if sender is not None:
        kind = SENDER_REPORT
        body += struct.pack("!QIII", sender.ntp, sender.timestamp, sender.packets, sender.octets & 0xFFFFFFFF)
    blocks = bytes(block) if block else b""
    return _wrap(kind, 1 if block else 0, body + blocks) + _cname(ssrc, cname)


def goodbye(ssrc: int, cname: str) -> bytes:
    """An empty RR, CNAME and BYE (RFC 3550 section 6.6)."""
    return compound(ssrc, None, None, cname) + _wrap(GOODBYE, 1, struct.pack("!I", ssrc))


def _cname(ssrc: int, cname: str) -> bytes:
    text = cname.encode()[:255]
    chunk = struct.pack("!IBB", ssrc, 1, len(text)) + text
    return _wrap(SOURCE_DESCRIPTION, 1, chunk + bytes(4 - len(chunk) % 4))


def _wrap(kind: int, count: int, body: bytes) -> bytes:
    return struct.pack("!BBH", 0x80 | count, kind, len(body) // 4) + body


def ntp_now() -> int:
    """Wall-clock time as a 64-bit NTP timestamp."""
    return int((time.time() + NTP_EPOCH) * 4294967296.0) & 0xFFFFFFFFFFFFFFFF
