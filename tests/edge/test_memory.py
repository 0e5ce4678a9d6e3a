"""When the cyclic collector runs in the edge."""

import gc
from collections.abc import Iterator

import pytest

from ucplatform.edge.memory import ALL_EVERY_S, YOUNG, Collector


class Ring:
    """Garbage that only the collector finds."""

    left = 0

    def __init__(self) -> None:
        self.own = self
        Ring.left += 1

    def __del__(self) -> None:
        Ring.left -= 1


@pytest.fixture
def limits() -> Iterator[None]:
    """Those of this process, afterwards as before."""
    before = gc.get_threshold()
    gc.collect()  # of the test before
    Ring.left = 0
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


@pytest.fixture
async def collector(limits: None):
    now = [0.0]
    made = Collector(lambda: now[0])
    await made.start()
    yield made, now
    await made.close()


def grow_old(count: int) -> None:
    """Rings that have outlived a pass over the young, and are garbage then."""
    rings = [Ring() for _ in range(count)]
    gc.collect(0)
    rings.clear()


async def test_the_old_are_left_alone_while_much_is_made(collector) -> None:
    made, _ = collector
    grow_old(5)
    kept = [[] for _ in range(5 * YOUNG)]
    assert gc.get_count()[1] > 2 and made.look() is None
    assert Ring.left == 5 and kept


async def test_the_old_are_looked_through_at_rest(collector) -> None:
    made, _ = collector
    grow_old(5)
    made.look()
    grow_old(0)  # one pass more: hardly anything has happened since the last look
    made.look()
    assert Ring.left == 0
    assert made.look() is None  # nothing has been made since


async def test_now_and_then_all_are_looked_through(collector) -> None:
    made, now = collector
    rings = [Ring()]
    gc.collect(1)
    rings.clear()  # in the oldest generation
    now[0] = ALL_EVERY_S
    grow_old(0)
    assert made.look() == 2 and Ring.left == 0
