"""SRTP whose keys stand in the descriptions (SDES, RFC 4568): suites, keys and sessions.

The one place that touches private names of pylibsrtp (pinned; a test fails when they move): it names no
profile for AES-256 in counter mode (RFC 6188), which libsrtp has.
"""

import secrets
import struct
from collections.abc import Sequence
from typing import Any

from pylibsrtp import Policy, Session
from pylibsrtp._binding import ffi

from gateway.errors import GatewayError
from ucplatform.sdp import SUITES, Crypto

# libsrtp's cipher, then authentication: type, octets of key, octets of tag; and what is protected.
_FIELDS = struct.Struct("=6I")
_AES_128 = (1, 30, 3, 20)
_AES_256 = (5, 46)

#: suite → libsrtp's profile, and whether its cipher has the long key. Best first: the order of our offers.
_PROFILES: dict[str, tuple[int, bool]] = {
    "AEAD_AES_256_GCM": (Policy.SRTP_PROFILE_AEAD_AES_256_GCM, False),
    "AEAD_AES_128_GCM": (Policy.SRTP_PROFILE_AEAD_AES_128_GCM, False),
    "AES_256_CM_HMAC_SHA1_80": (Policy.SRTP_PROFILE_AES128_CM_SHA1_80, True),
    "AES_CM_128_HMAC_SHA1_80": (Policy.SRTP_PROFILE_AES128_CM_SHA1_80, False),
    "AES_256_CM_HMAC_SHA1_32": (Policy.SRTP_PROFILE_AES128_CM_SHA1_32, True),
    "AES_CM_128_HMAC_SHA1_32": (Policy.SRTP_PROFILE_AES128_CM_SHA1_32, False),
}


def session(crypto: Crypto, *, sending: bool) -> Session:
    """A session for what we send, or receive, under this key; GatewayError when libsrtp will not have it."""
    profile, long = _PROFILES[crypto.suite]
    try:
        policy = Policy(
            key=crypto.key,
            ssrc_type=Policy.SSRC_ANY_OUTBOUND if sending else Policy.SSRC_ANY_INBOUND,
            srtp_profile=profile,
        )
        if long:
            _lengthen(policy._policy.rtp)
            _lengthen(policy._policy.rtcp)
        return Session(policy)
    except Exception as error:
        raise GatewayError(f"SRTP suite {crypto.suite} cannot be used: {error}") from error


def _lengthen(part: Any) -> None:
    """Change a policy for AES-128 in counter mode to one for AES-256."""
    octets = ffi.buffer(ffi.addressof(part), ffi.sizeof("srtp_crypto_policy_t"))
    found = _FIELDS.unpack(octets[:]) if len(octets) == _FIELDS.size else ()
    if found[:4] != _AES_128:
        raise ValueError("libsrtp's policies are not what they were")
    octets[:] = _FIELDS.pack(*_AES_256, *found[2:])


Pair = tuple[Session | None, Session | None]
"""For RTP, for RTCP."""

_NONE: tuple[None, None] = (None, None)


class Keys:
    """The keys of one leg: ours for each suite, made once and kept as long as the leg.

    Sessions count packets, so one is made anew only when its key is another.
    """

    def __init__(self) -> None:
        self._own: dict[str, bytes] = {}
        self._mine: Crypto | None = None
        self._theirs: Crypto | None = None
        self._sending: Pair = _NONE
        self._receiving: Pair = _NONE

    @property
    def suite(self) -> str | None:
        """What was agreed."""
        return self._mine.suite if self._mine is not None else None

    def offer(self) -> tuple[Crypto, ...]:
        """All suites, best first; once one is agreed, that alone."""
        if self._mine is not None:
            return (self._mine,)
        return tuple(self._ours(suite, tag) for tag, suite in enumerate(_PROFILES, 1))

    def answer(self, offered: Sequence[Crypto]) -> tuple[Crypto, ...]:
        """Ours for the first of theirs, under the same tag (RFC 4568 5.1.2); GatewayError without any."""
        if not offered:
            raise GatewayError("no SRTP suite in common")
        return (self._ours(offered[0].suite, offered[0].tag),)

    def _ours(self, suite: str, tag: int) -> Crypto:
        if suite not in self._own:
            self._own[suite] = secrets.token_bytes(SUITES[suite])
        return Crypto(tag, suite, self._own[suite])

    def agree(self, local: Sequence[Crypto], remote: Sequence[Crypto]) -> bool:
        """Take up what an offer and its answer share; whether a session is another one than before.

        GatewayError when they share none, or libsrtp will not have it: then all is as it was.
        """
        pairs = ((mine, theirs) for mine in local for theirs in remote)
        mine, theirs = next((p for p in pairs if p[0].tag == p[1].tag and p[0].suite == p[1].suite), _NONE)
        if mine is None or theirs is None:
            raise GatewayError("no SRTP suite in common")
        sending, receiving = self._sending, self._receiving
        if _key(mine) != _key(self._mine):
            sending = session(mine, sending=True), session(mine, sending=True)
        if _key(theirs) != _key(self._theirs):
            receiving = session(theirs, sending=False), session(theirs, sending=False)
        changed = sending is not self._sending or receiving is not self._receiving
        self._mine, self._theirs, self._sending, self._receiving = mine, theirs, sending, receiving
        return changed

    @property
    def sound(self) -> tuple[Session | None, Session | None]:
        """Sessions of the RTP, receiving and sending: the carrier's alone from now on."""
        return self._receiving[0], self._sending[0]

    @property
    def control(self) -> tuple[Session | None, Session | None]:
        """Sessions of the RTCP, which has a port of its own and its own count of packets (RFC 3711 3.2.3)."""
        return self._receiving[1], self._sending[1]


def _key(crypto: Crypto | None) -> tuple[str, bytes] | None:
    """What makes a session another one; tags may change."""
    return None if crypto is None else (crypto.suite, crypto.key)
