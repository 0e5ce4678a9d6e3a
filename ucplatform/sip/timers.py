"""Timers as data: the values of RFC 3261 table 4 and a queue that any clock can drive."""

import heapq
from dataclasses import dataclass

from ucplatform.sip.commands import Key


@dataclass(frozen=True, slots=True)
class Timing:
    """The three base values, in seconds (RFC 3261 section 17.1.1.1); all others follow from them."""

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0

    @property
    def timeout(self) -> float:
        """64*T1: timers B, D, F, H, J, L, M, and the waits for an ACK and the end of a cancelled INVITE."""
        return 64 * self.t1


class TimerQueue:
    """Timers by key, soonest first. Cancelled ones stay in the heap until their time, or until most are."""

    __slots__ = ("_at", "_heap")

    def __init__(self) -> None:
        self._heap: list[tuple[float, Key]] = []
        self._at: dict[Key, float] = {}

    def __len__(self) -> int:
        return len(self._at)

    def set(self, key: Key, at: float) -> None:
        """Start the timer, or move it when it is running."""
        self._at[key] = at
        heapq.heappush(self._heap, (at, key))
        if len(self._heap) > 64 + 2 * len(self._at):
            self._heap = [(when, name) for name, when in self._at.items()]
            heapq.heapify(self._heap)

    def cancel(self, key: Key) -> None:
        """Stop the timer if it is running."""
        self._at.pop(key, None)

    def next_at(self) -> float | None:
        """When the next timer is due, None without any."""
        heap = self._heap
        while heap and self._at.get(heap[0][1]) != heap[0][0]:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def pop_due(self, now: float) -> Key | None:
        """Take one timer that is due at `now`; None when there is none. Equal times come out in key order."""
        at = self.next_at()
        if at is None or at > now:
            return None
        key = heapq.heappop(self._heap)[1]
        del self._at[key]
        return key
