import contextlib
import gc
import weakref

import pytest

from ucplatform.sip.errors import ParseError
from ucplatform.sip.framing import MessageBytes, Ping, Pong, StreamFramer

HEAD = (
    b"MESSAGE sip:201@example.com SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK-1\r\n"
    b"From: <sip:200@example.com>;tag=a\r\nTo: <sip:201@example.com>\r\nCall-ID: one\r\nCSeq: 1 MESSAGE\r\n"
)
HELLO = HEAD + b"Content-Length: 5\r\n\r\nhello"


def test_messages_back_to_back() -> None:
    framer = StreamFramer()
    assert framer.feed(HELLO + HELLO + HELLO[:-1]) == [MessageBytes(HELLO), MessageBytes(HELLO)]
    assert framer.pending == len(HELLO) - 1
    assert framer.feed(b"o") == [MessageBytes(HELLO)]
    assert framer.pending == 0


def test_octet_by_octet() -> None:
    framer = StreamFramer()
    events = [event for octet in HELLO + HELLO for event in framer.feed(bytes([octet]))]
    assert events == [MessageBytes(HELLO), MessageBytes(HELLO)]


@pytest.mark.parametrize(
    "line",
    [
        b"l: 5",
        b"L  :5",
        b"CONTENT-LENGTH:\t005",
        b"Content-Length:\r\n 5",
        b"c: text/plain\r\nl:\r\n\t\r\n 5",
    ],
)
def test_spellings_of_content_length(line: bytes) -> None:
    message = HEAD + line + b"\r\n\r\nhello"
    assert StreamFramer().feed(message + HELLO) == [MessageBytes(message), MessageBytes(HELLO)]


def test_a_folded_line_is_no_content_length() -> None:
    """Two readers that disagree here would see different messages."""
    message = HEAD + b"Subject: x\r\n Content-Length: 500\r\nContent-Length: 0\r\n\r\n"
    assert StreamFramer().feed(message) == [MessageBytes(message)]


def test_keep_alives() -> None:
    framer = StreamFramer()
    assert framer.feed(b"\r\n\r\n") == [Ping()]
    assert framer.feed(b"\r\n") == [Pong()]
    assert framer.feed(b"\r\n" + HELLO) == [Ping(), MessageBytes(HELLO)]
    assert framer.feed(b"\r") == []
    assert framer.feed(b"\n") == [Pong()]
    assert framer.feed(HELLO + b"\r\n") == [MessageBytes(HELLO), Pong()]


def test_a_flood_of_keep_alives_is_one_ping() -> None:
    assert StreamFramer().feed(b"\r\n" * 30000) == [Ping()]


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"", 400),
        (b"Content-Length: -1\r\n", 400),
        (b"Content-Length: 5 5\r\n", 400),
        (b"Content-Length:\r\n", 400),
        (b"Content-Length: 5\r\nl: 5\r\n", 400),
        (b"Content-Length: 70000\r\n", 513),
        (b"X-Fill: " + b"a" * 8192 + b"\r\nContent-Length: 5\r\n", 513),
    ],
)
def test_beyond_repair(line: bytes, status: int) -> None:
    framer = StreamFramer()
    with pytest.raises(ParseError) as caught:
        framer.feed(HEAD + line + b"\r\nhello")
    assert caught.value.status == status
    assert caught.value.request is not None and caught.value.request.call_id == "one"
    with pytest.raises(ParseError):
        framer.feed(HELLO)


def test_good_messages_before_a_fault_are_handed_out() -> None:
    framer = StreamFramer()
    assert framer.feed(HELLO + HEAD + b"\r\n") == [MessageBytes(HELLO)]
    assert framer.broken is not None and framer.broken.status == 400
    with pytest.raises(ParseError):
        framer.feed(b"")


@pytest.mark.parametrize(
    "octets", [b"\x16\x03\x01" * 4000, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\r" * 9000]
)
def test_what_is_no_sip_is_dropped_without_an_answer(octets: bytes) -> None:
    with pytest.raises(ParseError) as caught:
        StreamFramer().feed(octets)
    assert caught.value.status is None


def test_limits_are_the_callers() -> None:
    framer = StreamFramer(max_message=len(HELLO), max_headers=len(HELLO))
    assert framer.feed(HELLO) == [MessageBytes(HELLO)]
    with pytest.raises(ParseError):
        StreamFramer(max_message=len(HELLO) - 1).feed(HELLO)


def test_headers_that_never_end_are_cut_at_the_limit() -> None:
    framer = StreamFramer()
    with pytest.raises(ParseError):
        for _ in range(3000):
            framer.feed(b"X: 1\r\n")
    assert framer.pending == 0


# ---- peers that end their lines by LF alone


FEEDS = HELLO.replace(b"\r\n", b"\n")


@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_messages_with_line_feeds_alone_are_cut_like_any_other(step: int) -> None:
    octets = FEEDS.replace(b": 5\n\nhello", b": 7\n\n\r\n\r\n\n\n.")
    sent = [FEEDS, octets, HELLO, FEEDS]
    stream = b"\r\n\r\n".join(sent)
    framer = StreamFramer()
    found = []
    for start in range(0, len(stream), step):
        found += [e.data for e in framer.feed(stream[start : start + step]) if isinstance(e, MessageBytes)]
    assert found == sent
    assert framer.pending == 0


def test_line_feeds_with_a_carriage_return_among_them_break_the_stream() -> None:
    mixed = FEEDS.replace(b"Call-ID: one\n", b"Call-ID: one\r\n")
    with pytest.raises(ParseError):
        StreamFramer().feed(mixed)


def test_what_cannot_be_cut_is_answered_with_line_feeds_too() -> None:
    with pytest.raises(ParseError) as refused:
        StreamFramer().feed(FEEDS.replace(b"Content-Length: 5\n", b""))
    assert refused.value.status == 400
    assert refused.value.request is not None and refused.value.request.call_id == "one"


def test_a_broken_stream_leaves_no_ring_for_the_collector() -> None:
    gc.disable()
    try:
        framer = StreamFramer()
        gone = weakref.ref(framer)
        for _ in range(2):
            with contextlib.suppress(ParseError):
                framer.feed(HEAD + b"\r\n")
        del framer
        assert gone() is None
    finally:
        gc.enable()
