"""Digest authentication both ways (RFC 3261 section 22, RFC 7616, RFC 8760): MD5, SHA-256, SHA-512-256 and
their -sess forms, qop=auth; without qop as RFC 2069 has it.

The order on the server: `find_credentials`, `NonceIssuer.judge` (an expired nonce is answered alike whether
the secret was right or not, or guessing with old ones would be free), `verify` with the account's HA1, and
only then `NonceIssuer.use`: so that only those who know a secret fill the memory of replays.
"""

from __future__ import annotations

import base64
import enum
import hashlib
import hmac
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import blake2b

from ucplatform.sip.errors import ParseError, UsageError
from ucplatform.sip.grammar import BLANK, is_token, quote, quoted_end, unquote
from ucplatform.sip.headers import Headers

MAX_CREDENTIALS = 4096
"""Limit on one Authorization value, characters."""

MAX_FIELDS = 32
"""Limit on the parameters of one Authorization value."""

_HASHES: dict[str, Callable[[bytes], str]] = {
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
}
if "sha512_256" in hashlib.algorithms_available:  # OpenSSL's; a build without it lacks the algorithm
    _HASHES["SHA-512-256"] = lambda data: hashlib.new("sha512_256", data).hexdigest()

ALGORITHMS = tuple(_HASHES)
"""Those that we can compute, the best known first."""

SESSION = "-SESS"
"""Ends the name of an algorithm whose secret is hashed once more with nonce and cnonce (RFC 7616 3.4.2)."""

_NOT_BARE = re.compile(r'[\x00-\x20\x7f"\\]')
_NOT_HEX = re.compile(r"[^0-9a-fA-F]")


class Verdict(enum.Enum):
    """What a nonce is worth."""

    GOOD = "good"
    STALE = "stale"
    """Too old, or too old to be remembered: challenge again with stale=true."""
    REPLAYED = "replayed"
    """This nonce count was used before."""
    FORGED = "forged"
    """Not ours, or issued under another secret or to another peer."""


class NonceIssuer:
    """Makes and checks nonces. They are signed, so that only the counts of used ones are remembered.

    secret: any bytes; edges that share it accept each other's nonces. lifetime: seconds. memory: how many
    nonces have their counts remembered; where one is forgotten, no nonce issued before it is accepted any
    more as fresh.
    """

    _STAMP = 14
    _MAC = 16

    def __init__(self, secret: bytes, lifetime: float = 300.0, memory: int = 65536) -> None:
        self._key = blake2b(secret).digest()
        self._lifetime_ms = int(lifetime * 1000)
        self._memory = memory
        self._salt = os.urandom(4)
        self._count = 0
        # nonce stamp → (highest count, bit mask of the 64 counts up to it)
        self._seen: dict[bytes, tuple[int, int]] = {}
        self._forgotten_ms = -1

    def issue(self, now: float, peer: str = "") -> str:
        """A nonce that was never issued before, good for `peer` (an address) alone. `now`: seconds of the
        clock that `check` is given too, not negative.
        """
        self._count = (self._count + 1) & 0xFFFFFFFF
        stamp = int(now * 1000).to_bytes(6, "big") + self._count.to_bytes(4, "big") + self._salt
        return base64.urlsafe_b64encode(stamp + self._sign(stamp, peer)).decode("ascii")

    def judge(self, nonce: str, now: float, peer: str = "") -> Verdict:
        """GOOD, STALE or FORGED by the nonce alone; its count is neither looked at nor used up.

        Whoever brings anything but FORGED has read what we sent to `peer`: its address is no invention.
        """
        try:
            raw = base64.urlsafe_b64decode(nonce.encode("ascii"))
        except ValueError:
            return Verdict.FORGED
        stamp = raw[: self._STAMP]
        if len(nonce) != 40 or not hmac.compare_digest(raw[self._STAMP :], self._sign(stamp, peer)):
            return Verdict.FORGED
        issued_ms = int.from_bytes(stamp[:6], "big")
        if not issued_ms <= int(now * 1000) <= issued_ms + self._lifetime_ms:
            return Verdict.STALE
        return Verdict.GOOD

    def check(self, nonce: str, nc: int | None, now: float, peer: str = "") -> Verdict:
        """Judge a nonce and use up its count. `nc` None (no qop) counts as 1: such a nonce works once.

        Counts may arrive out of order within a window of 64, as UDP delivers them, but none twice.
        """
        verdict = self.judge(nonce, now, peer)
        return self.use(nonce, nc, now) if verdict is Verdict.GOOD else verdict

    def use(self, nonce: str, nc: int | None, now: float) -> Verdict:
        """Use up a count of a nonce that was judged GOOD at this very moment."""
        stamp = base64.urlsafe_b64decode(nonce)[: self._STAMP]
        issued_ms = int.from_bytes(stamp[:6], "big")
        now_ms = int(now * 1000)
        seen = self._seen.get(stamp)
        if seen is None:
            if issued_ms <= self._forgotten_ms:
                return Verdict.STALE
            self._make_room(now_ms)
            seen = (0, 0)
        return self._count_up(stamp, seen, 1 if nc is None else nc)

    def _count_up(self, stamp: bytes, seen: tuple[int, int], nc: int) -> Verdict:
        highest, mask = seen
        if nc > highest:
            # The shift is bounded: a count may jump by billions.
            mask = (mask << min(nc - highest, 64)) & (2**64 - 1) | 1
            self._seen[stamp] = (nc, mask)
            return Verdict.GOOD
        behind = highest - nc
        if nc < 1 or behind >= 64 or mask >> behind & 1:
            return Verdict.REPLAYED
        self._seen[stamp] = (highest, mask | 1 << behind)
        return Verdict.GOOD

    def _make_room(self, now_ms: int) -> None:
        """Drop expired nonces from the old end, and the oldest when the memory is full."""
        while self._seen:
            oldest = next(iter(self._seen))
            issued_ms = int.from_bytes(oldest[:6], "big")
            expired = issued_ms + self._lifetime_ms < now_ms
            if not expired and len(self._seen) < self._memory:
                return
            if not expired:
                self._forgotten_ms = max(self._forgotten_ms, issued_ms)
            del self._seen[oldest]

    def _sign(self, stamp: bytes, peer: str) -> bytes:
        # Keyed BLAKE2 is a MAC by itself (RFC 7693 2.9), at a fifth of the price of HMAC by OpenSSL 3.
        return blake2b(stamp + peer.encode(), key=self._key, digest_size=self._MAC).digest()


@dataclass(frozen=True, slots=True)
class Challenge:
    """A WWW-Authenticate or Proxy-Authenticate value. qop: '' when the server offers none."""

    realm: str
    nonce: str
    algorithm: str = "MD5"
    qop: str = "auth"
    stale: bool = False
    opaque: str = ""

    @classmethod
    def parse(cls, text: str) -> Challenge:
        """ParseError(400) unless it is a Digest challenge with realm and nonce."""
        fields = _parse_fields(text)
        if "realm" not in fields or not fields.get("nonce"):
            raise ParseError("challenge without realm or nonce")
        return cls(
            fields["realm"],
            fields["nonce"],
            _token(fields, "algorithm", "MD5").upper(),
            fields.get("qop", ""),
            fields.get("stale", "").lower() == "true",
            fields.get("opaque", ""),
        )

    def __str__(self) -> str:
        parts = [f"Digest realm={quote(self.realm)}", f"nonce={quote(self.nonce)}"]
        parts.append(f"algorithm={self.algorithm}")
        if self.qop:
            parts.append(f"qop={quote(self.qop)}")
        if self.opaque:
            parts.append(f"opaque={quote(self.opaque)}")
        if self.stale:
            parts.append("stale=true")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Credentials:
    """An Authorization or Proxy-Authorization value. nc None and qop empty: the form of RFC 2069."""

    username: str
    realm: str
    nonce: str
    uri: str
    response: str
    algorithm: str = "MD5"
    qop: str = ""
    cnonce: str = ""
    nc: int | None = None
    opaque: str = ""

    @classmethod
    def parse(cls, text: str) -> Credentials:
        """Linear time, at most MAX_CREDENTIALS characters. ParseError(400) for anything but whole Digest
        credentials.
        """
        fields = _parse_fields(text)
        for name in ("username", "realm", "nonce", "uri", "response"):
            if name not in fields:
                raise ParseError(f"credentials without {name}")
        qop = _token(fields, "qop", "").lower()
        count = fields.get("nc")
        if qop and (count is None or not fields.get("cnonce")):
            raise ParseError("credentials with qop but without nc or cnonce")
        if count is not None and (len(count) != 8 or _NOT_HEX.search(count)):
            raise ParseError("nc is not eight hexadecimal digits")
        return cls(
            fields["username"],
            fields["realm"],
            fields["nonce"],
            fields["uri"],
            fields["response"],
            _token(fields, "algorithm", "MD5").upper(),
            qop,
            fields.get("cnonce", ""),
            None if count is None else int(count, 16),
            fields.get("opaque", ""),
        )

    def __str__(self) -> str:
        parts = [f"Digest username={quote(self.username)}", f"realm={quote(self.realm)}"]
        parts += [f"nonce={quote(self.nonce)}", f"uri={quote(self.uri)}", f"response={quote(self.response)}"]
        parts.append(f"algorithm={self.algorithm}")
        if self.cnonce:
            parts.append(f"cnonce={quote(self.cnonce)}")
        if self.opaque:
            parts.append(f"opaque={quote(self.opaque)}")
        if self.qop:
            parts.append(f"qop={self.qop}")
        if self.nc is not None:
            parts.append(f"nc={self.nc:08x}")
        return ", ".join(parts)


def find_credentials(headers: Headers, name: str, realm: str) -> Credentials | None:
    """The Digest credentials for `realm` in the lines called `name`; None when there are none.

    Other schemes count as no credentials (RFC 4475 3.3.7). ParseError(400) when a Digest line is malformed.
    """
    for line in headers.all(name):
        if line[:7].lower() in ("digest ", "digest\t"):
            credentials = Credentials.parse(line)
            if credentials.realm == realm:
                return credentials
    return None


def ha1(user: str, realm: str, password: str, algorithm: str = "MD5") -> str:
    """The stored form of a password, hexadecimal; for a -sess algorithm that of the one without. UsageError
    for an algorithm that we lack.
    """
    return _hash(algorithm)(_encode(f"{user}:{realm}:{password}"))


def verify(credentials: Credentials, method: str, ha1: str, body: bytes = b"") -> bool:
    """Whether the credentials prove knowledge of `ha1` (of their own algorithm) for this method; constant
    time.

    False too for algorithms and qop values that are not ours. The nonce is not looked at: see
    `NonceIssuer.check`.
    """
    if not _known(credentials.algorithm) or credentials.qop not in ("", "auth", "auth-int"):
        return False
    if credentials.algorithm.endswith(SESSION) and not credentials.qop:
        return False
    expected = _response(credentials, method, ha1, body)
    return hmac.compare_digest(_encode(expected), _encode(credentials.response.lower()))


def authorize(
    challenge: Challenge, method: str, uri: str, username: str, password: str, cnonce: str, nc: int = 1
) -> Credentials:
    """Credentials that answer a challenge. UsageError when it asks for an algorithm or a qop that we lack."""
    if not _answerable(challenge):
        raise UsageError("a challenge with an algorithm or a qop that we lack")
    offered = _options(challenge)
    key = ha1(username, challenge.realm, password, challenge.algorithm)
    counted = bool(offered)
    unsigned = Credentials(
        username,
        challenge.realm,
        challenge.nonce,
        uri,
        "",
        challenge.algorithm,
        "auth" if counted else "",
        cnonce if counted else "",
        nc if counted else None,
        challenge.opaque,
    )
    return replace(unsigned, response=_response(unsigned, method, key, b""))


def find_challenge(headers: Headers, name: str) -> Challenge | None:
    """The topmost challenge in the lines called `name` that we can answer (RFC 8760 section 2.4), None when
    there is none. One that is malformed or of another scheme is passed over.
    """
    for line in headers.all(name):
        try:
            challenge = Challenge.parse(line)
        except ParseError:
            continue
        if _answerable(challenge):
            return challenge
    return None


def _answerable(challenge: Challenge) -> bool:
    offered = _options(challenge)
    if not offered:
        return _known(challenge.algorithm) and not challenge.algorithm.endswith(SESSION)
    return _known(challenge.algorithm) and "auth" in offered


def _options(challenge: Challenge) -> list[str]:
    """The values of qop, in lower case."""
    return [option.strip(BLANK).lower() for option in challenge.qop.split(",") if option.strip(BLANK)]


def _response(credentials: Credentials, method: str, key: str, body: bytes) -> str:
    """The request-digest (RFC 7616 section 3.4.1)."""
    digest = _hash(credentials.algorithm)
    if credentials.algorithm.endswith(SESSION):
        key = digest(_encode(f"{key}:{credentials.nonce}:{credentials.cnonce}"))
    what = f"{method}:{credentials.uri}"
    if credentials.qop == "auth-int":
        what = f"{what}:{digest(body)}"
    parts = [key, credentials.nonce]
    if credentials.qop:
        parts += [f"{credentials.nc or 0:08x}", credentials.cnonce, credentials.qop]
    parts.append(digest(_encode(what)))
    return digest(_encode(":".join(parts)))


def _known(algorithm: str) -> bool:
    """Whether we can compute it; `algorithm` in upper case."""
    return algorithm.removesuffix(SESSION) in _HASHES


def _hash(algorithm: str) -> Callable[[bytes], str]:
    try:
        return _HASHES[algorithm.upper().removesuffix(SESSION)]
    except KeyError:
        raise UsageError(f"no digest algorithm {algorithm}") from None


def _encode(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise UsageError("text that has no UTF-8 form") from error


def _parse_fields(text: str) -> dict[str, str]:
    """Parameters behind `Digest`, names in lower case, values unquoted. One pass, no backtracking
    (GHSA-64qc-9x89).
    """
    if len(text) > MAX_CREDENTIALS:
        raise ParseError("credentials are too long")
    text = text.strip(BLANK)
    if text[:7].lower() not in ("digest ", "digest\t"):
        raise ParseError("not Digest")
    fields: dict[str, str] = {}
    position = 7
    while position >= 0:
        equals = text.find("=", position)
        name = text[position:equals].strip(BLANK).lower()
        if equals < 0 or not is_token(name) or name in fields or len(fields) == MAX_FIELDS:
            raise ParseError("malformed credentials")
        fields[name], position = _read_value(text, equals + 1)
    return fields


def _token(fields: dict[str, str], name: str, default: str) -> str:
    """A field that is written without quotes, so that it may not need any."""
    value = fields.get(name, default)
    if value != default and not is_token(value):
        raise ParseError(f"malformed {name}")
    return value


def _read_value(text: str, position: int) -> tuple[str, int]:
    """The token or quoted-string at `position`, and where the next parameter starts; -1 at the end."""
    while text[position : position + 1] in (" ", "\t"):
        position += 1
    if text[position : position + 1] == '"':
        close = quoted_end(text, position)
        if close < 0:
            raise ParseError("unbalanced quote in credentials")
        value = unquote(text[position : close + 1])
        comma = text.find(",", close)
        if text[close + 1 : comma if comma >= 0 else len(text)].strip(BLANK):
            raise ParseError("malformed credentials")
    else:
        comma = text.find(",", position)
        value = text[position : comma if comma >= 0 else len(text)].strip(BLANK)
        if not value or _NOT_BARE.search(value):
            raise ParseError("malformed credentials")
    return value, comma + 1 if comma >= 0 else -1
