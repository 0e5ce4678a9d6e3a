"""One word for a leg, from counts that may be numbers or text."""

import pytest

from ucplatform.calls.rating import rate_call, rate_leg


def stats(packets=1000, lost=0, jitter=5, **more):
    return {"in": {"packets": packets, "lost": lost, "jitter_ms": jitter}, "out": {"packets": 1000}, **more}


@pytest.mark.parametrize(
    ("given", "word"),
    [
        (stats(), "clear"),
        (stats(jitter="29.9"), "clear"),
        (stats(jitter="31.0"), "fair"),
        (stats(jitter=81), "poor"),
        (stats(lost=9), "clear"),
        (stats(lost=20), "fair"),
        (stats(lost=60), "poor"),
        (stats(packets=0), "none"),
        (stats(packets=10, lost=5), "clear"),
        (stats(remote_lost=20), "fair"),
        (stats(remote_lost=100, remote_jitter_ms=2), "poor"),
        (stats(remote_jitter_ms="90.5"), "poor"),
        (stats(lost=-3, jitter="nan?"), "clear"),
    ],
)
def test_word(given, word):
    assert rate_leg(given) == word


@pytest.mark.parametrize("given", [{}, {"in": None}, {"out": {"packets": 3}}])
def test_no_statistics_no_word(given):
    assert rate_leg(given) is None


def test_an_unanswered_call_has_no_word():
    assert rate_call([{"id": "a", "stats": stats(packets=0)}], answered=False) == (
        [{"id": "a", "stats": stats(packets=0), "sound": None}],
        None,
    )
