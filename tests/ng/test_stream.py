"""Messages back to back on a stream, and replies kept for retransmissions."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ucplatform import ng

MESSAGES: list[tuple[str, dict[str, ng.Value]]] = [
    ("a_1", {"command": "ping"}),
    ("a_2", {}),
    ("event", {"event": "dtmf", "seq": 1, "detail": {"code": "5", "list": [1, [2, {"x": ""}]]}}),
    ("a_3", {"sdp": "v=0\r\n e i5e d " * 50}),
]
WIRE = b"".join(ng.encode(cookie, message) for cookie, message in MESSAGES)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 120), min_size=1, max_size=60))
def test_any_cutting_gives_the_same_messages(sizes: list[int]):
    framer, got, at, turn = ng.StreamFramer(), [], 0, 0
    while at < len(WIRE):
        size = sizes[turn % len(sizes)]
        got += framer.feed(WIRE[at : at + size])
        at, turn = at + size, turn + 1
    assert got == MESSAGES


def test_octet_by_octet_and_with_line_ends_between():
    framer = ng.StreamFramer()
    wire = b"\r\n".join(ng.encode(*pair) for pair in MESSAGES)
    assert [pair for octet in wire for pair in framer.feed(bytes([octet]))] == MESSAGES


@pytest.mark.parametrize(
    "data",
    [b" de", b"c" * 400, b"c x", b"c le", b"c d1x", b"c di1ee" + b"c x", b"c d99999999:", b"c d9999999:",
     b"c d1:ai" + b"1" * 40, b"c d" + b"1:al" * 40],
)  # fmt: skip
def test_a_broken_stream_is_given_up(data: bytes):
    with pytest.raises(ng.NgError):
        ng.StreamFramer().feed(data)


def test_a_message_without_end_is_given_up_at_the_limit():
    framer = ng.StreamFramer(max_message=1000)
    framer.feed(b"c d1:al")
    with pytest.raises(ng.NgError, match="over 1000"):
        for _ in range(400):
            framer.feed(b"i1e")


def test_a_long_message_in_small_pieces_costs_linear_time():
    wire = ng.encode("c", {"list": [{"n": number} for number in range(20000)]})
    best = float("inf")
    for _ in range(3):
        framer, got = ng.StreamFramer(), 0
        start = time.process_time()
        for at in range(0, len(wire), 64):
            got += len(framer.feed(wire[at : at + 64]))
        best = min(best, time.process_time() - start)
        assert got == 1
    # 200 kB in 3,000 pieces; a scan from the front each time would take tens of seconds.
    assert best < 0.5


def test_cookies_remember_what_was_answered():
    cache = ng.CookieCache(limit=3, ttl=10.0)
    peer = ("192.0.2.1", 5000)
    assert cache.get((peer, "a"), 0.0) is None
    cache.begin((peer, "a"), 0.0)
    assert cache.get((peer, "a"), 0.1) == ng.PENDING
    cache.put((peer, "a"), b"reply", 1.0)
    assert cache.get((peer, "a"), 5.0) == b"reply"
    assert cache.get((("192.0.2.2", 5000), "a"), 5.0) is None
    assert cache.get((peer, "a"), 11.0) is None
    assert len(cache) == 0


def test_cookies_are_bounded():
    cache = ng.CookieCache(limit=3, ttl=10.0)
    for number in range(5):
        cache.put(number, b"x", 0.0)
    assert [cache.get(number, 1.0) for number in range(5)] == [None, None, b"x", b"x", b"x"]
