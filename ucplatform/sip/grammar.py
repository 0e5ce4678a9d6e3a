"""Scanners for the pieces that headers and URIs share (RFC 3261 section 25.1).

Each reads its text once from left to right. The regular expressions are single character classes, which have
nothing to backtrack over; they stand in for a loop over characters because they run at C speed.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from urllib.parse import unquote as _percent_decode

from ucplatform.sip.errors import ParseError

Params = tuple[tuple[str, str | None], ...]
"""Parameters in order, names and values as on the wire (quotes included); None for a name without `=`."""

BLANK = " \t"

# Names that need no look at their characters; nearly all of real traffic.
_USUAL_NAMES = frozenset(("tag", "branch", "rport", "received", "expires", "q", "+sip.instance", "reg-id"))

_LONGEST_NAME = 255  # octets, of DNS and with a port

_NOT_TOKEN = re.compile(r"[^A-Za-z0-9\-.!%*_+`'~]")
_NOT_VALUE = re.compile(r'[\x00-\x20\x7f"<>,;\\]')
_NEEDS_QUOTES = re.compile(r"[^A-Za-z0-9\-.!%*_+`\'~:\[\]/]")
_NOT_HOST = re.compile(r"[^A-Za-z0-9\-._]")
_NOT_IPV6 = re.compile(r"[^0-9A-Fa-f:.]")
_ESCAPABLE = re.compile(r'["\\]')
_COMMA_MARKS = re.compile(r'["\\<>,]')
_SEMICOLON_MARKS = re.compile(r'["\\;]')


def is_token(text: str) -> bool:
    """Whether `text` is one non-empty `token`."""
    return bool(text) and _NOT_TOKEN.search(text) is None


def number(text: str, limit: int, what: str) -> int:
    """The decimal number `text`, 0 to `limit` inclusive; ParseError(400) otherwise. Leading zeros are
    allowed.
    """
    digits = text.strip(BLANK)
    if not (digits.isascii() and digits.isdigit()):
        raise ParseError(f"{what} is not a number")
    # The length is looked at first: int() of thousands of digits takes quadratic time.
    if len(digits) > 10:
        digits = digits.lstrip("0") or "0"
    if len(digits) > 19 or int(digits) > limit:
        raise ParseError(f"{what} is out of range")
    return int(digits)


def quoted_end(text: str, start: int) -> int:
    """Index of the quote that closes the one at `start`, or -1. No place is searched twice."""
    quote = text.find('"', start + 1)
    slash = text.find("\\", start + 1)
    while 0 <= slash < quote:
        after = slash + 2
        if quote < after:
            quote = text.find('"', after)
        slash = text.find("\\", after)
    return quote


def unquote(text: str) -> str:
    """The content of a quoted-string without quotes and quoted-pairs; any other text as it is."""
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return text
    inner = text[1:-1]
    if "\\" not in inner:
        return inner
    parts = []
    position = 0
    while (slash := inner.find("\\", position)) >= 0:
        parts.append(inner[position:slash])
        parts.append(inner[slash + 1 : slash + 2])
        position = slash + 2
    parts.append(inner[position:])
    return "".join(parts)


def quote(text: str) -> str:
    """`text` as a quoted-string. CR and LF, which no quoting allows (section 25.1), become blanks."""
    if "\r" in text or "\n" in text:
        text = text.replace("\r", " ").replace("\n", " ")
    return '"' + _ESCAPABLE.sub(r"\\\g<0>", text) + '"'


def percent_decode(text: str) -> str:
    """`text` with %HH decoded; a `%` that starts no escape stays as it is."""
    return _percent_decode(text, errors="surrogateescape") if "%" in text else text


def _split_outside(text: str, separator: str, marks: re.Pattern[str]) -> list[str]:
    """Split at `separator` outside of quotes and angle brackets; an open quote runs to the end."""
    parts = []
    start = 0
    skip = -1
    quoted = angled = False
    for match in marks.finditer(text):
        index = match.start()
        mark = match.group()
        if index == skip:
            continue
        if quoted:
            if mark == "\\":
                skip = index + 1
            elif mark == '"':
                quoted = False
        elif angled:
            angled = mark != ">"
        elif mark == '"':
            quoted = True
        elif mark == "<":
            angled = True
        elif mark == separator:
            parts.append(text[start:index])
            start = index + 1
    parts.append(text[start:])
    return parts


def split_commas(text: str) -> list[str]:
    """The elements of a comma-separated header value (section 7.3.1), blanks around them removed, empty ones
    kept.
    """
    if "," not in text:
        return [text.strip(BLANK)]
    if '"' in text or "<" in text:
        return [part.strip(BLANK) for part in _split_outside(text, ",", _COMMA_MARKS)]
    return [part.strip(BLANK) for part in text.split(",")]


def parse_params(text: str) -> Params:
    """Header parameters: `text` is what follows the first semicolon. ParseError(400) for what the grammar
    refuses.

    An empty value (`;q=`) is let through, an empty parameter (`;;`) and a name that comes twice (section
    7.3.1) not.
    """
    parts = _split_outside(text, ";", _SEMICOLON_MARKS) if '"' in text else text.split(";")
    params: list[tuple[str, str | None]] = []
    for part in parts:
        name, equals, value = part.partition("=")
        name = name.strip(BLANK)
        if name not in _USUAL_NAMES and not is_token(name):
            raise ParseError("malformed parameter name")
        if not equals:
            params.append((name, None))
            continue
        value = value.strip(BLANK)
        if value.startswith('"'):
            if quoted_end(value, 0) != len(value) - 1:
                raise ParseError("malformed quoted parameter value")
        elif _NOT_VALUE.search(value):
            raise ParseError("malformed parameter value")
        params.append((name, value))
    refuse_duplicates(params)
    return tuple(params)


def refuse_duplicates(params: list[tuple[str, str | None]]) -> None:
    """ParseError(400) when one parameter name stands twice (sections 7.3.1 and 19.1.1)."""
    if len(params) > 1 and len(set(map(str.lower, [name for name, _ in params]))) != len(params):
        raise ParseError("parameter given twice")


def format_params(params: Params) -> str:
    """`;name=value;flag` for parameters as `parse_params` gives them; the empty string for none."""
    if not params:
        return ""
    return "".join([f";{name}" if value is None else f";{name}={value}" for name, value in params])


def get_param(params: Params, name: str) -> str | None:
    """Unquoted value of the parameter, '' when it has none, None when it is absent. `name` in lower case."""
    for key, value in params:
        if key == name or key.lower() == name:
            if value is None:
                return ""
            return unquote(value) if value.startswith('"') else value
    return None


def set_param(params: Params, name: str, value: str | None) -> Params:
    """`params` with `name` set in its old place or at the end; a value that is no token or host is quoted."""
    if value is not None and _NEEDS_QUOTES.search(value):
        value = quote(value)
    lowered = name.lower()
    if any(key.lower() == lowered for key, _ in params):
        return tuple((key, value) if key.lower() == lowered else (key, old) for key, old in params)
    return (*params, (name, value))


def drop_params(params: Params, names: tuple[str, ...]) -> Params:
    """`params` without those named, upper and lower case alike."""
    lowered = {name.lower() for name in names}
    return tuple(pair for pair in params if pair[0].lower() not in lowered)


def parse_host_port(text: str) -> tuple[str, int | None]:
    """`host[:port]` with blanks allowed around the colon: (host in lower case, IPv6 in brackets; port or
    None).
    """
    # Names of DNS are no longer; others may not fill the memory.
    return _short_host_port(text) if len(text) <= _LONGEST_NAME else _host_port(text)


def _host_port(text: str) -> tuple[str, int | None]:
    text = text.strip(BLANK)
    if text.startswith("["):
        close = text.find("]")
        host, rest = text[: close + 1].lower(), text[close + 1 :].lstrip(BLANK)
        if close < 0 or not _is_ipv6(host[1:-1]):
            raise ParseError("malformed IPv6 address")
        if not rest:
            return host, None
        if not rest.startswith(":"):
            raise ParseError("malformed host")
        return host, number(rest[1:], 65535, "port")
    host, colon, port = text.partition(":")
    host = host.rstrip(BLANK).lower()
    if not host or _NOT_HOST.search(host):
        raise ParseError("malformed host")
    return host, number(port, 65535, "port") if colon else None


_short_host_port = lru_cache(maxsize=512)(_host_port)


def _is_ipv6(text: str) -> bool:
    if _NOT_IPV6.search(text) or len(text) > 45:
        return False
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
