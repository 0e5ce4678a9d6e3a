"""When the cyclic collector may stop the edge: hardly while calls are handled, thoroughly when it is at rest.

A pass costs close to a microsecond for each object it looks at, and nothing else happens meanwhile. At a
hundred calls a second a hundred thousand objects are made in a few seconds: looking through them at once took
50 to 250 ms, which was the p99 of a caller's waiting. Signalling makes no cycles (tests hold it to that), and
those of errors die young. So the young are looked through often and in small numbers, and those that have
become old when nothing happens.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable

YOUNG = 2_000  # objects that are new when a pass begins by itself: some 2 ms
#: such passes before one over the old begins by itself: an edge that is never at rest has made 10^8 objects
LONG = 50_000
LOOK_EVERY_S = 20.0
AT_REST = 2  # passes over the young between two looks
ALL_EVERY_S = 6 * 3600.0


class Collector:
    """`clock` gives seconds that only grow."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._passes = 0
        self._all_at = clock()

    async def start(self) -> None:
        """What start-up made stays for good; from now on the limits hold."""
        gc.collect()
        gc.freeze()
        gc.set_threshold(YOUNG, LONG, LONG)
        self._all_at = self._clock()
        self._task = asyncio.get_running_loop().create_task(self._go_round())

    async def _go_round(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self.look()

    def look(self) -> int | None:
        """The generation that was looked through; None when the edge is busy, or nothing was made."""
        passes = gc.get_count()[1]
        made, self._passes = passes - self._passes, passes
        if not 0 <= made <= AT_REST or not passes:
            return None
        generation = 2 if self._clock() - self._all_at >= ALL_EVERY_S else 1
        gc.collect(generation)
        if generation == 2:
            self._all_at = self._clock()
        self._passes = 0
        return generation

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
