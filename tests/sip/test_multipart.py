"""Bodies of several parts: which part counts, and which is too much."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.sip.test_fuzz import within_limit
from ucplatform.sip.errors import ParseError
from ucplatform.sip.headers import Headers
from ucplatform.sip.message import Request
from ucplatform.sip.multipart import MAX_PARTS, part, unknown
from ucplatform.sip.uri import Uri

SDP = "application/sdp"
DESCRIPTION = b"v=0\r\ns=-\r\n"


def message(body: bytes, content_type: str = "multipart/mixed;boundary=b1", **headers: str) -> Request:
    lines = [(name.replace("_", "-"), value) for name, value in headers.items()]
    if content_type:
        lines.append(("Content-Type", content_type))
    return Request("INVITE", Uri.parse("sip:201@example.com"), Headers(lines), body)


def body(*parts: tuple[str, bytes], boundary: str = "b1") -> bytes:
    """Parts of (header lines, octets), the lines each ended by CRLF."""
    written = [f"--{boundary}\r\n{head}\r\n".encode() + octets + b"\r\n" for head, octets in parts]
    return b"".join(written) + f"--{boundary}--\r\n".encode()


def sdp(octets: bytes = DESCRIPTION, more: str = "") -> tuple[str, bytes]:
    return f"Content-Type: application/sdp\r\n{more}", octets


ISUP = ("Content-Type: application/ISUP;version=itu-t92+\r\n", b"\x01\x00\r\n--b\r\n\x00")
OPTIONAL = (
    "Content-Type: application/isup\r\nContent-Disposition: signal;handling=optional\r\n",
    b"\x01\r\n",
)


def test_a_single_body_is_its_own_part():
    one = message(DESCRIPTION, "Application/SDP ; charset=utf-8")
    assert part(one, SDP) == DESCRIPTION
    assert unknown(one, {SDP}) is None


def test_no_body_has_no_part_and_asks_for_nothing():
    assert part(message(b""), SDP) is None
    assert unknown(message(b"", "application/foo"), {SDP}) is None


def test_a_single_body_of_another_type_is_unknown_unless_it_is_optional():
    """RFC 3261 sections 20.11 and 21.4.13"""
    assert part(message(b"x", "application/foo"), SDP) is None
    assert unknown(message(b"x", "application/foo"), {SDP}) == "application/foo"
    assert unknown(message(b"x", ""), {SDP}) == "application/octet-stream"
    optional = message(b"x", "application/foo", Content_Disposition="x; Handling=Optional")
    assert unknown(optional, {SDP}) is None


@pytest.mark.parametrize("kind", ["mixed", "related"])
def test_the_first_part_of_the_type_counts(kind):
    one = message(body(OPTIONAL, sdp(), sdp(b"v=1")), f'multipart/{kind};type=x;boundary="b1"')
    assert part(one, SDP) == DESCRIPTION
    assert part(one, "application/isup") == b"\x01\r\n"
    assert unknown(one, {SDP}) is None


def test_the_last_alternative_of_the_type_counts():
    """RFC 2046 section 5.1.4: the last is the best; one that is known makes the others needless."""
    one = message(body(sdp(b"v=0"), sdp(), ISUP), "multipart/alternative;boundary=b1")
    assert part(one, SDP) == DESCRIPTION
    assert unknown(one, {SDP}) is None
    assert unknown(message(body(ISUP), "multipart/alternative;boundary=b1"), {SDP}) == "application/isup"


def test_a_part_that_must_be_understood_is_named():
    """RFC 5621 section 4: handling=required is what a part without a word means."""
    assert unknown(message(body(sdp(), ISUP)), {SDP}) == "application/isup"
    assert unknown(message(body(sdp(), ("", b"hello"))), {SDP}) == "text/plain"


def test_an_encoded_part_is_not_understood():
    zipped = message(body(sdp(more="Content-Encoding: gzip\r\n")))
    assert part(zipped, SDP) is None
    assert unknown(zipped, {SDP}) == SDP
    assert part(message(body(sdp(more="Content-Transfer-Encoding: binary\r\n"))), SDP) == DESCRIPTION
    assert part(message(body(sdp(more="Content-Transfer-Encoding: base64\r\n"))), SDP) is None


def test_an_early_session_is_not_the_session():
    """RFC 3959 section 4"""
    one = message(body(sdp(b"v=9", "Content-Disposition: early-session\r\n"), sdp()))
    assert part(one, SDP) == DESCRIPTION


def test_parts_within_parts_are_found_to_a_depth():
    inner = body(sdp(), boundary="b2")
    for number in (3, 4):
        outer = (f"Content-Type: multipart/mixed;boundary=b{number - 1}\r\n", inner)
        inner = body(outer, boundary=f"b{number}")
        one = message(inner, f"multipart/mixed;boundary=b{number}")
        assert part(one, SDP) == DESCRIPTION
    deeper = body(("Content-Type: multipart/mixed;boundary=b4\r\n", inner), boundary="b5")
    for read in (lambda m: part(m, SDP), lambda m: unknown(m, {SDP})):
        with pytest.raises(ParseError):
            read(message(deeper, "multipart/mixed;boundary=b5"))


def test_octets_stay_as_they_are():
    octets = b"\x00--b1\r\n--b1x\r\n\r\n--b1-\r\n\xff\r\n"
    assert part(message(body(("c: a/b\r\n", octets))), "a/b") == octets
    assert part(message(body(("Content-Type:\r\n a/b\r\n", b""))), "a/b") == b""


def test_preamble_epilogue_and_blanks_behind_the_delimiter_do_not_matter():
    written = b"no part\r\n" + body(sdp()).replace(b"--b1\r\n", b"--b1 \t\r\n") + b"--b1\r\n\r\nnot this"
    assert part(message(written), SDP) == DESCRIPTION


@pytest.mark.parametrize(
    ("octets", "content_type"),
    [
        (body(sdp()), "multipart/mixed"),
        (body(sdp()), "multipart/mixed;boundary=" + "b" * 71),
        (body(sdp()), 'multipart/mixed;boundary=""'),
        (body(sdp()), "multipart/mixed;boundary=b2"),
        (body(sdp())[:-6], "multipart/mixed;boundary=b1"),
        (body(("Content-Type\r\n", b"")), "multipart/mixed;boundary=b1"),
        (body(("X: " + "x" * 3000 + "\r\n", b"")), "multipart/mixed;boundary=b1"),
        (body(*[("X: y\r\n", b"")] * (MAX_PARTS + 1)), "multipart/mixed;boundary=b1"),
    ],
)
def test_what_is_malformed_gets_400(octets, content_type):
    with pytest.raises(ParseError) as refused:
        unknown(message(octets, content_type), {SDP})
    assert refused.value.status == 400
    with pytest.raises(ParseError):
        part(message(octets, content_type), SDP)


DELIMITERS = [b"--b1", b"--b1--", b"--b2", b"\r\n", b"\r\n\r\n", b"--", b" "]
LINES = [b"a: b", b"c: application/sdp", b"\xff", b"Content-Type: multipart/alternative;boundary=b2\r\n"]
pieces = st.sampled_from(DELIMITERS + LINES)


@settings(max_examples=100, deadline=None)
@given(st.lists(pieces, max_size=30).map(b"".join), st.sampled_from(["b1", "b2", '"b1"', "b"]))
@example(b"\r\n--b1" * 10000, "b1")
@example(b"--b1\r\n" * 10000, "b1")
@example(b"--b1\r\n" + b"\r\n--b12" * 9000, "b1")
def test_no_body_raises_anything_but_its_own_error(octets, boundary):
    one = message(octets, f"multipart/mixed;boundary={boundary}")
    within_limit(lambda: (part(one, SDP), unknown(one, {SDP})))


def test_the_torture_message_of_several_parts_is_read():
    """As RFC 4475 3.1.1.11: a message with a part in text and one in binary."""
    text = ("Content-Type: text/plain\r\nContent-Transfer-Encoding: binary\r\n", b"Hello")
    binary = ("Content-Type: application/octet-stream\r\n", bytes(range(256)))
    one = message(
        body(text, binary, boundary="7a9cbec02ceef655"), "multipart/mixed;boundary=7a9cbec02ceef655"
    )
    assert part(one, "text/plain") == b"Hello"
    assert part(one, "application/octet-stream") == bytes(range(256))
