"""Every SIP message and media event of a call, for a day: append-only segments, written by a thread.

`<directory>/<unix start>-<edge>.seg` holds JSON lines, `<same>.idx` a line `<call id> <offset> <length>`
for each:

    {"t": unix time, "call": id, "kind": "sip", "dir": "in"|"out", "leg": id|null,
     "flow": {"transport", "remote", "local"}, "text": the message, secrets masked}
    {"t", "call", "kind": "event", "event": name, "leg": id|null, "detail": {…}}

A line is in its segment before it is in the index, so a reader never finds half a line. Segments are
dropped whole.
"""

import json
import os
import threading
import time
from collections import deque
from functools import lru_cache
from pathlib import Path
from typing import Any

from ucplatform.edge import log
from ucplatform.edge.masking import mask
from ucplatform.edge.segments import make_directory, open_private, write_all
from ucplatform.sip.flow import Flow, hostport

FLUSH_SECONDS = 0.25
SEGMENT_SECONDS = 600.0
SEGMENT_OCTETS = 64 * 1024 * 1024
QUEUE_OCTETS = 32 * 1024 * 1024
#: counted for every entry beside its message: what the queue itself takes
ENTRY_OCTETS = 512
BATCH = 500
#: made once: json.dumps makes a new encoder for every call with such options
_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_QUOTE = json.encoder.encode_basestring  # a string as JSON, not only in ASCII


class TraceWriter:
    """`message` and `event` only queue (about a microsecond); a thread of its own masks, formats and writes.

    Call them from one thread, the loop's. When the disk cannot follow, entries are dropped and counted
    (`dropped`): a call never waits for its trace.
    """

    def __init__(
        self, directory: Path, edge_id: str, retention_s: float, *, queue_octets: int = QUEUE_OCTETS
    ) -> None:
        self.dropped = 0
        self._segments = _Segments(make_directory(Path(directory)), edge_id, retention_s)
        self._queue: deque[tuple] = deque()
        self._limit = queue_octets
        self._queued = 0  # octets ever queued; written by the loop only
        self._taken = 0  # octets ever taken out; written by the thread only
        self._reported = 0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="trace", daemon=True)
        self._thread.start()

    def message(
        self, call_id: str, leg: str | None, time: float, direction: str, flow: Flow, data: bytes
    ) -> None:
        """One SIP message of a call: `direction` "in" or "out", `time` in unix seconds, `data` as sent."""
        size = len(data) + ENTRY_OCTETS
        if self._queued - self._taken + size > self._limit:
            self.dropped += 1
            return
        self._queued += size
        self._queue.append((size, time, call_id, leg, direction, flow, data))

    def event(self, call_id: str, leg: str | None, time: float, event: str, detail: dict[str, Any]) -> None:
        """Something else that happened to a call; `detail` holds JSON values and must not be changed
        afterwards.
        """
        if self._queued - self._taken + ENTRY_OCTETS > self._limit:
            self.dropped += 1
            return
        self._queued += ENTRY_OCTETS
        self._queue.append((ENTRY_OCTETS, time, call_id, leg, event, None, detail))

    def keep(self, retention_s: float) -> None:
        """Change how long segments are kept."""
        self._segments.retention = retention_s

    def close(self) -> None:
        """Write what is queued and end the thread; at most a second."""
        self._closing.set()
        self._thread.join(1.0)

    # The thread --------

    def _run(self) -> None:
        failed = False
        while True:
            closing = self._closing.wait(FLUSH_SECONDS)
            try:
                while self._queue:
                    self._write_batch()
                self._segments.expire(time.time())
                failed = False
            except OSError as error:
                if not failed:
                    log.error("trace-write-failed", error=error)
                failed = True
            self._report_drops()
            if closing:
                self._segments.close()
                return

    def _write_batch(self) -> None:
        """Take up to BATCH entries and write them; OSError loses those and no more."""
        entries = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
        self._taken += sum(entry[0] for entry in entries)
        lines = []
        for entry in entries:
            try:
                lines.append((entry[2], _line(entry)))
            except (TypeError, ValueError) as error:
                log.fault("trace-entry-failed", error, call=entry[2])
        self._segments.append(lines, time.time())

    def _report_drops(self) -> None:
        if self.dropped != self._reported:
            log.warning("trace-dropped", entries=self.dropped - self._reported)
            self._reported = self.dropped


def _line(entry: tuple) -> bytes:
    """One entry as its JSON line."""
    _, when, call_id, leg, what, flow, content = entry
    if flow is None:
        record = {"t": when, "call": call_id, "kind": "event", "event": what, "leg": leg, "detail": content}
        line = _ENCODE(record)
    else:
        # Put together by hand: an encoder takes as long for the frame as for the message in it.
        text = _QUOTE(mask(content).decode("utf-8", "replace"))
        whose = "null" if leg is None else _QUOTE(leg)
        line = (
            f'{{"t":{when!r},"call":{_QUOTE(call_id)},"kind":"sip","dir":"{what}","leg":{whose},'
            f'"flow":{_path(flow)},"text":{text}}}'
        )
    # A lone surrogate in a call id or detail (surrogateescape of the parser) is replaced too.
    return line.encode("utf-8", "replace") + b"\n"


@lru_cache(maxsize=4096)
def _path(flow: Flow) -> str:
    path = {"transport": flow.transport, "remote": hostport(flow.remote), "local": hostport(flow.local)}
    return _ENCODE(path)


def index_key(call_id: str) -> str:
    """A call id as it stands in the index: blanks, controls and % as %XX, so that a line has three words."""
    if call_id.isascii() and call_id.isprintable() and " " not in call_id and "%" not in call_id:
        return call_id
    octets = call_id.encode("utf-8", "replace")
    return "".join(chr(o) if 0x21 <= o < 0x7F and o != 0x25 else f"%{o:02X}" for o in octets)


class _Segments:
    """The segment being written and the ones before it. Used by the trace's thread only."""

    def __init__(self, directory: Path, edge_id: str, retention_s: float) -> None:
        self._directory = directory
        self._edge_id = edge_id
        self.retention = retention_s
        self._segment = -1
        self._index = -1
        self._offset = 0
        self._started = 0.0
        self._next_expiry = 0.0

    def append(self, lines: list[tuple[str, bytes]], now: float) -> None:
        """Write lines and then their index entries; on OSError the segment is given up for a new one."""
        if self._segment >= 0 and (self._offset >= SEGMENT_OCTETS or now - self._started >= SEGMENT_SECONDS):
            self.close()
        if self._segment < 0:
            self._open(now)
        index = []
        offset = self._offset
        for call_id, line in lines:
            index.append(f"{index_key(call_id)} {offset} {len(line)}\n")
            offset += len(line)
        try:
            write_all(self._segment, b"".join(line for _, line in lines))
            write_all(self._index, "".join(index).encode("ascii"))
        except OSError:
            self.close()  # where the file ends is unknown now
            raise
        self._offset = offset

    def _open(self, now: float) -> None:
        start = int(now)
        while True:
            path = self._directory / f"{start}-{self._edge_id}.seg"
            try:
                self._segment = open_private(path, os.O_WRONLY | os.O_EXCL)
                break
            except FileExistsError:
                start += 1
        self._index = open_private(path.with_suffix(".idx"), os.O_WRONLY | os.O_TRUNC)
        self._offset = 0
        self._started = now

    def expire(self, now: float) -> None:
        """Drop segments whose last line is older than the retention; looks once a minute."""
        if now < self._next_expiry:
            return
        self._next_expiry = now + min(60.0, max(self.retention / 4, 0.05))
        if self._segment >= 0 and now - self._started >= SEGMENT_SECONDS:
            self.close()
        for path in self._directory.glob(f"*-{self._edge_id}.seg"):
            if path.stat().st_mtime < now - self.retention and not self._is_current(path):
                path.with_suffix(".idx").unlink(missing_ok=True)
                path.unlink(missing_ok=True)

    def _is_current(self, path: Path) -> bool:
        return self._segment >= 0 and os.path.samestat(os.fstat(self._segment), path.stat())

    def close(self) -> None:
        """Close the files of the current segment."""
        for descriptor in (self._segment, self._index):
            if descriptor >= 0:
                os.close(descriptor)
        self._segment = self._index = -1
