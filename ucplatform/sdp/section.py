"""What session part and media parts have in common: lines in order, attributes, connection, bandwidth."""

from __future__ import annotations

from ucplatform.sdp.line import Line
from ucplatform.sdp.origin import Connection

DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")


class Section:
    """A run of lines. The lines are the only truth: every property reads them, every setter rewrites them, in
    place, for others may read the same list."""

    ORDER = "vosiuepcbtrzkam"  # RFC 8866 section 5: where a new line belongs

    def __init__(self, lines: list[Line]) -> None:
        self.lines = lines

    def __str__(self) -> str:
        return "".join(map(str, self.lines))

    # -- lines -------------------------------------------------------------------------------------

    def first(self, kind: str) -> str | None:
        """Value of the first line of this kind, e.g. 's'."""
        return next((line.value for line in self.lines if line.kind == kind), None)

    def put(self, kind: str, value: str) -> None:
        """Replace the first line of this kind where it stands, or insert one where RFC 8866 wants it."""
        for index, line in enumerate(self.lines):
            if line.kind == kind:
                self.lines[index] = Line(kind, value, line.end or "\r\n")
                return
        self._insert(Line(kind, value))

    def _insert(self, new: Line) -> None:
        rank = self.ORDER.find(new.kind)
        at = len(self.lines)
        while at and (not self.lines[at - 1].kind or self.ORDER.find(self.lines[at - 1].kind) > rank):
            at -= 1
        # A description whose last line has no end must not swallow the line put behind it.
        if at and not self.lines[at - 1].end:
            before = self.lines[at - 1]
            self.lines[at - 1] = Line(before.kind, before.value)
        self.lines.insert(at, new)

    # -- attributes --------------------------------------------------------------------------------

    @property
    def attributes(self) -> list[tuple[str, str | None]]:
        """All a= lines in order as (name, value); value is None for a flag such as `rtcp-mux`."""
        return [_split(line.value) for line in self.lines if line.kind == "a"]

    def get(self, name: str) -> str | None:
        """Value of the first such attribute: '' for a flag that is there, None when there is none."""
        for line in self.lines:
            if line.kind == "a":
                found, value = _split(line.value)
                if found == name:
                    return value or ""
        return None

    def all(self, name: str) -> list[str]:
        """Values of every such attribute in order, '' for flags."""
        return [value or "" for found, value in self.attributes if found == name]

    def has(self, name: str) -> bool:
        """True when such an attribute is there, with or without a value."""
        return self.get(name) is not None

    def add(self, name: str, value: str | None = None) -> None:
        """Append an attribute; value None writes a flag."""
        self._insert(Line("a", _join(name, value)))

    def set(self, name: str, value: str | None = None) -> None:
        """Replace the first such attribute in its place and drop the others, or append it."""
        kept: list[Line] = []
        done = False
        for line in self.lines:
            if line.kind == "a" and _split(line.value)[0] == name:
                if done:
                    continue
                line, done = Line("a", _join(name, value), line.end or "\r\n"), True
            kept.append(line)
        self.lines[:] = kept
        if not done:
            self.add(name, value)

    def remove(self, *names: str) -> None:
        """Drop every attribute of these names."""
        self.lines[:] = [
            line for line in self.lines if line.kind != "a" or _split(line.value)[0] not in names
        ]

    # -- properties of both levels -----------------------------------------------------------------

    @property
    def own_connection(self) -> Connection | None:
        """The c= line of this part itself."""
        value = self.first("c")
        return None if value is None else Connection.parse(value)

    def set_connection(self, connection: Connection) -> None:
        """Write the c= line of this part."""
        self.put("c", str(connection))

    @property
    def own_direction(self) -> str | None:
        """The direction attribute of this part itself (RFC 8866 section 6.7); the first one counts."""
        return next((name for name, value in self.attributes if name in DIRECTIONS and value is None), None)

    @property
    def bandwidth(self) -> dict[str, int]:
        """b= lines as {modifier: value}, kbit/s for AS, bit/s for TIAS; malformed ones are left out."""
        found: dict[str, int] = {}
        for line in self.lines:
            modifier, _, value = line.value.partition(":")
            if line.kind == "b" and value.isascii() and value.isdigit() and len(value) <= 12:
                found.setdefault(modifier, int(value))
        return found


def _split(value: str) -> tuple[str, str | None]:
    name, colon, rest = value.partition(":")
    return name, rest if colon else None


def _join(name: str, value: str | None) -> str:
    return name if value is None else f"{name}:{value}"
