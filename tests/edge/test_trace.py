"""The trace: what is written, where, and for how long."""

import json
import os
import time
from pathlib import Path

from tests.edge.conftest import Lines, wait_until
from tests.edge.responder import options
from ucplatform.edge import trace
from ucplatform.edge.trace import TraceWriter, index_key
from ucplatform.sip.flow import Flow

FLOW = Flow.udp(("192.0.2.1", 5060), ("2001:db8::1", 5062))


def read(directory: Path, call_id: str) -> list[dict]:
    """The lines of a call, found by the index alone."""
    found = []
    for index in sorted(directory.glob("*.idx")):
        segment = index.with_suffix(".seg").read_bytes()
        for line in index.read_text().splitlines():
            key, offset, length = line.split(" ")
            if key == index_key(call_id):
                found.append(json.loads(segment[int(offset) : int(offset) + int(length)]))
    return found


def test_writes_messages_and_events(tmp_path: Path) -> None:
    writer = TraceWriter(tmp_path, "1", 3600)
    data = options(extra='Authorization: Digest response="secret"\r\n') + b"\xff"
    writer.message("c-1", "leg-a", 12.5, "in", FLOW, data)
    writer.event("c-2", None, 13.0, "ice", {"state": "connected"})
    writer.event("c-1", "leg-a", 14.0, "dtmf", {"digit": "5", "name": "Zoë\ud800"})
    writer.close()
    message, event = read(tmp_path, "c-1")
    assert message == {
        "t": 12.5,
        "call": "c-1",
        "kind": "sip",
        "dir": "in",
        "leg": "leg-a",
        "flow": {"transport": "udp", "remote": "[2001:db8::1]:5062", "local": "192.0.2.1:5060"},
        "text": data.replace(b"secret", b"***").decode("utf-8", "replace"),
    }
    assert event["kind"] == "event" and event["event"] == "dtmf" and event["detail"]["name"] == "Zoë?"
    assert read(tmp_path, "c-2")[0]["leg"] is None


def test_is_written_while_it_runs(tmp_path: Path) -> None:
    writer = TraceWriter(tmp_path, "1", 3600)
    writer.message("c-1", None, 1.0, "out", FLOW, options())
    start = time.monotonic()
    wait_until(lambda: read(tmp_path, "c-1"))
    assert time.monotonic() - start < 2
    writer.close()


def test_files_are_private_and_named_by_start_and_edge(tmp_path: Path) -> None:
    writer = TraceWriter(tmp_path / "trace", "7", 3600)
    writer.event("c-1", None, 1.0, "x", {})
    writer.close()
    names = sorted(path.name for path in (tmp_path / "trace").iterdir())
    assert len(names) == 2 and all(abs(int(name.partition("-")[0]) - time.time()) < 60 for name in names)
    assert names[0].endswith("-7.idx") and names[1].endswith("-7.seg")
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in (tmp_path / "trace").iterdir())
    assert (tmp_path / "trace").stat().st_mode & 0o777 == 0o700


def test_call_ids_cannot_break_the_index(tmp_path: Path) -> None:
    writer = TraceWriter(tmp_path, "1", 3600)
    ids = ["a b", "a\nb 0 9", "a%20b", "é", ""]
    for call_id in ids:
        writer.event(call_id, None, 1.0, "x", {"id": call_id})
    writer.close()
    for call_id in ids:
        assert [line["detail"]["id"] for line in read(tmp_path, call_id)] == [call_id]


def test_starts_a_new_segment_when_one_is_full(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(trace, "SEGMENT_OCTETS", 10_000)
    monkeypatch.setattr(trace, "BATCH", 10)
    writer = TraceWriter(tmp_path, "1", 3600)
    for number in range(100):
        writer.message("c-1", None, float(number), "in", FLOW, options())
    writer.close()
    assert len(list(tmp_path.glob("*.seg"))) > 3
    assert sorted(line["t"] for line in read(tmp_path, "c-1")) == [float(n) for n in range(100)]


def test_drops_whole_segments_at_retention(tmp_path: Path, monkeypatch) -> None:
    old = tmp_path / "1000-1.seg"
    others = tmp_path / "1000-2.seg"
    for path in (old, old.with_suffix(".idx"), others, others.with_suffix(".idx")):
        path.write_bytes(b"")
        os.utime(path, (time.time() - 7200, time.time() - 7200))
    writer = TraceWriter(tmp_path, "1", 3600)
    writer.event("c-1", None, 1.0, "x", {})
    wait_until(lambda: not old.exists())
    writer.close()
    assert not old.with_suffix(".idx").exists()
    assert others.exists()  # another edge's
    assert read(tmp_path, "c-1")


def test_a_full_queue_drops_and_counts(tmp_path: Path, lines: Lines) -> None:
    writer = TraceWriter(tmp_path, "1", 3600, queue_octets=50_000)
    for _ in range(1000):
        writer.message("c-1", None, 1.0, "in", FLOW, options())
    writer.close()
    assert 0 < writer.dropped < 1000
    assert len(read(tmp_path, "c-1")) == 1000 - writer.dropped
    assert len(lines.about("trace-dropped")) == 1


def test_goes_on_after_a_disk_that_refused(tmp_path: Path, lines: Lines) -> None:
    directory = tmp_path / "trace"
    writer = TraceWriter(directory, "1", 3600)
    directory.rmdir()
    directory.write_text("in the way")
    writer.event("c-1", None, 1.0, "x", {})
    wait_until(lambda: lines.about("trace-write-failed"))
    directory.unlink()
    directory.mkdir()
    writer.event("c-2", None, 1.0, "x", {})
    writer.close()
    assert read(directory, "c-2") and not read(directory, "c-1")


def test_costs_the_loop_little(tmp_path: Path) -> None:
    writer = TraceWriter(tmp_path, "1", 3600)
    data = options()
    best = min(_cpu_per_append(writer, data) for _ in range(5))
    writer.close()
    assert best < 3e-6


def _cpu_per_append(writer: TraceWriter, data: bytes) -> float:
    """CPU seconds of this thread per message."""
    start = time.thread_time()
    for _ in range(2000):
        writer.message("c-1", "leg", 1.0, "in", FLOW, data)
    return (time.thread_time() - start) / 2000
