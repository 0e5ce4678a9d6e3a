"""What a stream has received and sent: loss and jitter as RFC 3550 (A.1, A.3, A.8) counts them."""

from gateway.rtcp import ReportBlock

MAX_DROPOUT = 3000
MAX_MISORDER = 100


class Received:
    """Counters of one incoming stream. A new SSRC starts a new sequence; the totals go on."""

    __slots__ = (
        "_base",
        "_count",
        "_first_seen",
        "_highest",
        "_lost_before",
        "_prior_count",
        "_prior_expected",
        "_report_at",
        "_report_ntp",
        "_transit",
        "clock",
        "discarded",
        "jitter",
        "last_at",
        "octets",
        "packets",
        "ssrc",
    )  # fmt: skip

    def __init__(self) -> None:
        self.packets = 0
        self.octets = 0  # of payload, header included: what the peer's bandwidth sees
        self.discarded = 0
        self.ssrc: int | None = None
        self.last_at: float | None = None
        self.jitter = 0.0  # in units of the clock
        self.clock = 8000
        self._base = self._highest = self._count = 0
        self._transit = 0
        self._lost_before = 0
        self._prior_expected = self._prior_count = 0
        self._report_ntp = 0
        self._report_at = 0.0
        self._first_seen = False

    def packet(self, ssrc: int, sequence: int, timestamp: int, size: int, now: float) -> None:
        """Count one packet of the stream; `now` is the loop's clock in seconds."""
        self.packets += 1
        self.octets += size
        self.last_at = now
        transit = int(now * self.clock) - timestamp
        if ssrc != self.ssrc:
            self._start(ssrc, sequence, transit)
            return
        step = (sequence - self._highest) & 0xFFFF
        if step < MAX_DROPOUT:
            self._highest += step
        elif step <= 0x10000 - MAX_MISORDER:
            # A jump too far for loss or reordering: the sender has restarted (RFC 3550 A.1).
            self._start(ssrc, sequence, transit)
            return
        self._count += 1
        # Modulo 2^32, as timestamps wrap; RFC 3550 A.8.
        delta = (transit - self._transit) & 0xFFFFFFFF
        self._transit = transit
        if delta >= 0x80000000:
            delta = 0x100000000 - delta
        self.jitter += (delta - self.jitter) / 16.0

    def _start(self, ssrc: int, sequence: int, transit: int) -> None:
        self._lost_before = self.lost
        self.ssrc = ssrc
        self._base = self._highest = sequence
        self._count = 1
        self._transit = transit
        self._prior_expected = self._prior_count = 0
        self._first_seen = True

    @property
    def expected(self) -> int:
        return self._highest - self._base + 1 if self._first_seen else 0

    @property
    def lost(self) -> int:
        """Over all sequences; a duplicate never makes it negative."""
        return self._lost_before + max(self.expected - self._count, 0)

    @property
    def jitter_ms(self) -> float:
        return round(1000.0 * self.jitter / self.clock, 2)

    def sender_report(self, ntp_middle: int, now: float) -> None:
        """Remember the last SR for LSR and DLSR (RFC 3550 section 6.4.1)."""
        self._report_ntp = ntp_middle
        self._report_at = now

    def report(self, now: float) -> ReportBlock | None:
        """The block about this stream for our next report; None before its first packet."""
        if self.ssrc is None:
            return None
        expected, count = self.expected, self._count
        interval = expected - self._prior_expected
        lost = interval - (count - self._prior_count)
        self._prior_expected, self._prior_count = expected, count
        fraction = 0 if interval <= 0 or lost <= 0 else min((lost << 8) // interval, 255)
        delay = int((now - self._report_at) * 65536) if self._report_ntp else 0
        return ReportBlock(
            ssrc=self.ssrc,
            fraction_lost=fraction,
            lost=max(expected - count, 0),
            highest=self._highest & 0xFFFFFFFF,
            jitter=int(self.jitter),
            last_report=self._report_ntp,
            delay=min(delay, 0xFFFFFFFF),
        )


class Remote:
    """What the far end reports about the stream that we send (RFC 3550 section 6.4)."""

    __slots__ = ("jitter", "last_at", "lost", "rtt_ms")

    def __init__(self) -> None:
        self.lost: int | None = None
        self.jitter = 0
        self.rtt_ms: float | None = None
        self.last_at: float | None = None

    def block(self, block: ReportBlock, ntp_middle: int, now: float) -> None:
        """`ntp_middle` is the present time as the middle 32 bits of an NTP timestamp."""
        self.lost = block.lost
        self.jitter = block.jitter
        self.last_at = now
        if block.last_report:
            units = (ntp_middle - block.last_report - block.delay) & 0xFFFFFFFF
            if units < 60 * 65536:  # a negative result means clocks or reports that cannot be right
                self.rtt_ms = round(units * 1000.0 / 65536.0, 2)
