"""Timers of the edge: the endpoint's and the calls' in one queue each, one wake-up of the loop for the
next due."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ucplatform.edge import log
from ucplatform.sip.commands import Key
from ucplatform.sip.timers import TimerQueue


class Clock:
    """Calls `fire(key, now)` for each timer that is due; `now` and all times are the loop's monotonic
    seconds."""

    def __init__(self, loop: asyncio.AbstractEventLoop, fire: Callable[[Key, float], None]) -> None:
        self._loop = loop
        self._fire = fire
        self._queue = TimerQueue()
        self._handle: asyncio.TimerHandle | None = None
        self._armed = 0.0

    def set(self, key: Key, at: float) -> None:
        """Start the timer, or move it."""
        self._queue.set(key, at)
        if self._handle is None or at < self._armed:
            self._arm(at)

    def cancel(self, key: Key) -> None:
        """Stop the timer if it runs; the loop may wake once for nothing."""
        self._queue.cancel(key)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _arm(self, at: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._armed = at
        self._handle = self._loop.call_at(at, self._wake)

    def _wake(self) -> None:
        self._handle = None
        now = self._loop.time()
        while (key := self._queue.pop_due(now)) is not None:
            try:
                self._fire(key, now)
            except Exception as error:  # one timer's fault must not stop all others
                log.fault("timer-failed", error, timer=key)
        at = self._queue.next_at()
        if at is not None and (self._handle is None or at < self._armed):
            self._arm(at)
