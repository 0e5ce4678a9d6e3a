"""A whole session description: read, change, write (RFC 8866), lossless by line."""

from __future__ import annotations

from itertools import pairwise

from ucplatform.sdp.errors import SdpError
from ucplatform.sdp.line import Line, split_lines, to_text
from ucplatform.sdp.media import Media
from ucplatform.sdp.origin import Connection, Origin
from ucplatform.sdp.section import Section

MAX_MEDIA = 64


class SessionPart(Section):
    """The lines above the first m= line."""

    ORDER = "vosiuepcbtrzka"

    @property
    def connection(self) -> Connection | None:
        """The c= line of the session part."""
        return self.own_connection


class Session(SessionPart):
    """The session part in `lines`, the media parts in `media`. str() writes all of it back."""

    def __init__(self, lines: list[Line], media: list[Media] | None = None) -> None:
        """SdpError when o= or c= cannot be read."""
        super().__init__(lines)
        self.media: list[Media] = []
        for line in lines:
            if line.kind == "o":
                Origin.parse(line.value)
            elif line.kind == "c":
                Connection.parse(line.value)
        for part in media or ():
            self.append(part)

    def append(self, part: Media) -> None:
        """Put a media part behind the others; it inherits from this session from now on."""
        # The same lines, not this object: each would hold the other, and wait for the cyclic collector.
        part.session = SessionPart(self.lines)
        self.media.append(part)

    def __str__(self) -> str:
        return super().__str__() + "".join(map(str, self.media))

    def to_bytes(self) -> bytes:
        """The octets for a message body."""
        return str(self).encode("utf-8", "surrogateescape")

    @property
    def origin(self) -> Origin | None:
        """The o= line; assign an Origin to rewrite it."""
        value = self.first("o")
        return None if value is None else Origin.parse(value)

    @origin.setter
    def origin(self, origin: Origin) -> None:
        self.put("o", str(origin))

    @property
    def groups(self) -> list[tuple[str, list[str]]]:
        """a=group lines as (semantics, mids), e.g. ('BUNDLE', ['0', '1'])."""
        split = [value.split() for value in self.all("group")]
        return [(words[0], words[1:]) for words in split if words]

    def first_media(self, kind: str) -> Media | None:
        """The first media part of a kind that is not refused."""
        return next((part for part in self.media if part.kind == kind and part.active), None)


def parse(data: str | bytes) -> Session:
    """SDP of at most 16 KiB, 1024 lines, 64 media lines.

    Unknown lines and attributes are kept in order; a malformed attribute is no error, only not understood.
    Raises SdpError, and nothing else, when it is no SDP or an o=, c= or m= line cannot be read.
    """
    lines = split_lines(to_text(data))
    if not lines or lines[0].kind != "v" or lines[0].value.strip() != "0":
        raise SdpError("does not begin with v=0")
    starts = [index for index, line in enumerate(lines) if line.kind == "m"]
    if len(starts) > MAX_MEDIA:
        raise SdpError(f"more than {MAX_MEDIA} media lines")
    bounds = [*starts, len(lines)]
    session = Session(lines[: bounds[0]])
    for start, end in pairwise(bounds):
        session.append(Media(lines[start:end]))
    return session
