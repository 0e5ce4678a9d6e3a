"""Bodies of several parts (RFC 2046 section 5.1, RFC 5621): what is wanted, what is too much.

Both functions raise ParseError(400) for a multipart body that is malformed, deeper than MAX_DEPTH or of more
than MAX_PARTS parts. Time is linear in the body; nothing is decoded.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from ucplatform.sip.errors import ParseError
from ucplatform.sip.grammar import BLANK, get_param, parse_params
from ucplatform.sip.headers import header_key
from ucplatform.sip.message import Message

MAX_DEPTH = 3
MAX_PARTS = 16
"""Of one multipart body, at each depth."""

MAX_PART_HEADERS = 2048
"""Limit on the headers of one part, bytes."""

MAX_BOUNDARY = 70


@dataclass(frozen=True, slots=True)
class Entity:
    """A body, or a part of one, with the values of its Content- headers ('' where there is none)."""

    type: str
    disposition: str
    encoding: str
    transfer_encoding: str
    body: bytes

    @property
    def media_type(self) -> str:
        """In lower case, without parameters; text/plain where none is given (RFC 2046 section 5.1)."""
        return "".join(self.type.partition(";")[0].split()).lower() or "text/plain"

    @property
    def optional(self) -> bool:
        """Whether it may be left aside (RFC 3261 20.11); what says nothing must be understood."""
        return (_param(self.disposition, "handling") or "").lower() == "optional"

    @property
    def plain(self) -> bool:
        """Whether the octets are those of the media type itself."""
        encoded = self.encoding.lower() not in ("", "identity")
        return not encoded and self.transfer_encoding.lower() in ("", "binary", "8bit", "7bit")

    @property
    def early(self) -> bool:
        """Whether it describes an early session of its own (RFC 3959), which is not the session."""
        return self.disposition.partition(";")[0].strip(BLANK).lower() == "early-session"


def part(message: Message, wanted: str) -> bytes | None:
    """The body, or the part of it, of that media type (lower case); None when there is none.

    Of multipart/alternative the last that fits counts (RFC 2046 5.1.4), of any other the first.
    """
    if not message.body:
        return None
    if message.content_type == wanted:
        return message.body
    return _find(_whole(message), wanted, MAX_DEPTH) if _is_multipart(message.content_type) else None


def unknown(message: Message, known: Collection[str]) -> str | None:
    """The first media type in the body that is not known but must be understood: answer 415.

    `known`: media types in lower case; those of multipart need not be named. Parts with handling=optional,
    and alternatives to one that is known, may be of any type (RFC 5621 sections 3.2 and 4).
    """
    if not message.body or message.content_type in known:
        return None
    return _unknown(_whole(message), known, MAX_DEPTH)


def _whole(message: Message) -> Entity:
    get = message.headers.get
    return Entity(
        get("content-type") or "application/octet-stream",
        get("content-disposition") or "",
        get("content-encoding") or "",
        "",
        message.body,
    )


def _is_multipart(media_type: str | None) -> bool:
    return media_type is not None and media_type.startswith("multipart/")


def _find(entity: Entity, wanted: str, depth: int) -> bytes | None:
    if entity.media_type == wanted:
        return entity.body if entity.plain and not entity.early else None
    if not _is_multipart(entity.media_type):
        return None
    parts = _parts(entity, depth)
    if entity.media_type == "multipart/alternative":
        parts.reverse()
    found = (_find(each, wanted, depth - 1) for each in parts)
    return next((body for body in found if body is not None), None)


def _unknown(entity: Entity, known: Collection[str], depth: int) -> str | None:
    if entity.optional or (entity.media_type in known and entity.plain):
        return None
    if not _is_multipart(entity.media_type):
        return entity.media_type
    strange = [_unknown(each, known, depth - 1) for each in _parts(entity, depth)]
    if entity.media_type == "multipart/alternative" and None in strange:
        return None
    return next((media_type for media_type in strange if media_type is not None), None)


def _parts(entity: Entity, depth: int) -> list[Entity]:
    boundary = _param(entity.type, "boundary") or ""
    if not 0 < len(boundary) <= MAX_BOUNDARY:
        raise ParseError("multipart without boundary")
    if depth == 0:
        raise ParseError("multipart is too deep")
    parts: list[Entity] = []
    for data in _split(entity.body, boundary.encode("utf-8", "surrogateescape")):
        if len(parts) == MAX_PARTS:
            raise ParseError("too many body parts")
        parts.append(_entity(data))
    return parts


def _split(body: bytes, boundary: bytes) -> Iterator[bytes]:
    """What stands between the delimiter lines (RFC 2046 5.1.1). ParseError when the last is missing."""
    delimiter = b"\r\n--" + boundary
    data = b"\r\n" + body
    start = -1
    at = data.find(delimiter)
    while at >= 0:
        after = at + len(delimiter)
        end = data.find(b"\r\n", after)
        last = data.startswith(b"--", after)
        if last or (end >= 0 and not data[after:end].strip(b" \t")):
            if start >= 0:
                yield data[start:at]
            if last:
                return
            start = end + 2
            # The line break may be the one that the next delimiter begins with.
            at = data.find(delimiter, end)
        else:  # a longer boundary that begins as ours does
            at = data.find(delimiter, after)
    raise ParseError("multipart without end")


def _entity(data: bytes) -> Entity:
    """One part: its headers, an empty line, its octets."""
    head, _, body = (b"\r\n" + data).partition(b"\r\n\r\n")
    if len(head) > MAX_PART_HEADERS:
        raise ParseError("headers of a body part are too large")
    values: dict[str, str] = {}
    text = head.decode("utf-8", "surrogateescape").replace("\r\n ", " ").replace("\r\n\t", " ")
    for line in text.split("\r\n")[1:]:
        name, colon, value = line.partition(":")
        if not colon:
            raise ParseError("malformed header of a body part")
        values.setdefault(header_key(name.strip(BLANK)), value.strip(BLANK))
    return Entity(
        values.get("content-type", ""),
        values.get("content-disposition", ""),
        values.get("content-encoding", ""),
        values.get("content-transfer-encoding", ""),
        body,
    )


def _param(value: str, name: str) -> str | None:
    _, semicolon, params = value.partition(";")
    return get_param(parse_params(params), name) if semicolon else None
