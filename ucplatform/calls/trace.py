"""Reads the trace that the edges keep: every SIP message and media event of a call, for as long as the
retention says.

An edge writes segments into one directory: `<unix start>-<edge>.seg` holds JSON lines, `<same>.idx` holds for
each of them a line `<call id> <offset> <length>` in bytes. Segments disappear whole and may grow while they
are read, so a line that is cut short, or gone, is left out."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SEGMENT = re.compile(r"([0-9]{1,12}(?:\.[0-9]+)?)-([A-Za-z0-9_.-]+)\.idx", re.ASCII)
MARGIN_S = 120.0  # clocks of edge and record may differ, and a call's last messages come after its end
LIMIT = 2000  # entries of one call that are read; an endless call must not fill the memory of a page
LINE_LIMIT = 256 * 1024


@dataclass(frozen=True, slots=True)
class Segment:
    """One pair of files; `end` is when the edge began its next one (infinite for the newest)."""

    index: Path
    begin: float
    end: float

    @property
    def data(self) -> Path:
        return self.index.with_suffix(".seg")


def segments(directory: Path) -> list[Segment]:
    """All segments, oldest first."""
    by_edge: dict[str, list[tuple[float, Path]]] = {}
    for path in directory.glob("*.idx"):
        match = SEGMENT.fullmatch(path.name)
        if match:
            by_edge.setdefault(match[2], []).append((float(match[1]), path))
    found = []
    for starts in by_edge.values():
        starts.sort()
        ends = [begin for begin, _path in starts[1:]] + [float("inf")]
        found += [Segment(path, begin, end) for (begin, path), end in zip(starts, ends, strict=True)]
    return sorted(found, key=lambda segment: segment.begin)


def places(segment: Segment, call_id: str) -> Iterator[tuple[int, int]]:
    """(offset, length) of the call's lines."""
    wanted = call_id.encode() + b" "
    with segment.index.open("rb") as stream:
        for line in stream:
            if line.startswith(wanted) and line.endswith(b"\n"):
                numbers = line[len(wanted) :].split()
                if len(numbers) == 2 and all(number.isdigit() for number in numbers):
                    yield int(numbers[0]), int(numbers[1])


def lines(segment: Segment, call_id: str) -> Iterator[dict[str, Any]]:
    """The call's entries in one segment; [] when it was dropped meanwhile."""
    try:
        with segment.data.open("rb") as stream:
            for offset, length in places(segment, call_id):
                if length > LINE_LIMIT:
                    continue
                stream.seek(offset)
                try:
                    entry = json.loads(stream.read(length))
                except ValueError:
                    continue
                if isinstance(entry, dict) and entry.get("call") == call_id:
                    yield entry
    except FileNotFoundError:
        return


def read_trace(
    directory: Path, call_id: str, since: float | None = None, until: float | None = None
) -> list[dict[str, Any]]:
    """Entries of a call by time. `since` and `until` (unix time of its start and end) save reading other
    hours."""
    if not call_id or any(character.isspace() for character in call_id):
        return []
    entries: list[dict[str, Any]] = []
    for segment in segments(directory):
        if since is not None and segment.end < since - MARGIN_S:
            continue
        if until is not None and segment.begin > until + MARGIN_S:
            continue
        for entry in lines(segment, call_id):
            entries.append(entry)
            if len(entries) >= LIMIT:
                break
    return sorted(entries[:LIMIT], key=lambda entry: float(entry.get("t", 0)))
