"""Bencode as rtpengine uses it: integers, octet strings, lists, dictionaries with string keys in any order.

Strings are text here, UTF-8 with surrogateescape, so that any octets come back the same. Bencode has no
fractions: a float is written as a string of digits ('12.5'), and `number` reads either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ucplatform.ng.errors import NgError

Value = int | float | str | list["Value"] | dict[str, "Value"]

MAX_SIZE = 1024 * 1024  # an answer to `list` or `query` on TCP; datagrams are bounded by UDP itself
MAX_DEPTH = 16
MAX_DIGITS = 20
INTEGER, LIST, DICTIONARY, END = b"ilde"
DIGITS = frozenset(b"0123456789")


def encode(value: object) -> bytes:
    """Bencode of int, bool (as 1 or 0), float (as text), str, bytes, sequences and mappings with text keys.

    An entry whose value is None is left out. TypeError for anything else: that is our mistake.
    """
    pieces: list[bytes] = []
    _write(value, pieces)
    return b"".join(pieces)


def _write(value: object, out: list[bytes]) -> None:
    if isinstance(value, str):
        _write_octets(value.encode("utf-8", "surrogateescape"), out)
    elif isinstance(value, int):
        out.append(b"i%de" % value)
    elif isinstance(value, float):
        _write_octets(repr(value).encode(), out)
    elif isinstance(value, bytes):
        _write_octets(value, out)
    elif isinstance(value, Mapping):
        out.append(b"d")
        for key, item in value.items():
            if item is None:
                continue
            if not isinstance(key, str):
                raise TypeError(f"key {key!r} is not text")
            _write(key, out)
            _write(item, out)
        out.append(b"e")
    elif isinstance(value, Sequence):
        out.append(b"l")
        for item in value:
            _write(item, out)
        out.append(b"e")
    else:
        raise TypeError(f"{type(value).__name__} cannot be bencoded")


def _write_octets(octets: bytes, out: list[bytes]) -> None:
    out += (b"%d:" % len(octets), octets)


def decode(data: bytes) -> Value:
    """The one value that `data` holds, all of it. NgError for anything else; linear in the size."""
    if len(data) > MAX_SIZE:
        raise NgError(f"message over {MAX_SIZE} octets")
    value, end = _read(data)
    if end != len(data):
        raise NgError("octets behind the value")
    return value


def _read(data: bytes) -> tuple[Value, int]:
    """The value that `data` begins with, and the index behind it. One loop: calls cost as much again."""
    outer: list[tuple[list[Value] | dict[str, Value] | None, str | None]] = []
    into: list[Value] | dict[str, Value] | None = None
    key: str | None = None
    item: Value
    at, size = 0, len(data)
    while at < size:
        lead = data[at]
        if lead in DIGITS:
            item, at = _read_string(data, at)
        elif lead == INTEGER:
            item, at = _read_integer(data, at)
        elif lead == END and outer and key is None:
            assert into is not None
            item, at = into, at + 1
            into, key = outer.pop()
        elif lead in (LIST, DICTIONARY):
            if len(outer) == MAX_DEPTH:
                raise NgError(f"nested deeper than {MAX_DEPTH}")
            if key is None and isinstance(into, dict):
                raise NgError("key is not a string")
            outer.append((into, key))
            into, key = [] if lead == LIST else {}, None
            at += 1
            continue
        else:
            raise NgError("no such type")
        if into is None:
            return item, at
        if isinstance(into, list):
            into.append(item)
        elif key is not None:
            into[key] = item
            key = None
        elif isinstance(item, str):
            key = item
        else:
            raise NgError("key is not a string")
    raise NgError("message ends early")


def _read_string(data: bytes, at: int) -> tuple[str, int]:
    colon = data.find(b":", at, at + 9)
    length = data[at:colon] if colon >= 0 else b""
    if not length.isdigit():
        raise NgError("string without a length")
    end = colon + 1 + int(length)
    if end > len(data):
        raise NgError("message ends early")
    return data[colon + 1 : end].decode("utf-8", "surrogateescape"), end


def _read_integer(data: bytes, at: int) -> tuple[int, int]:
    end = data.find(b"e", at + 1, at + MAX_DIGITS + 3)
    if end < 0:
        raise NgError("integer without an end")
    digits = data[at + 1 : end]
    if not digits.removeprefix(b"-").isdigit():
        raise NgError("integer without digits")
    return int(digits), end + 1


class Scanner:
    """Finds the end of one bencoded value in a growing buffer, never looking twice at what it has passed."""

    def __init__(self) -> None:
        self._at = 0
        self._depth = 0

    def scan(self, data: bytes | bytearray, start: int) -> int | None:
        """Index behind the value that begins at `start`, None while more octets are needed.

        Call again with the same buffer grown at its end. NgError when it can never become a value.
        """
        self._at = max(self._at, start)
        while self._at < len(data):
            lead = data[self._at]
            if lead in b"ld":
                self._depth += 1
                self._at += 1
                if self._depth > MAX_DEPTH:
                    raise NgError(f"nested deeper than {MAX_DEPTH}")
                continue
            if lead == 0x65 and self._depth:  # 'e'
                self._depth -= 1
                self._at += 1
            elif not self._token(data, lead):
                return None
            if not self._depth:
                return self._at
        return None

    def moved(self, octets: int) -> None:
        """The buffer was cut by so many octets at its front."""
        self._at = max(self._at - octets, 0)

    def _token(self, data: bytes | bytearray, lead: int) -> bool:
        """Pass one integer or string; False when its head is not complete yet."""
        integer = lead == 0x69  # 'i'
        limit = MAX_DIGITS + 3 if integer else 9
        end = data.find(b"e" if integer else b":", self._at, self._at + limit)
        if end < 0:
            if len(data) - self._at >= limit or not (integer or data[self._at :].isdigit()):
                raise NgError("no bencode on the stream")
            return False
        if integer:
            self._at = end + 1
            return True
        digits = bytes(data[self._at : end])
        if not digits.isdigit() or int(digits) > MAX_SIZE:
            raise NgError("string without a fitting length")
        if len(data) < end + 1 + int(digits):
            return False
        self._at = end + 1 + int(digits)
        return True
