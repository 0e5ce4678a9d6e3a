"""Whether there is more to do than this edge can do in time, and so whom it sends away.

A message that waits longer than half a second is sent again by its sender, so work that is late makes more
work. What is measured is the work ahead: datagrams in the kernel times what one costs, the loop's own
lateness, and media engines that do not keep up. A burst is no overload: only what stands for a while is.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Callable

from ucplatform.edge import log

#: how often it is measured
TICK_SECONDS = 0.02
#: more work ahead than this is too much, more than HARD far too much; so much is aimed at during an overload
HIGH_SECONDS = 0.15
HARD_SECONDS = 0.3
AIM_SECONDS = 0.1
#: so long, and so often in a row, there must be too much before the first newcomer is sent away
STANDING_SECONDS = 0.25
STANDING_SAMPLES = 5
#: an overload is over when nobody had to be sent away for so long; until then there is no patience
CALM_SECONDS = 5.0
#: the kernel's account of one datagram of SIP
DATAGRAM_OCTETS = 2048
FIRST_COST = 0.0005
#: of strangers so many are let in when an overload begins, and never fewer than LEAST
FIRST_SHARE, LEAST_SHARE = 0.5, 0.02
#: at each measurement the share follows how far the work ahead is from the aim, and how fast it grows: the
#: second is what keeps it from swinging between too few and too many
BY_DISTANCE, BY_GROWTH = 0.04, 0.4
#: between these a newcomer who was sent away may come again: not all at the same moment
RETRY_SECONDS = (5, 15)

NOBODY, STRANGERS, NEWCOMERS = 0, 1, 2
"""Who is sent away: nobody; a share of the requests without credentials, so that who was let in can go on;
all newcomers."""


class Overload:
    """`sample` is told what is measured, `level` is the outcome. Times are monotonic seconds."""

    def __init__(self) -> None:
        #: messages taken up; whoever takes one up adds to it
        self.served = 0
        #: newcomers sent away
        self.refused = 0
        self.level = NOBODY
        #: the share of strangers that is let in
        self.share = 1.0
        #: seconds that an average message costs when nobody is sent away, and as things are
        self.cost = self.cost_now = FIRST_COST
        self._last_served = 0
        self._last_sample = 0.0
        self._was_queued = False
        self._since: float | None = None
        self._samples = 0
        self._last_wait = 0.0
        self._began: float | None = None
        self._calm_at = 0.0
        self._refused_before = 0

    def full(self, credentials: bool = True) -> bool:
        """Whether a request outside of any dialog, with or without credentials, is sent away."""
        if self.level == NOBODY or (credentials and self.level == STRANGERS):
            return False
        return self.level == NEWCOMERS or random.random() >= self.share

    def retry_after(self) -> int:
        """Seconds after which who is sent away may come again."""
        self.refused += 1
        return random.randint(*RETRY_SECONDS)

    def sample(self, now: float, *, late: float, busy: float, queued: int, media: float) -> None:
        """`late`: by how much this comes later than it should; `busy`: seconds computed since the last time;
        `queued`: octets of datagrams in the kernel; `media`: seconds that engines are behind.

        Late without being busy means that others have the machine: sending away would not help.
        """
        passed = now - self._last_sample if self._was_queued else busy
        self._weigh(self.served - self._last_served, busy, passed)
        self._last_served, self._last_sample, self._was_queued = self.served, now, queued > 0
        ahead = {
            "datagrams": queued / DATAGRAM_OCTETS * (self.cost_now if self.level else self.cost),
            "lateness": min(late, busy),
            "media": media,
        }
        worst = max(ahead, key=lambda name: ahead[name])
        self._judge(now, ahead[worst], worst)

    def _weigh(self, served: int, busy: float, passed: float) -> None:
        """What a message costs. Those sent away cost little, and say nothing of those that are let in. While
        it is too much, the time that passes counts: callers wait also while others have the machine."""
        if not served:
            return
        self.cost_now += min(served / 50, 0.5) * (min(passed / served, 0.02) - self.cost_now)
        if not self.level:
            self.cost += min(served / 200, 0.5) * (min(busy / served, 0.005) - self.cost)

    def _judge(self, now: float, wait: float, why: str) -> None:
        if self.level or self._stands(now, wait):
            self._begin(now, wait, why)
            self._steer(wait)
        elif self._began is not None and now >= self._calm_at:
            self._end(now)
        if self.level:
            self._calm_at = now + CALM_SECONDS
        self._last_wait = wait

    def _steer(self, wait: float) -> None:
        distance = max(1 - wait / AIM_SECONDS, -2.0)
        growth = (wait - self._last_wait) / AIM_SECONDS
        step = max(min(BY_DISTANCE * distance - BY_GROWTH * growth, 0.5), -0.5)
        self.share = max(min(self.share * math.exp(step), 1.0), LEAST_SHARE)
        if wait >= HARD_SECONDS:
            self.level = NEWCOMERS
        else:
            self.level = STRANGERS if self.share < 1.0 or wait > AIM_SECONDS else NOBODY

    def _begin(self, now: float, wait: float, why: str) -> None:
        if self._began is None:
            self._began, self._refused_before = now, self.refused
            self.share = FIRST_SHARE
            log.warning("overloaded", because=why, wait_ms=round(wait * 1000))

    def _end(self, now: float) -> None:
        assert self._began is not None
        lasted = round(now - self._began - CALM_SECONDS, 1)
        log.info("overload-over", seconds=lasted, refused=self.refused - self._refused_before)
        self._began = None

    def _stands(self, now: float, wait: float) -> bool:
        """Whether there has been too much for a while, or is now and was lately."""
        if wait < HIGH_SECONDS:
            self._since, self._samples = None, 0
            return False
        if self._since is None:
            self._since = now
        self._samples += 1
        if self._began is not None:
            return True
        return self._samples >= STANDING_SAMPLES and now - self._since >= STANDING_SECONDS


class Watch:
    """Measures while the loop runs. `queued()` gives octets, `media()` seconds; see Overload.sample."""

    def __init__(
        self,
        overload: Overload,
        loop: asyncio.AbstractEventLoop,
        *,
        queued: Callable[[], int],
        media: Callable[[], float],
    ) -> None:
        self._overload = overload
        self._loop = loop
        self._queued = queued
        self._media = media
        self._due = 0.0
        self._computed = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._computed = time.thread_time()
        self._again()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _again(self) -> None:
        self._due = time.monotonic() + TICK_SECONDS
        self._timer = self._loop.call_later(TICK_SECONDS, self._tick)

    def _tick(self) -> None:
        now, computed = time.monotonic(), time.thread_time()  # the loop's own clock stands still in between
        busy, self._computed = computed - self._computed, computed
        self._overload.sample(
            now, late=now - self._due, busy=busy, queued=self._queued(), media=self._media()
        )
        self._again()
