"""A media part: the m= line and all that follows it to the next one (RFC 8866 section 5.14)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ucplatform.sdp.codec import Codec, read_codecs
from ucplatform.sdp.errors import SdpError
from ucplatform.sdp.line import Line, number
from ucplatform.sdp.origin import Connection
from ucplatform.sdp.section import DIRECTIONS, Section

if TYPE_CHECKING:
    from ucplatform.sdp.session import SessionPart

MAX_FORMATS = 128  # RTP has no more payload types, and no other transport comes near


@dataclass(frozen=True, slots=True)
class MediaLine:
    """The value of an m= line."""

    kind: str
    port: int
    proto: str
    formats: tuple[str, ...]
    port_count: int = 1

    @classmethod
    def parse(cls, value: str) -> MediaLine:
        """The value behind `m=`; SdpError when kind, port, proto or formats are missing or wrong."""
        parts = value.split()
        if len(parts) < 4:
            raise SdpError("m= wants kind, port, proto and a format")
        if len(parts) > 3 + MAX_FORMATS:
            raise SdpError(f"m= with more than {MAX_FORMATS} formats")
        port, slash, count = parts[1].partition("/")
        return cls(
            parts[0],
            number(port, 65535, "port"),
            parts[2],
            tuple(parts[3:]),
            number(count, 255, "port count") if slash else 1,
        )

    def __str__(self) -> str:
        ports = f"{self.port}/{self.port_count}" if self.port_count != 1 else f"{self.port}"
        return f"{self.kind} {ports} {self.proto} {' '.join(self.formats)}"


class Media(Section):
    """One media part. `session` is the part it inherits from; None when it stands alone."""

    ORDER = "micbka"

    def __init__(self, lines: list[Line], session: SessionPart | None = None) -> None:
        """`lines` begin with the m= line; SdpError when that, or a c= line, cannot be read."""
        super().__init__(lines)
        self.session = session
        self._head = MediaLine.parse(lines[0].value)
        for line in lines:
            if line.kind == "c":
                Connection.parse(line.value)

    # -- the m= line -------------------------------------------------------------------------------

    @property
    def head(self) -> MediaLine:
        """The m= line as a value; assign one to rewrite the line."""
        return self._head

    @head.setter
    def head(self, head: MediaLine) -> None:
        self._head = head
        self.put("m", str(head))

    @property
    def kind(self) -> str:
        """audio, video, application, image …"""
        return self._head.kind

    @property
    def port(self) -> int:
        """RTP port; 0 is a media line refused or switched off."""
        return self._head.port

    @port.setter
    def port(self, port: int) -> None:
        self.head = replace(self._head, port=port)

    @property
    def port_count(self) -> int:
        """Ports from `port` on, 1 unless written."""
        return self._head.port_count

    @property
    def proto(self) -> str:
        """RTP/AVP, UDP/TLS/RTP/SAVPF, UDP/BFCP …"""
        return self._head.proto

    @proto.setter
    def proto(self, proto: str) -> None:
        self.head = replace(self._head, proto=proto)

    @property
    def formats(self) -> list[str]:
        """Formats as written; payload types for RTP."""
        return list(self._head.formats)

    @formats.setter
    def formats(self, formats: list[str]) -> None:
        self.head = replace(self._head, formats=tuple(formats))

    # -- what a media part says --------------------------------------------------------------------

    @property
    def connection(self) -> Connection | None:
        """Its own c= line, else the session's."""
        own = self.own_connection
        if own is None and self.session is not None:
            return self.session.connection
        return own

    @property
    def direction(self) -> str:
        """Its own direction, else the session's, else sendrecv (RFC 3264 section 5.1)."""
        inherited = self.session.own_direction if self.session is not None else None
        return self.own_direction or inherited or "sendrecv"

    @direction.setter
    def direction(self, direction: str) -> None:
        old = self.own_direction
        if old is None:
            self.add(direction)
            return
        self.remove(*(name for name in DIRECTIONS if name != old))
        self.lines[:] = [
            Line("a", direction, line.end or "\r\n") if line.kind == "a" and line.value == old else line
            for line in self.lines
        ]

    def inherited(self, name: str) -> str | None:
        """An attribute of this part, else of the session: fingerprint, setup, ice-ufrag and their like."""
        own = self.get(name)
        if own is None and self.session is not None:
            return self.session.get(name)
        return own

    @property
    def is_rtp(self) -> bool:
        """True when the formats are RTP payload types."""
        return "RTP/" in self.proto

    @property
    def active(self) -> bool:
        """False when refused: port 0, unless bundle-only lends it another's (RFC 8843 section 6)."""
        return self.port != 0 or self.has("bundle-only")

    @property
    def codecs(self) -> list[Codec]:
        """Codecs in the order of the m= line, static payload types filled in; [] when not RTP."""
        return read_codecs(self._head.formats, self.attributes) if self.is_rtp else []

    @property
    def mid(self) -> str | None:
        """Its name in a=group lines (RFC 5888)."""
        return self.get("mid")
