"""Timers as data."""

import random

from ucplatform.sip.timers import TimerQueue, Timing


def test_all_long_timers_follow_from_t1():
    assert Timing().timeout == 32
    assert Timing(t1=0.1).timeout == 6.4


def test_timers_come_out_in_order_of_time_and_only_when_due():
    queue = TimerQueue()
    for name, at in (("c", 3.0), ("a", 1.0), ("b", 2.0)):
        queue.set((name,), at)
    assert queue.next_at() == 1.0
    assert queue.pop_due(0.9) is None
    assert [queue.pop_due(2.5) for _ in range(3)] == [("a",), ("b",), None]
    assert len(queue) == 1


def test_a_timer_set_again_moves():
    queue = TimerQueue()
    queue.set(("a",), 1.0)
    queue.set(("a",), 5.0)
    assert queue.next_at() == 5.0
    queue.set(("a",), 2.0)
    assert queue.pop_due(2.0) == ("a",)
    assert queue.pop_due(9.0) is None
    assert queue.next_at() is None


def test_a_cancelled_timer_never_fires():
    queue = TimerQueue()
    queue.set(("a",), 1.0)
    queue.cancel(("a",))
    queue.cancel(("never",))
    assert queue.pop_due(9.0) is None
    queue.set(("a",), 1.0)
    assert queue.pop_due(9.0) == ("a",)
    assert queue.pop_due(9.0) is None


def test_cancelled_timers_do_not_pile_up():
    queue = TimerQueue()
    queue.set(("kept",), 1e9)
    for number in range(10_000):
        queue.set((str(number),), 32.0 + number)
        queue.cancel((str(number),))
    assert len(queue._heap) < 200
    assert queue.pop_due(2e9) == ("kept",)


def test_the_queue_agrees_with_a_plain_dictionary():
    rng = random.Random(7)
    queue, plain = TimerQueue(), {}
    for step in range(5000):
        key = (str(rng.randrange(50)),)
        if rng.random() < 0.6:
            plain[key] = step + rng.randrange(100) / 10
            queue.set(key, plain[key])
        elif rng.random() < 0.5:
            plain.pop(key, None)
            queue.cancel(key)
        while (due := queue.pop_due(step)) is not None:
            assert plain.pop(due) <= step
        assert all(at > step for at in plain.values())
        assert len(queue) == len(plain)
