"""Secrets never reach the trace, and nothing else is touched."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.edge.responder import options
from ucplatform.edge.masking import mask

DIGEST = b'Digest username="200", realm="r", nonce="n", response="%s", cnonce="c", nc=00000001, qop=auth'
SECRET = b"6629fae49393a05397450978507c4ef1"


def message(header: bytes, body: bytes = b"") -> bytes:
    return options(body=body, extra="X: y\r\n").replace(b"X: y", header)


@pytest.mark.parametrize(
    "name", [b"Authorization", b"Proxy-Authorization", b"AUTHORIZATION ", b"proxy-authorization"]
)
def test_masks_the_response_of_a_digest(name: bytes) -> None:
    text = message(name + b": " + DIGEST % SECRET)
    masked = mask(text)
    assert SECRET not in masked
    assert masked == text.replace(SECRET, b"***")


@pytest.mark.parametrize(
    "value",
    [
        b"Digest username=u, response=" + SECRET,
        b"Digest username=u,\r\n response = " + SECRET + b"\r\n , qop=auth",
        b'Digest\r\n\tusername=u, RESPONSE="' + SECRET,
        b'Digest username="a, response=b", response="' + SECRET + b'"',
        b"Basic " + SECRET,
        b"Bearer " + SECRET,
        b'Digest\xa0response="' + SECRET + b'"',
    ],
)
def test_masks_however_it_is_written(value: bytes) -> None:
    assert SECRET not in mask(message(b"Authorization: " + value))


def test_masks_every_occurrence() -> None:
    twice = b"Authorization: " + DIGEST % SECRET + b"\r\nAuthorization: " + DIGEST % SECRET
    assert SECRET not in mask(message(twice))


def test_masks_keys_in_sdp() -> None:
    sdp = b"v=0\r\na=crypto:1 AES_CM inline:KEY|2^20\r\na=ice-ufrag:f\r\na=ice-pwd:PWD\r\nk=clear:KEY\r\n"
    masked = mask(message(b"X: y", sdp))
    assert b"KEY" not in masked and b"PWD" not in masked
    assert b"a=ice-ufrag:f\r\na=ice-pwd:***\r\n" in masked and b"a=crypto:***\r\n" in masked


def test_leaves_everything_else() -> None:
    text = message(
        b'WWW-Authenticate: Digest realm="r", nonce="n"\r\nX-Response: response="s"', b"\xff\x00 response=x"
    )
    assert mask(text) == text


@given(st.binary(max_size=2000))
def test_never_fails(data: bytes) -> None:
    mask(data)
    mask(b"Authorization: Digest " + data)


@pytest.mark.parametrize(
    "data",
    [
        b"Authorization:" + b"\r\n " * 20_000,
        b"Authorization: Digest " + b"response=" * 7_000,
        b'Authorization: Digest response="' + b"\\" * 60_000,
        b"Authorization: Digest " + b" " * 60_000,
        b"\r\nAuthorization" * 5_000,
    ],
)
def test_takes_linear_time(data: bytes) -> None:
    best = min(_cpu(data) for _ in range(3))
    assert best < 0.05


def _cpu(data: bytes) -> float:
    start = time.process_time()
    mask(data)
    return time.process_time() - start
