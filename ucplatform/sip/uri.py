"""SIP and SIPS URIs (RFC 3261 section 19.1); other schemes are carried whole."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from ucplatform.sip.errors import ParseError
from ucplatform.sip.grammar import Params, drop_params, parse_host_port, percent_decode, refuse_duplicates

_NOT_URI = re.compile(r'[\x00-\x20\x7f"<>\\]')
_NOT_SCHEME = re.compile(r"[^A-Za-z0-9+\-.]")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_RESERVED = frozenset(";/?:@&=+$,")

# Characters of a URI that is worth remembering.
_SHORT = 128

# Section 19.1.4: present in one URI only, these make the two differ.
_DECISIVE_PARAMS = ("user", "ttl", "method", "maddr", "transport")


class Uri(NamedTuple):
    """One URI. `==` compares as written; `equals` compares as RFC 3261 section 19.1.4 says.

    scheme: lower case. user, password: as on the wire, None when absent. host: lower case, IPv6 in brackets,
    '' for other schemes. params: as on the wire. headers: raw text behind `?`. opaque: all behind the colon
    for other schemes.
    """

    scheme: str
    user: str | None = None
    password: str | None = None
    host: str = ""
    port: int | None = None
    params: Params = ()
    headers: str = ""
    opaque: str = ""

    @classmethod
    def parse(cls, text: str) -> Uri:
        """The URI in `text`, without brackets or blanks around it. ParseError(400) when it is none."""
        return _parse_short(text) if len(text) <= _SHORT else cls._parse(text)

    @classmethod
    def _parse(cls, text: str) -> Uri:
        scheme, colon, rest = text.partition(":")
        if not colon or not rest or _NOT_URI.search(rest):
            raise ParseError("malformed URI")
        scheme = scheme.lower()
        if scheme not in ("sip", "sips"):
            if not scheme[:1].isalpha() or _NOT_SCHEME.search(scheme):
                raise ParseError("malformed URI scheme")
            return cls(scheme, opaque=rest)
        user, password, rest = _split_user(rest)
        rest, _, headers = rest.partition("?")
        rest, semicolon, params = rest.partition(";")
        host, port = parse_host_port(rest)
        return cls(scheme, user, password, host, port, _parse_params(params) if semicolon else (), headers)

    def __str__(self) -> str:
        if self.opaque:
            return f"{self.scheme}:{self.opaque}"
        parts = [self.scheme, ":"]
        if self.user is not None:
            parts.append(self.user)
            if self.password is not None:
                parts += (":", self.password)
            parts.append("@")
        parts.append(self.host)
        if self.port is not None:
            parts.append(f":{self.port}")
        for name, value in self.params:
            parts.append(f";{name}" if value is None else f";{name}={value}")
        if self.headers:
            parts += ("?", self.headers)
        return "".join(parts)

    @property
    def username(self) -> str:
        """The user part with escapes decoded; '' when there is none. May hold any character, NUL included."""
        return percent_decode(self.user) if self.user else ""

    def param(self, name: str) -> str | None:
        """Decoded value of a URI parameter, '' when it has no value, None when it is absent."""
        wanted = name.lower()
        for key, value in self.params:
            if key == wanted or percent_decode(key).lower() == wanted:
                return percent_decode(value) if value else ""
        return None

    def has_param(self, name: str) -> bool:
        """Whether the parameter is there, with or without a value."""
        return self.param(name) is not None

    def with_param(self, name: str, value: str | None = None) -> Uri:
        """A copy with the parameter set (in its old place, or last). `value` as on the wire."""
        lowered = name.lower()
        if any(key.lower() == lowered for key, _ in self.params):
            pairs = tuple((key, value) if key.lower() == lowered else (key, old) for key, old in self.params)
            return self._replace(params=pairs)
        return self._replace(params=(*self.params, (name, value)))

    def without_param(self, *names: str) -> Uri:
        """A copy without these parameters."""
        return self._replace(params=drop_params(self.params, names))

    def bare(self) -> Uri:
        """A copy without parameters, headers and password: the address of record (section 10.3 step 5)."""
        return self._replace(params=(), headers="", password=None)

    def equals(self, other: Uri) -> bool:
        """Equality of section 19.1.4: escapes, order and unknown one-sided parameters do not matter."""
        if self.opaque or other.opaque:
            return self.scheme == other.scheme and _normal(self.opaque) == _normal(other.opaque)
        mine = (self.scheme, self.host, self.port, self.user is None, self.password is None)
        theirs = (other.scheme, other.host, other.port, other.user is None, other.password is None)
        if mine != theirs or _normal(self.user or "") != _normal(other.user or ""):
            return False
        if _normal(self.password or "") != _normal(other.password or ""):
            return False
        left, right = _comparable(self.params), _comparable(other.params)
        if any((name in left) != (name in right) for name in _DECISIVE_PARAMS):
            return False
        if any(right.get(name, value) != value for name, value in left.items()):
            return False
        return _comparable_headers(self.headers) == _comparable_headers(other.headers)


@lru_cache(maxsize=2048)
def _parse_short(text: str) -> Uri:
    """The same few URIs stand in all messages of a call or device; long ones may not fill the memory."""
    return Uri._parse(text)


def _split_user(text: str) -> tuple[str | None, str | None, str]:
    """(user, password, the rest). The first `@` ends the user part, which may itself hold `;` and `?`."""
    userinfo, at, rest = text.partition("@")
    if not at:
        return None, None, text
    user, colon, password = userinfo.partition(":")
    if not user:
        raise ParseError("empty user part in URI")
    return user, password if colon else None, rest


def _parse_params(text: str) -> Params:
    params: list[tuple[str, str | None]] = []
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        if not name:
            raise ParseError("empty URI parameter")
        params.append((name, value if equals else None))
    refuse_duplicates(params)
    return tuple(params)


def _normal(text: str) -> str:
    """Escapes decoded except those of reserved characters, which differ from the character itself."""
    if "%" not in text:
        return text

    def decode(match: re.Match[str]) -> str:
        char = chr(int(match.group(1), 16))
        return match.group().upper() if char in _RESERVED or char > "\x7f" or char == "%" else char

    return _ESCAPE.sub(decode, text)


def _comparable(params: Params) -> dict[str, str]:
    return {_normal(name).lower(): _normal(value or "").lower() for name, value in params}


def _comparable_headers(headers: str) -> list[tuple[str, str]]:
    pairs = (part.partition("=") for part in headers.split("&") if part)
    return sorted((_normal(name).lower(), _normal(value)) for name, _, value in pairs)
