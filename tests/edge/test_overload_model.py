"""Three times as many calls as one processor can carry, on a model of an edge and its callers: what each
message costs, copies of what was not answered within half a second, Overload between. No clock, no socket."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque

import pytest

from ucplatform.edge.overload import DATAGRAM_OCTETS, TICK_SECONDS, Overload

#: seconds of time on a small machine: 3.6 ms a call
COST = {
    "INVITE": 0.0003,
    "ACK": 0.00016,
    "AUTH": 0.0012,
    "ANSWER": 0.001,
    "ACK2": 0.00016,
    "BYE": 0.0006,
    "END": 0.0002,
}
SENT_AWAY, COPY = 0.00012, 0.0002
#: what follows a message, and how long after it
NEXT = {
    "INVITE": [("ACK", 0.002), ("AUTH", 0.002)],
    "AUTH": [("ANSWER", 0.004)],
    "ANSWER": [("ACK2", 0.002), ("BYE", 0.5)],
    "BYE": [("END", 0.002)],
}
CAPACITY = 1 / sum(COST.values())
T1 = 0.5


class Model:
    """One edge; `offer` makes calls come, `run` lets time pass. Times in seconds."""

    def __init__(self, shedding: bool = True) -> None:
        self.overload = Overload()
        self.now = self.busy = self.tick = 0.0
        self.carried: list[float] = []
        self.sent_away: list[float] = []
        self._shedding = shedding
        self._random = random.Random(7)
        self._serial = itertools.count()
        self._coming: list[tuple[float, int, str, int, int]] = []
        self._queue: deque[tuple[str, int]] = deque()
        self._done: set[tuple[str, int]] = set()

    def offer(self, rate: float, seconds: float) -> None:
        at = self.now
        while (at := at + self._random.expovariate(rate)) < self.now + seconds:
            self._come(at, "INVITE", next(self._serial))

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            while self._coming and self._coming[0][0] <= self.now:
                self._arrive(*heapq.heappop(self._coming))
            if self.now >= self.tick:
                self._sample()
            if self._queue:
                self._serve(*self._queue.popleft())
            else:
                self.now = max(self.now + 1e-6, min(self._coming[0][0] if self._coming else end, self.tick))

    def _come(self, at: float, kind: str, call: int, copies: int = 0) -> None:
        heapq.heappush(self._coming, (at, next(self._serial), kind, call, copies))

    def _arrive(self, at: float, _: int, kind: str, call: int, copies: int) -> None:
        if copies and (kind, call) in self._done:
            return  # answered meanwhile
        self._queue.append((kind, call))
        if kind in ("INVITE", "AUTH", "BYE") and copies < 6:
            self._come(at + T1 * 2**copies, kind, call, copies + 1)

    def _sample(self) -> None:
        queued = len(self._queue) * DATAGRAM_OCTETS
        self.overload.sample(self.now, late=0.0, busy=self.busy, queued=queued, media=0.0)
        self.busy, self.tick = 0.0, self.now + TICK_SECONDS

    def _serve(self, kind: str, call: int) -> None:
        self.overload.served += 1
        if (kind, call) in self._done:
            cost = COPY
        elif self._shedding and kind in ("INVITE", "AUTH") and self.overload.full(kind == "AUTH"):
            cost = SENT_AWAY
            self.sent_away.append(self.now)
            self._done.add((kind, call))
        else:
            cost = COST[kind]
            self._done.add((kind, call))
            for follows, later in NEXT.get(kind, ()):
                self._come(self.now + later, follows, call)
            if kind == "END":
                self.carried.append(self.now)
        self.now += cost
        self.busy += cost


def carried(rate: float, *, shedding: bool = True) -> float:
    """Calls a second that come to their end in the second half of six seconds."""
    random.seed(7)
    model = Model(shedding)
    model.offer(rate, 6.0)
    model.run(6.0)
    return len([at for at in model.carried if at > 3.0]) / 3.0


@pytest.mark.parametrize("times", [0.9, 1.2, 3.0])
def test_it_carries_most_of_what_it_could(times):
    assert carried(times * CAPACITY) >= 0.8 * CAPACITY


def test_without_sending_away_it_would_not():
    assert carried(3.0 * CAPACITY, shedding=False) < 0.5 * CAPACITY


def test_it_takes_everything_again_within_five_seconds():
    random.seed(7)
    model = Model()
    model.offer(3.0 * CAPACITY, 4.0)
    model.run(4.0)
    assert model.sent_away
    model.offer(0.7 * CAPACITY, 9.0)
    model.run(9.0)
    assert not [at for at in model.sent_away if at > 9.0]
    assert model.overload.level == 0


def test_nobody_is_sent_away_while_it_can_carry_all():
    random.seed(7)
    model = Model()
    model.offer(0.9 * CAPACITY, 4.0)
    model.run(4.0)
    assert not model.sent_away
