"""Looking for a finding: by mutation, and by examples that hypothesis builds and shrinks."""

from __future__ import annotations

import random
import time

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.mutate import changed
from tests.fuzz.target import Finding, Target

BATCH = 200  # inputs between two looks at the clock
KEEP = 0.02  # of the inputs that were taken: the next ones are made from them too
POOL = 300

relaxed = settings(
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, Phase.shrink],
)


def by_mutation(target: Target, seconds: float, chance: random.Random | None = None) -> int:
    """How many inputs there were; Finding at the first that broke a rule."""
    chance = chance or random.Random()
    corpus = list(target.seeds)
    first = len(corpus)
    end = time.monotonic() + seconds
    count = 0
    while count == 0 or time.monotonic() < end:
        for _ in range(BATCH):
            data = changed(chance, corpus, target.words, target.limit)
            if target.accepts(data) and chance.random() < KEEP:
                if len(corpus) < first + POOL:
                    corpus.append(data)
                else:
                    corpus[first + int(chance.random() * POOL)] = data
        count += BATCH
    return count


def by_hypothesis(target: Target, seconds: float, batch: int = BATCH) -> int:
    """How many inputs there were; Finding, as small as hypothesis could make it."""
    strategy = inputs(target)
    end = time.monotonic() + seconds
    count = 0
    while count == 0 or time.monotonic() < end:

        @seed(random.getrandbits(64))
        @settings(relaxed, max_examples=batch)
        @given(strategy)
        def look(data: bytes) -> None:
            nonlocal count
            count += 1
            target.accepts(data)

        try:
            look()
        except BaseExceptionGroup as several:  # several rules broken in one round
            raise next(error for error in several.exceptions if isinstance(error, Finding)) from None
    return count


def inputs(target: Target) -> st.SearchStrategy[bytes]:
    """Soups of words, lines and octets; and seeds with parts replaced by such."""
    words = st.sampled_from(target.words)
    seeds = st.sampled_from(target.seeds)
    bit = words | st.binary(max_size=8) | seeds.flatmap(slices)
    soup = st.lists(bit, max_size=25).map(b"".join)
    many = st.tuples(soup, words, st.integers(2, 3000), soup).map(lambda t: t[0] + t[1] * t[2] + t[3])
    return st.one_of(edited(seeds, bit), soup, many).map(lambda data: data[: target.limit])


@st.composite
def slices(draw: st.DrawFn, data: bytes) -> bytes:
    """Part of a seed."""
    start = draw(st.integers(0, len(data)))
    return data[start : start + draw(st.integers(0, 60))]


@st.composite
def edited(draw: st.DrawFn, seeds: st.SearchStrategy[bytes], bit: st.SearchStrategy[bytes]) -> bytes:
    """A seed with up to three places changed."""
    data = draw(seeds)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        end = at + draw(st.sampled_from((0, 0, 1, 5, 40)))
        data = data[:at] + draw(bit) * draw(st.sampled_from((1, 1, 1, 2, 200))) + data[end:]
    return data
