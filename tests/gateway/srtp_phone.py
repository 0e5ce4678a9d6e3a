"""A desk phone whose sound is SRTP with its key in the description (RFC 4568)."""

import os

from pylibsrtp import Error as SrtpError

from gateway import srtp
from tests.gateway.phone import Phone
from ucplatform import sdp

SAVP = {"transport-protocol": "RTP/SAVP", "ICE": "remove", "DTLS": "off"}


class SrtpPhone(Phone):
    """As a Phone, under one suite. `garbled` counts what came in under another key than ours."""

    def __init__(self, suite: str = "AES_CM_128_HMAC_SHA1_80", **how: object) -> None:
        super().__init__(**how)  # type: ignore[arg-type]
        self.suite, self.garbled = suite, 0
        self.theirs: sdp.Crypto | None = None
        self.new_key()

    def new_key(self) -> None:
        """What we encrypt with from now on; to be told by `description`."""
        self.mine = sdp.Crypto(1, self.suite, os.urandom(sdp.SUITES[self.suite]))
        self._sending = srtp.session(self.mine, sending=True)

    def description(self, direction: str = "sendrecv", extra: str = "", port: int | None = None) -> str:
        tag = self.theirs.tag if self.theirs else 1
        line = sdp.Crypto(tag, self.suite, self.mine.key)
        body = super().description(direction, f"{extra}a=crypto:{line}\r\n", port)
        return body.replace("RTP/AVP", "RTP/SAVP")

    def connect(self, description: str) -> sdp.Media:
        part = super().connect(description)
        assert part.proto == "RTP/SAVP"
        found = next(crypto for crypto in sdp.cryptos_of(part) if crypto.suite == self.suite)
        if self.theirs is None or found.key != self.theirs.key:
            self._receiving = srtp.session(found, sending=False)
        self.theirs = found
        return part

    def protected(self, data: bytes) -> bytes:
        return self._sending.protect(data)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        try:
            clear = self._receiving.unprotect(data)
        except SrtpError:
            self.garbled += 1
            return
        super().datagram_received(clear, addr)
