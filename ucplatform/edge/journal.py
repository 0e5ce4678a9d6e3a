"""Call records on their way into the database: an append-only file first, so that a dead database only
delays them.

`<directory>/<number>.log` holds lines `<crc32 of the JSON, 8 hex digits> <JSON>`; `ingester` hands them
over from there and remembers in the file `position` how far it came.
"""

import json
import os
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ucplatform.edge import log
from ucplatform.edge.ingester import Ingester, Position
from ucplatform.edge.segments import make_directory, open_private, sync_directory, write_all

Record = dict[str, Any]

SYNC_SECONDS = 0.04
RETRY_SECONDS = 0.5
SEGMENT_OCTETS = 4 * 1024 * 1024
QUEUE_RECORDS = 100_000


def encode(record: Record) -> bytes:
    """A record as its line. TypeError or ValueError when it holds something that JSON has not."""
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return b"%08x %s\n" % (zlib.crc32(text), text)


def decode(line: bytes) -> Record | None:
    """The record in a line (with or without its line end); None when the line is damaged."""
    line = line.rstrip(b"\n")
    try:
        if len(line) > 9 and int(line[:8], 16) == zlib.crc32(line[9:]):
            return json.loads(line[9:])
    except ValueError:
        pass
    return None


def segment_path(directory: Path, number: int) -> Path:
    """The file of segment `number`."""
    return directory / f"{number:08d}.log"


def segment_numbers(directory: Path) -> list[int]:
    """The segments there are, oldest first."""
    return sorted(int(path.stem) for path in directory.glob("*.log") if path.stem.isdigit())


class Journal:
    """`append` queues a record; it is synced to disk within 50 ms and handed to `ingest` from there.

    `ingest(records)` gets lists of up to 200 in a thread, in order, each at least once; see
    `ingester.Ingester` for what it may raise. Without it records are only kept. OSError when the directory
    cannot be used.
    """

    def __init__(
        self,
        directory: Path,
        ingest: Callable[[list[Record]], object] | None = None,
        *,
        transient: tuple[type[Exception], ...] = (Exception,),
        segment_octets: int = SEGMENT_OCTETS,
    ) -> None:
        self._directory = make_directory(Path(directory))
        self._segment_octets = segment_octets
        self._queue: deque[Record] = deque()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self.dropped = 0
        self._torn = False  # a write failed half-way: cut the file before the next one
        self._open_last()
        self._ingester = Ingester(self, ingest, transient) if ingest else None
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    # The loop's side --------

    def append(self, record: Record) -> None:
        """Queue one record of JSON values; it must not be changed afterwards. Never waits, never raises."""
        if len(self._queue) >= QUEUE_RECORDS:
            self.dropped += 1
            log.error("journal-record-dropped", id=record.get("id"), dropped=self.dropped)
            return
        self._queue.append(record)
        self._wake.set()

    def close(self) -> None:
        """Write and sync what is queued, give the ingester a last go, end both threads: 2 s at most."""
        self._closing.set()
        self._wake.set()
        self._thread.join(1.0)
        if self._ingester is not None:
            self._ingester.close(1.0)
        if not self._thread.is_alive():
            os.close(self._file)

    # Reading --------

    @property
    def directory(self) -> Path:
        """Where the segments are."""
        return self._directory

    @property
    def synced(self) -> Position:
        """Up to where the journal is safely on disk."""
        return self._synced

    def replay(self) -> Iterator[Record]:
        """The records on disk that have not been handed over, oldest first; damaged lines are passed over."""
        position = Position.load(self._directory)
        while True:
            found, position = self.read(position, 200)
            if not found:
                return
            yield from found

    def read(self, position: Position, limit: int) -> tuple[list[Record], Position]:
        """Up to `limit` synced records from `position` on, and the position after them."""
        found: list[Record] = []
        while len(found) < limit:
            synced = self._synced
            if position.segment > synced.segment or position == synced:
                break
            more, position = self._read_segment(position, synced, limit - len(found))
            found += more
        return found, position

    def _read_segment(
        self, position: Position, synced: Position, limit: int
    ) -> tuple[list[Record], Position]:
        """Records of one segment; at its end the position is the start of the next."""
        current = position.segment == synced.segment
        try:
            file = segment_path(self._directory, position.segment).open("rb")
        except FileNotFoundError:
            return [], Position(position.segment + 1, 0) if not current else synced
        found = []
        offset = position.offset
        with file:
            file.seek(offset)
            while len(found) < limit and not (current and offset >= synced.offset):
                line = file.readline()
                if not line:
                    return found, Position(position.segment + 1, 0) if not current else synced
                record = decode(line)
                if record is None:
                    log.error(
                        "journal-line-damaged", segment=position.segment, offset=offset, octets=len(line)
                    )
                else:
                    found.append(record)
                offset += len(line)
        return found, Position(position.segment, offset)

    # The writer thread --------

    def _open_last(self) -> None:
        number = max([Position.load(self._directory).segment, *segment_numbers(self._directory)])
        path = segment_path(self._directory, number)
        self._file = open_private(path, os.O_RDWR | os.O_APPEND)
        sync_directory(self._directory)
        self._synced = Position(number, _cut_torn_tail(self._file, path))

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            closing = self._closing.is_set()
            if self._queue and not self._write_queue():
                self._closing.wait(RETRY_SECONDS)
                self._wake.set()
            if closing:
                return
            self._closing.wait(SYNC_SECONDS)  # what comes meanwhile shares the next sync

    def _write_queue(self) -> bool:
        """Write and sync everything queued; False when the disk refuses, with nothing lost."""
        count = len(self._queue)
        lines = b"".join(self._encode(self._queue[n]) for n in range(count))
        try:
            if self._torn:
                os.ftruncate(self._file, self._synced.offset)
                self._torn = False
            write_all(self._file, lines)
            os.fsync(self._file)
        except OSError as error:
            log.error("journal-write-failed", error=error, waiting=count)
            self._torn = True
            return False
        for _ in range(count):
            self._queue.popleft()
        self._synced = Position(self._synced.segment, self._synced.offset + len(lines))
        if self._synced.offset >= self._segment_octets:
            self._next_segment()
        if self._ingester is not None:
            self._ingester.wake()
        return True

    @staticmethod
    def _encode(record: Record) -> bytes:
        try:
            return encode(record)
        except (TypeError, ValueError) as error:
            log.fault("journal-record-unreadable", error, id=record.get("id"))
            return b""

    def _next_segment(self) -> None:
        number = self._synced.segment + 1
        try:
            file = open_private(segment_path(self._directory, number), os.O_RDWR | os.O_APPEND)
            sync_directory(self._directory)
        except OSError as error:
            log.error("journal-segment-failed", error=error)
            return  # go on in the old one
        os.close(self._file)
        self._file = file
        self._synced = Position(number, 0)


def _cut_torn_tail(file: int, path: Path) -> int:
    """Cut what follows the last line end (a write that a crash interrupted); returns the length that is
    left.
    """
    size = os.fstat(file).st_size
    end = size
    while end > 0:
        start = max(0, end - 65536)
        newline = os.pread(file, end - start, start).rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
    if end < size:
        log.warning("journal-tail-cut", file=path.name, octets=size - end)
        os.ftruncate(file, end)
        os.fsync(file)
    return end
