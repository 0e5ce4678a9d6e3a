"""Header fields in the order and spelling of the wire, and the structured values inside them (RFC 3261
section 20).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from ucplatform.sip.errors import ParseError, UsageError
from ucplatform.sip.grammar import (
    BLANK,
    Params,
    drop_params,
    format_params,
    get_param,
    is_token,
    number,
    parse_host_port,
    parse_params,
    quote,
    quoted_end,
    set_param,
    split_commas,
    unquote,
)
from ucplatform.sip.uri import Uri

T = TypeVar("T")

# Characters of a value that is worth remembering.
_SHORT = 160

# Section 7.3.3 and the registry of header fields behind it.
COMPACT = {
    "a": "accept-contact",
    "b": "referred-by",
    "c": "content-type",
    "d": "request-disposition",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "j": "reject-contact",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "n": "identity-info",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
    "y": "identity",
}

_COMMON_NAMES = """
Via From To Call-ID CSeq Contact Max-Forwards Content-Length Content-Type Route Record-Route Allow
Supported Require Proxy-Require Unsupported User-Agent Server Expires Min-Expires Authorization
Proxy-Authorization WWW-Authenticate Proxy-Authenticate Authentication-Info Subject Accept
Accept-Encoding Accept-Language Event Allow-Events Subscription-State Refer-To Referred-By Replaces
Reason Session-Expires Min-SE RAck RSeq Date Warning Retry-After Timestamp Organization
P-Asserted-Identity P-Preferred-Identity Privacy Path Service-Route Call-Info Alert-Info
Content-Disposition Content-Encoding MIME-Version History-Info Diversion Max-Breadth Identity
"""

# Spelling → key, for the spellings that traffic has; any other goes through lower().
_KEYS = {name: name.lower() for name in _COMMON_NAMES.split()}
_KEYS |= {name.lower(): name.lower() for name in _COMMON_NAMES.split()}
_KEYS |= COMPACT | {short.upper(): key for short, key in COMPACT.items()}


known_key = _KEYS.get
"""The key of a header name in a usual spelling, None for any other."""


def header_key(name: str) -> str:
    """The long lower-case name by which a header is looked up, whatever its spelling."""
    key = _KEYS.get(name)
    if key is None:
        key = name.lower()
        key = COMPACT.get(key, key)
    return key


def _checked(name: str, value: str) -> tuple[str, str, str]:
    key = _KEYS.get(name)
    if key is None:
        if not is_token(name):
            raise UsageError(f"not a header name: {name!r}")
        key = header_key(name)
    value = value.strip(BLANK)
    if "\r" in value or "\n" in value:
        raise UsageError(f"line break in the value of {name}")
    return key, name, value


class Headers:
    """An ordered multi-map of header lines. Names match in any case and in compact form; spelling and order
    stay.

    Adding a name that is no token, or a value with a line break, raises UsageError: nothing can inject a
    header.
    """

    __slots__ = ("_index", "_items", "_typed")

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self._items: list[tuple[str, str, str]] = [_checked(name, value) for name, value in items]
        self._index: dict[str, list[str]] | None = None
        self._typed: dict[str, Any] = {}

    @classmethod
    def from_wire(cls, items: list[tuple[str, str, str]]) -> Headers:
        """Take over (key, name, value) triples that the message parser has checked."""
        headers = cls.__new__(cls)
        headers._items = items
        headers._index = None
        headers._typed = {}
        return headers

    def remember(self, key: str, value: object) -> None:
        """What reading the header `key` would give: who has just written it need not have it read again."""
        self._typed[key] = value

    def share(self, other: Headers, *keys: str) -> None:
        """Take over what was read of `other`'s headers of these keys; their lines must be the same here."""
        for key in keys:
            value = other._typed.get(key)
            if value is not None:
                self._typed[key] = value

    def _lines(self, name: str) -> list[str] | None:
        index = self._index
        if index is None:
            index = self._index = {}
            for key, _, value in self._items:
                if key in index:
                    index[key].append(value)
                else:
                    index[key] = [value]
        return index.get(_KEYS.get(name) or header_key(name))

    def _changed(self, key: str) -> None:
        """Forget what was read from the lines of that key; everything else stays known."""
        self._typed.pop(key, None)
        if self._index is not None:
            lines = [value for other, _, value in self._items if other == key]
            if lines:
                self._index[key] = lines
            else:
                self._index.pop(key, None)

    def get(self, name: str) -> str | None:
        """The value of the first line of that name, None when there is none."""
        index = self._index
        lines = index.get(name) if index else None
        if lines is None:
            lines = self._lines(name)
        return lines[0] if lines else None

    def all(self, name: str) -> list[str]:
        """The values of all lines of that name, one per line, not split at commas."""
        return list(self._lines(name) or ())

    def values(self, name: str) -> list[str]:
        """All elements of a comma-separated header over all its lines (section 7.3.1), empty ones left out.

        Not for Authorization and its kin, whose commas mean something else: use `all` for those.
        """
        return [part for line in self._lines(name) or () for part in split_commas(line) if part]

    def count(self, name: str) -> int:
        """Number of lines of that name."""
        return len(self._lines(name) or ())

    def repeated(self) -> list[str]:
        """Keys of the headers that stand on more than one line."""
        self._lines("via")
        return [key for key, lines in (self._index or {}).items() if len(lines) > 1]

    def add(self, name: str, value: str) -> None:
        """Append a line."""
        item = _checked(name, value)
        self._items.append(item)
        self._changed(item[0])

    def prepend(self, name: str, value: str) -> None:
        """Put a line before all others, as a Via and a Record-Route need it."""
        item = _checked(name, value)
        self._items.insert(0, item)
        self._changed(item[0])

    def set(self, name: str, value: str) -> None:
        """Replace the first line of that name, keeping its place and spelling, and drop the others; or
        append.
        """
        new = _checked(name, value)
        items = []
        placed = False
        for item in self._items:
            if item[0] != new[0]:
                items.append(item)
            elif not placed:
                items.append((item[0], item[1], new[2]))
                placed = True
        if not placed:
            items.append(new)
        self._items = items
        self._changed(new[0])

    def remove(self, name: str) -> None:
        """Drop all lines of that name; none is fine."""
        key = header_key(name)
        self._items = [item for item in self._items if item[0] != key]
        self._changed(key)

    def copy(self) -> Headers:
        """An independent copy."""
        headers = Headers.from_wire(list(self._items))
        headers._typed = self._typed.copy()
        return headers

    def typed(self, key: str, read: Callable[[Headers], T]) -> T:
        """`read(self)`, which reads the header `key` only; remembered until that header changes.

        `read` never gives None, and what it raises is not remembered.
        """
        value: T | None = self._typed.get(key)
        if value is None:
            value = self._typed[key] = read(self)
        return value

    def wire_items(self) -> list[tuple[str, str, str]]:
        """(key, name, value) of every line, for the serialiser. Not to be changed."""
        return self._items

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._lines(name) is not None

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter([(name, value) for _, name, value in self._items])

    def __len__(self) -> int:
        return len(self._items)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._items == other._items

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Headers({list(self)!r})"


class NameAddr(NamedTuple):
    """A name-addr or addr-spec with parameters: From, To, Contact, Route and the like (section 20.10).

    display: without quotes and escapes, '' when absent; it is the peer's text and may hold control
    characters. params: header parameters as on the wire; read them by `param`.
    """

    display: str
    uri: Uri
    params: Params = ()

    @classmethod
    def parse(cls, text: str) -> NameAddr:
        """The one value in `text`. ParseError(400) when it is malformed, or when a URI with `?` lacks
        brackets.
        """
        return _address(text) if len(text) <= _SHORT else cls._parse(text)

    @classmethod
    def _parse(cls, text: str) -> NameAddr:
        text = text.strip(BLANK)
        display = ""
        if text.startswith('"'):
            close = quoted_end(text, 0)
            if close < 0:
                raise ParseError("unbalanced quote in address")
            display = unquote(text[: close + 1])
            text = text[close + 1 :].lstrip(BLANK)
            if not text.startswith("<"):
                raise ParseError("display name without address")
        opening = text.find("<")
        if opening < 0:
            return cls._parse_bare(text)
        if opening:
            # Liberal: RFC 3261 wants tokens here, but phones send dots, commas and UTF-8 (RFC 4475 3.1.2.15).
            display = text[:opening].strip(BLANK)
            if '"' in display or ";" in display:
                raise ParseError("malformed display name")
        closing = text.find(">", opening)
        if closing < 0:
            raise ParseError("unbalanced bracket in address")
        uri = Uri.parse(text[opening + 1 : closing].strip(BLANK))
        rest = text[closing + 1 :].lstrip(BLANK)
        if not rest:
            return cls(display, uri)
        if rest[0] != ";":
            raise ParseError("text behind the address")
        return cls(display, uri, parse_params(rest[1:]))

    @classmethod
    def _parse_bare(cls, text: str) -> NameAddr:
        """An addr-spec: parameters behind it belong to the header, and `?` and `,` are not allowed (section
        20).
        """
        address, semicolon, params = text.partition(";")
        if "?" in address or "," in address:
            raise ParseError("this URI needs angle brackets")
        return cls("", Uri.parse(address.rstrip(BLANK)), parse_params(params) if semicolon else ())

    def __str__(self) -> str:
        name = f"{quote(self.display)} " if self.display else ""
        return f"{name}<{self.uri}>{format_params(self.params)}"

    @property
    def tag(self) -> str | None:
        """The tag of a From or To, None when it has none."""
        for name, value in self.params:
            if name == "tag" or name.lower() == "tag":
                return unquote(value) if value else ""
        return None

    def param(self, name: str) -> str | None:
        """Unquoted value of a header parameter, '' when it has no value, None when it is absent."""
        return get_param(self.params, name.lower())

    def with_param(self, name: str, value: str | None = None) -> NameAddr:
        """A copy with the header parameter set; the value is quoted where it has to be."""
        return self._replace(params=set_param(self.params, name, value))

    def without_param(self, *names: str) -> NameAddr:
        """A copy without these header parameters."""
        return self._replace(params=drop_params(self.params, names))


# A dialog's From and To come ten times over; values cannot change, so one reading serves all.
_address = lru_cache(maxsize=4096)(NameAddr._parse)


class Via(NamedTuple):
    """One Via value (section 20.42). transport: upper case, any token. host: lower case, IPv6 in brackets."""

    transport: str
    host: str
    port: int | None = None
    params: Params = ()

    @classmethod
    def parse(cls, text: str) -> Via:
        """One value; blanks are allowed around every separator. ParseError(400) when it is malformed."""
        head, semicolon, params = text.partition(";")
        pieces = head.split("/", 2)
        if len(pieces) != 3 or pieces[0].strip(BLANK).upper() != "SIP" or pieces[1].strip(BLANK) != "2.0":
            raise ParseError("malformed Via")
        words = pieces[2].split(None, 1)
        if len(words) != 2 or not is_token(words[0]):
            raise ParseError("malformed Via")
        host, port = parse_host_port(words[1])
        return cls(words[0].upper(), host, port, parse_params(params) if semicolon else ())

    def __str__(self) -> str:
        port = "" if self.port is None else f":{self.port}"
        return f"SIP/2.0/{self.transport} {self.host}{port}{format_params(self.params)}"

    def param(self, name: str) -> str | None:
        """Unquoted value of a parameter, '' when it has no value, None when it is absent."""
        return get_param(self.params, name.lower())

    @property
    def branch(self) -> str | None:
        """The branch, None when it is absent or empty (a peer older than RFC 3261)."""
        return get_param(self.params, "branch") or None

    @property
    def received(self) -> str | None:
        """Source address that the next hop saw (section 18.2.1)."""
        return get_param(self.params, "received")

    @property
    def rport(self) -> str | None:
        """RFC 3581: '' when the client asks for it, digits when it is filled in, None when absent."""
        return get_param(self.params, "rport")

    def with_param(self, name: str, value: str | None = None) -> Via:
        """A copy with the parameter set; the value is quoted where it has to be."""
        return self._replace(params=set_param(self.params, name, value))


class CSeq(NamedTuple):
    """Sequence number and method (section 20.16)."""

    number: int
    method: str

    @classmethod
    def parse(cls, text: str) -> CSeq:
        """ParseError(400) unless it is a number below 2**31 (section 8.1.1.5) and a method."""
        return _cseq(text) if len(text) <= _SHORT else cls._parse(text)

    @classmethod
    def _parse(cls, text: str) -> CSeq:
        words = text.split()
        if len(words) != 2 or not is_token(words[1]):
            raise ParseError("malformed CSeq")
        return cls(number(words[0], 2**31 - 1, "CSeq"), words[1])

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


_cseq = lru_cache(maxsize=1024)(CSeq._parse)


class Replaces(NamedTuple):
    """The dialog that an INVITE takes over (RFC 3891). Tags as the sender of the INVITE's peer holds them."""

    call_id: str
    to_tag: str
    from_tag: str
    early_only: bool = False

    @classmethod
    def parse(cls, text: str) -> Replaces:
        """ParseError(400) unless Call-ID and exactly one to-tag and from-tag are there (RFC 3891 section
        6.1).
        """
        call_id, _, rest = text.partition(";")
        call_id = call_id.strip(BLANK)
        params = parse_params(rest)
        to_tag, from_tag = get_param(params, "to-tag"), get_param(params, "from-tag")
        if not call_id or " " in call_id or not is_token(to_tag or "") or not is_token(from_tag or ""):
            raise ParseError("malformed Replaces")
        return cls(call_id, to_tag or "", from_tag or "", get_param(params, "early-only") is not None)

    def __str__(self) -> str:
        early = ";early-only" if self.early_only else ""
        return f"{self.call_id};to-tag={self.to_tag};from-tag={self.from_tag}{early}"
