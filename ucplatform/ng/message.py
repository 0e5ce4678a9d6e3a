"""NG messages: a cookie, a blank, a dictionary in bencode or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Literal

from ucplatform.ng import bencode
from ucplatform.ng.bencode import MAX_DEPTH, MAX_SIZE, Value
from ucplatform.ng.errors import NgError

Form = Literal["bencode", "json"]
MAX_COOKIE = 255
MAX_JSON = 65536  # JSON travels in datagrams only


def encode(cookie: str, message: Mapping[str, object], form: Form = "bencode") -> bytes:
    """One message as it goes on the wire. Answer in the form the request had (`form_of`)."""
    head = cookie.encode("utf-8", "surrogateescape") + b" "
    if form == "json":
        # ensure_ascii: octets that were no UTF-8 travel as \udcXX and come back.
        return head + json.dumps(message, separators=(",", ":")).encode()
    return head + bencode.encode(message)


def decode(data: bytes) -> tuple[str, dict[str, Value]]:
    """One whole message to (cookie, dictionary). Raises NgError, and nothing else; linear in the size."""
    cookie, body = _split(data)
    if body[:1] == b"{":
        value = _from_json(body)
    elif body[:1] == b"d":
        value = bencode.decode(body.rstrip(b"\r\n"))
    else:
        raise NgError("message is no dictionary")
    assert isinstance(value, dict)  # by what it begins with
    return cookie, value


def form_of(data: bytes) -> Form:
    """The form a message is in, for the answer; 'bencode' when it is neither."""
    return "json" if data[data.find(b" ") + 1 :][:1] == b"{" else "bencode"


def cookie_of(data: bytes) -> str:
    """The cookie alone: enough to find who waits, without decoding. NgError when there is none."""
    return _split(data)[0]


def _split(data: bytes) -> tuple[str, bytes]:
    if len(data) > MAX_SIZE:
        raise NgError(f"message over {MAX_SIZE} octets")
    blank = data.find(b" ", 0, MAX_COOKIE + 1)
    if blank <= 0:
        raise NgError("no cookie")
    return data[:blank].decode("utf-8", "surrogateescape"), data[blank + 1 :]


def _from_json(body: bytes) -> Value:
    if len(body) > MAX_JSON:
        raise NgError(f"JSON over {MAX_JSON} octets")
    # 64 KiB of '[' would go as deep as the interpreter allows before anybody could count the levels.
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _depth(body) > MAX_DEPTH:
        raise NgError(f"nested deeper than {MAX_DEPTH}")
    try:
        return _clean(json.loads(body.decode("utf-8"), parse_int=_integer, parse_constant=_refuse))
    except (ValueError, RecursionError) as error:
        raise NgError(f"no JSON: {error}") from None


def _depth(body: bytes) -> int:
    """Deepest nesting outside strings."""
    depth = deepest = 0
    quoted = escaped = False
    for octet in body:
        if quoted:
            quoted = escaped or octet != 0x22
            escaped = not escaped and octet == 0x5C
        elif octet == 0x22:
            quoted = True
        elif octet in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif octet in b"]}":
            depth -= 1
    return deepest


def _clean(value: object) -> Value:
    """JSON's values to ours: true and false as 1 and 0, entries that are null left out."""
    if isinstance(value, dict):
        return {_text(key): _clean(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int) or (isinstance(value, float) and abs(value) < 1e300):
        return value
    raise ValueError("null or a number without bounds")


def _text(text: str) -> str:
    text.encode("utf-8", "surrogateescape")  # UnicodeEncodeError, a ValueError: a surrogate that is no octet
    return text


def _integer(digits: str) -> int:
    if len(digits) > bencode.MAX_DIGITS:
        raise ValueError("integer too long")
    return int(digits)


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is no number")


def number(value: object, default: float = 0.0) -> float:
    """A number out of a reply: int and float as they are, text of digits read; `default` for all else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return default
    if isinstance(value, str) and not (len(value) <= 32 and value.isascii()):
        return default
    try:
        found = float(value)
    except ValueError:
        return default
    return found if abs(found) < 1e300 else default  # neither nan nor infinite
