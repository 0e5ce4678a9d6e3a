"""Nothing a peer sends raises anything but SdpError or costs more than 50 ms of CPU."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ucplatform import sdp

DATA = Path(__file__).parents[1] / "data" / "sdp"
REAL = [path.read_bytes() for path in sorted(DATA.glob("*.sdp"))]
LIMIT = 0.05  # seconds of CPU
HEAD = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n"


def read_everything(data: bytes | str) -> None:
    """All that parts of the product ask of a description."""
    session = sdp.parse(data)
    assert session.to_bytes() == (
        data if isinstance(data, bytes) else data.encode("utf-8", "surrogateescape")
    )
    _ = session.origin, session.connection, session.groups, session.bandwidth, sdp.is_empty(session)
    for part in session.media:
        _ = part.codecs, part.direction, part.connection, part.bandwidth, part.mid, part.active
        _ = [codec.parameters for codec in part.codecs]
        _ = sdp.ice_of(part), sdp.setup_of(part)
        tolerate(lambda part=part: sdp.fingerprints_of(part))
        for value in part.all("candidate"):
            tolerate(lambda value=value: str(sdp.Candidate.parse(value)))
        for value in part.all("rtcp"):
            tolerate(lambda value=value: str(sdp.RtcpAddress.parse(value)))
    text = str(session)
    _ = sdp.is_hold(text), sdp.media_directions(text), sdp.without_origin(text)
    sdp.with_origin(text, sdp.Origin("-", 1, 2, "IN", "IP4", "192.0.2.1"))


def tolerate(read: Callable[[], object]) -> None:
    try:
        read()
    except sdp.SdpError:
        pass


def within_limit(data: bytes | str) -> None:
    """Best of three, so that a busy machine is not mistaken for a slow parser."""
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        tolerate(lambda: read_everything(data))
        best = min(best, time.process_time() - start)
        if best <= LIMIT:
            return
    raise AssertionError(f"{best * 1000:.0f} ms of CPU")


pieces = st.sampled_from(
    [b"\r\n", b"\n", b"\r", b"\0", b" ", b":", b"/", b"=", b"a=", b"m=audio ", b"m=audio 1 RTP/AVP 0",
     b"c=IN IP4 ", b"a=rtpmap:", b"a=fmtp:", b"a=candidate:", b"a=fingerprint:sha-256 ", b"a=rtcp-fb:* ",
     b"9" * 23, b"-1", "٣".encode(), b"\xff\xfe", b"\xed\xa0\x80", "\u2028".encode(), b"0/0", b"_1"]
)  # fmt: skip


@st.composite
def mangled(draw: st.DrawFn) -> bytes:
    """A real description with pieces cut out, doubled, put elsewhere or replaced."""
    data = bytearray(draw(st.sampled_from(REAL)))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(data)))
        end = draw(st.integers(at, min(len(data), at + 80)))
        new = draw(st.one_of(pieces, st.binary(max_size=12), st.just(bytes(data[at:end]) * 2)))
        data[at:end] = new
    return bytes(data)


relaxed = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@relaxed
@given(mangled())
def test_mangled_descriptions(data: bytes):
    within_limit(data)


@relaxed
@given(st.lists(pieces, max_size=60))
def test_grammar_soup(parts: list[bytes]):
    within_limit(HEAD.encode() + b"".join(parts))


@relaxed
@given(st.one_of(st.binary(max_size=400), st.text(max_size=200)))
def test_any_octets_and_any_text(data: bytes | str):
    within_limit(data)


@relaxed
@given(st.text(alphabet="0123456789 udptyphosraw:abc.-", max_size=120))
def test_candidate_values(value: str):
    tolerate(lambda: sdp.Candidate.parse(value))
    tolerate(lambda: sdp.Fingerprint.parse(value))
    tolerate(lambda: sdp.Origin.parse(value))
    tolerate(lambda: sdp.Connection.parse(value))
    tolerate(lambda: sdp.MediaLine.parse(value))


def full(line: str, head: str = HEAD) -> str:
    """As many of the line as are let in."""
    count = min((16 * 1024 - len(head)) // len(line), 1024 - head.count("\n"))
    return head + line * count


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "m=audio 1 RTP/AVP 0\r\n" * 64,
        HEAD + ("m=audio 1 RTP/AVP " + " ".join(map(str, range(128))) + "\r\na=x\r\n") * 27,
        full("a=rtcp-fb:* n\r\n", HEAD + "m=audio 1 RTP/AVP " + " ".join(map(str, range(128))) + "\r\n"),
        full("a=rtpmap:0 a/1\r\n", HEAD + "m=audio 1 RTP/AVP " + "0 " * 120 + "\r\n"),
        full("a=sendonly\r\n", HEAD + "m=audio 1 RTP/AVP 0\r\n"),
        HEAD + "m=audio 1 RTP/AVP 0\r\na=fmtp:0 " + ";" * 16000 + "\r\n",
        HEAD + "m=audio 1 RTP/AVP 0\r\na=rtpmap:0 " + "/" * 16000 + "\r\n",
        HEAD + "m=audio 1 RTP/AVP 0\r\na=fingerprint:x " + "aa:" * 5000 + "\r\n",
        HEAD + "o=" + "9" * 16000 + "\r\n",
        HEAD + "o=" + " " * 16000 + "\r\n",
        HEAD + "a=" + ":" * 16000 + "\r\n",
        "\n" * 1024,
        "\r\n" * 8000,
        HEAD + "a=" + "\xa0" * 8000,
    ],
    ids=range(14),
)
def test_what_would_be_slow_in_a_careless_parser(text: str):
    within_limit(text)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "begin with v=0"),
        (b"v=1\r\n", "begin with v=0"),
        (b"hello\r\n", "not of the form"),
        (b"v=0\r\no=- 1 IN IP4 192.0.2.1\r\n", "six fields"),
        (b"v=0\r\no=- 1 -1 IN IP4 192.0.2.1\r\n", "not a number"),
        (b"v=0\r\nc=IN IP4\r\n", "three fields"),
        (b"v=0\r\nm=audio RTP/AVP 0\r\n", "m= wants"),
        (b"v=0\r\nm=audio 65536 RTP/AVP 0\r\n", "over 65535"),
        ("v=0\r\nm=audio ٣ RTP/AVP 0\r\n".encode(), "not a number"),
        (b"v=0\r\nm=audio 1 RTP/AVP 0\r\nc=IN\r\n", "three fields"),
        (b"v=0\r\nm=audio 1 RTP/AVP " + b"0 " * 129, "formats"),
        (b"v=0\r\n" + b"m=audio 1 RTP/AVP 0\r\n" * 65, "64 media"),
        (b"v=0\r\n" + b"a=x\r\n" * 1024, "1024 lines"),
        (b"v=0\r\n" + b"a=" + b"x" * 16384, "16384"),
        (b"v=0\r\na=x\ry\r\n", "control character"),
        (b"v=0\r\na=x\0\r\n", "control character"),
    ],
)
def test_refusals_say_why(data: bytes, reason: str):
    with pytest.raises(sdp.SdpError, match=reason):
        sdp.parse(data)
