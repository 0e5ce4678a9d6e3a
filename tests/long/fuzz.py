"""Searching for an input that a parser cannot take, for a given time, with hypothesis and by mutating real
messages."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

T = TypeVar("T")

LIMIT = 0.05  # seconds of CPU for one input, best of three
ROUND = 200  # examples after which the clock is looked at
TARGETS = 12  # searches that share the time

relaxed = settings(
    max_examples=ROUND,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)


def seconds() -> float:
    """How long one search goes on: its share of UC_FUZZ_SECONDS."""
    return float(os.environ.get("UC_FUZZ_SECONDS", "300")) / TARGETS


def cheap(action: Callable[[], object], *allowed: type[Exception]) -> None:
    """Run `action`, which may raise `allowed` only, in at most 50 ms of processor time, best of three."""
    least = float("inf")
    for _ in range(3):
        begun = time.process_time()
        try:
            action()
        except allowed:
            pass
        least = min(least, time.process_time() - begun)
        if least <= LIMIT:
            return
    raise AssertionError(f"took {least * 1000:.0f} ms of processor time")


def search(strategy: st.SearchStrategy[T], check: Callable[[T], object]) -> int:
    """Ask hypothesis for examples until the time is over; how many there were."""
    end = time.monotonic() + seconds()
    rounds = 0
    while rounds == 0 or time.monotonic() < end:
        rounds += 1

        @seed(random.getrandbits(64))
        @relaxed
        @given(strategy)
        def look(value: T) -> None:
            check(value)

        look()
    return rounds * ROUND


def mutate(
    corpus: Sequence[bytes], words: Sequence[bytes], check: Callable[[bytes], object], limit: int = 70_000
) -> int:
    """Give `check` changed copies of `corpus` until the time is over; how many there were.

    A failure names the input in hexadecimal digits, to be kept as a file of its own under tests/data.
    """
    chance = random.Random()
    end = time.monotonic() + seconds()
    count = 0
    while count == 0 or time.monotonic() < end:
        data = changed(chance, corpus, words)[:limit]
        try:
            check(data)
        except Exception as error:
            raise AssertionError(f"{error!r} on {data.hex()}") from error
        count += 1
    return count


def changed(chance: random.Random, corpus: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    """One of the corpus with one to eight changes: octets flipped, cut, doubled, many times over, words put
    in, parts of another put in."""
    data = bytearray(chance.choice(corpus))
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        at = chance.randint(0, len(data))
        end = min(len(data), at + chance.choice((0, 1, 1, 4, 20, 200)))
        kind = chance.randrange(6)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del data[at:end]
        elif kind == 2:
            data[at:at] = data[at:end] * chance.choice((1, 2, 50))
        elif kind == 3:
            data[at:end] = chance.choice(words) * chance.choice((1, 1, 1, 3, 500))
        elif kind == 4:
            other = chance.choice(corpus)
            start = chance.randint(0, len(other))
            data[at:end] = other[start : start + chance.choice((5, 50, 1000))]
        else:
            data[at:end] = chance.randbytes(chance.choice((1, 2, 8)))
    return bytes(data)
