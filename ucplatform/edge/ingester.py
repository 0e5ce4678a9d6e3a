"""Hands the journal's records over in batches, from a thread, and remembers how far it came."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from ucplatform.edge import log
from ucplatform.edge.segments import open_private, write_atomically

BATCH = 200
FIRST_RETRY = 0.2
LAST_RETRY = 15.0
#: the least time from one batch to the next: a transaction costs as much as thirty rows in it
GATHER_SECONDS = 1.0


class Position(NamedTuple):
    """A place between two lines of the journal."""

    segment: int
    offset: int

    @classmethod
    def load(cls, directory: Path) -> "Position":
        """The place up to which records were handed over; the beginning when nothing readable says so."""
        try:
            segment, offset = json.loads((directory / "position").read_text())
            return cls(int(segment), int(offset))
        except (OSError, ValueError, TypeError):
            numbers = [int(path.stem) for path in directory.glob("*.log") if path.stem.isdigit()]
            return cls(min(numbers, default=1), 0)

    def save(self, directory: Path) -> None:
        """Remember this place. Not synced: an old place only means handing some over again."""
        write_atomically(directory / "position", json.dumps(self).encode(), sync=False)


class Source(Protocol):
    """The journal as its ingester sees it."""

    @property
    def directory(self) -> Path: ...

    def read(self, position: Position, limit: int) -> tuple[list[dict[str, Any]], Position]: ...


class Ingester:
    """Calls `ingest(records)` until it returns.

    When it raises one of `transient` (the database is away) the batch is tried again, ever more rarely.
    When it raises anything else each record is tried alone, and one that still fails is put aside in
    `rejected.jsonl`, so that a record which cannot be stored never holds up the others.
    """

    def __init__(
        self,
        source: Source,
        ingest: Callable[[list[dict[str, Any]]], object],
        transient: tuple[type[Exception], ...],
    ) -> None:
        self._source = source
        self._ingest = ingest
        self._transient = transient
        self._wake = threading.Event()
        self._wake.set()
        self._closing = threading.Event()
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="ingester", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There are new records."""
        self._wake.set()

    def close(self, timeout: float) -> None:
        """Hand over what is there if that works at the first go, and end."""
        self._closing.set()
        self._wake.set()
        self._thread.join(timeout)

    def _run(self) -> None:
        position = Position.load(self._source.directory)
        delay = FIRST_RETRY
        while True:
            self._wake.clear()
            records, after = self._source.read(position, BATCH)
            if records and not self._hand_over(records):
                if self._closing.wait(delay):
                    return
                delay = min(delay * 2, LAST_RETRY)
                continue
            delay = FIRST_RETRY
            if after != position:
                self._finish(position, after)
                position = after
                if len(records) < BATCH:
                    self._closing.wait(GATHER_SECONDS)  # a record after a silence never waits
            elif self._closing.is_set():
                return
            else:
                self._wake.wait()

    def _hand_over(self, records: list[dict[str, Any]]) -> bool:
        """True when the records need not be handed over again."""
        try:
            self._ingest(records)
        except self._transient as error:
            if not self._failing:
                log.warning("ingest-waiting", records=len(records), error=repr(error))
            self._failing = True
            return False
        except Exception as error:
            if len(records) > 1:
                return all(self._hand_over([record]) for record in records)
            self._reject(records[0], error)
        if self._failing:
            log.info("ingest-recovered")
        self._failing = False
        return True

    def _reject(self, record: dict[str, Any], error: Exception) -> None:
        log.fault("record-rejected", error, id=record.get("id"))
        line = json.dumps({"error": repr(error), "record": record}).encode() + b"\n"
        try:
            with open(self._source.directory / "rejected.jsonl", "ab", opener=_opener) as file:
                file.write(line)
        except OSError as failure:
            log.error("record-lost", id=record.get("id"), error=failure)

    def _finish(self, before: Position, after: Position) -> None:
        """Remember the new place and drop the segments before it."""
        try:
            after.save(self._source.directory)
            for number in range(before.segment, after.segment):
                (self._source.directory / f"{number:08d}.log").unlink(missing_ok=True)
        except OSError as error:
            log.error("journal-position-failed", error=error)


def _opener(path: str, flags: int) -> int:
    return open_private(Path(path), flags)
