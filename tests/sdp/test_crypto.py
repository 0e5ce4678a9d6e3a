"""a=crypto (RFC 4568): read, written, and what is not taken."""

import pytest

from ucplatform import sdp
from ucplatform.sdp import Crypto, SdpError

# RFC 4568 section 9.1's own example.
EXAMPLE = "1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20"
KEY = b"YS___semctl () {\t220;}\n}\nunles"


def test_the_example_of_the_rfc():
    crypto = Crypto.parse(EXAMPLE)
    assert (crypto.tag, crypto.suite, crypto.key, crypto.life) == (1, "AES_CM_128_HMAC_SHA1_80", KEY, "2^20")
    assert str(crypto) == EXAMPLE and crypto.plain
    assert "YS___" not in repr(crypto)  # no key in a log


@pytest.mark.parametrize("suite", sdp.SUITES)
def test_every_suite_is_written_and_read_again(suite: str):
    crypto = Crypto(7, suite, bytes(range(sdp.SUITES[suite])))
    assert Crypto.parse(str(crypto)) == crypto


@pytest.mark.parametrize(
    "value",
    [
        "",
        "1 AES_CM_128_HMAC_SHA1_80",
        "x AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz",
        "1 F8_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz",
        "1 AES_CM_128_HMAC_SHA1_80 uri:https://example.net/key",
        "1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|1:4",
        "1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz;inline:AAAA",
        "1 AES_CM_128_HMAC_SHA1_80 inline:AAAA",
        "1 AEAD_AES_128_GCM inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz",
        "1 AES_CM_128_HMAC_SHA1_80 inline:****",
    ],
)
def test_what_cannot_be_used_is_an_error(value: str):
    with pytest.raises(SdpError):
        Crypto.parse(value)


def test_of_a_part_only_the_keys_that_leave_srtp_as_it_is():
    part = sdp.build.media("audio", 4000, "RTP/SAVP", [sdp.build.static_codec(0)])
    for value in (
        "1 AES_CM_128_HMAC_SHA1_32 inline:short",
        f"2{EXAMPLE[1:]} UNENCRYPTED_SRTP",  # RFC 4568 section 6.3.2
        f"3{EXAMPLE[1:]} WSH=128",
    ):
        part.add("crypto", value)
    assert [crypto.tag for crypto in sdp.cryptos_of(part)] == [3]
