"""Inputs that once broke a rule: kept under tests/data/fuzz, a directory a target, and replayed for ever."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from tests.fuzz.target import SLOW, Finding, Target

DIRECTORY = Path(__file__).resolve().parents[1] / "data" / "fuzz"
TRIES = 3000  # of the search for a smaller input


def keep(target: Target, finding: Finding, directory: Path = DIRECTORY) -> Path:
    """Write the smallest input found that breaks the same rule; its file."""
    data = smallest(target, finding)
    path = directory / target.name / f"{hashlib.sha256(data).hexdigest()[:16]}.bin"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def kept(directory: Path = DIRECTORY) -> Iterator[tuple[str, Path]]:
    """(name of the target, file) of all that is kept."""
    for path in sorted(directory.glob("*/*.bin")):
        yield path.parent.name, path


def smallest(target: Target, finding: Finding) -> bytes:
    """Parts are left out as long as the same rule breaks in the same place.

    A slow input stays as it is: less of it would be quicker. So does one that breaks nothing by itself.
    """
    data = finding.data
    if finding.place == SLOW:
        return data
    tries = 0
    size = max(len(data) // 2, 1)
    while size and tries < TRIES:
        at = 0
        while at < len(data) and tries < TRIES:
            shorter = data[:at] + data[at + size :]
            tries += 1
            if breaks(target, shorter) == finding.place:
                data = shorter
            else:
                at += size
        size //= 2
    return data


def breaks(target: Target, data: bytes) -> str:
    """The place where a rule breaks; '' when none does."""
    try:
        target.accepts(data)
    except Finding as finding:
        return finding.place
    return ""
