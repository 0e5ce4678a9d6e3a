"""Call records survive a dead database, a dead process and a torn file, each once."""

import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.edge.conftest import Lines, wait_until
from ucplatform.edge.ingester import Position
from ucplatform.edge.journal import Journal, decode, encode


class Table:
    """Keeps records by id, as the database does; `away` makes it raise."""

    def __init__(self) -> None:
        self.rows: dict[str, dict] = {}
        self.batches: list[int] = []
        self.away: Exception | None = None
        self.bad: set[str] = set()
        self.tried = threading.Event()

    def ingest(self, records: list[dict]) -> None:
        self.tried.set()
        if self.away is not None:
            raise self.away
        if any(record["id"] in self.bad for record in records):
            raise ValueError("this record cannot be stored")
        self.batches.append(len(records))
        self.rows |= {record["id"]: record for record in records}


def record(number: int) -> dict:
    return {"id": f"c-{number}", "caller": {"name": "Zoë\n"}, "ended": 1.5, "callee": None}


def test_hands_records_over_and_remembers(tmp_path: Path) -> None:
    table = Table()
    journal = Journal(tmp_path, table.ingest)
    for number in range(1000):
        journal.append(record(number))
    wait_until(lambda: len(table.rows) == 1000)
    assert table.rows["c-7"] == record(7) and max(table.batches) <= 200
    journal.close()
    again = Table()
    journal = Journal(tmp_path, again.ingest)
    journal.append(record(1000))
    wait_until(lambda: again.rows)
    journal.close()
    assert list(again.rows) == ["c-1000"]


def test_is_on_disk_within_50_ms(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    taken = []
    for number in range(5):
        before, start = journal.synced, time.monotonic()
        journal.append(record(number))
        wait_until(lambda: journal.synced != before)  # noqa: B023 called at once
        taken.append(time.monotonic() - start)
    journal.close()
    assert min(taken) < 0.05


def test_waits_for_a_dead_database(tmp_path: Path, lines: Lines) -> None:
    table = Table()
    table.away = OSError("no database")
    journal = Journal(tmp_path, table.ingest, transient=(OSError,))
    for number in range(300):
        journal.append(record(number))
    wait_until(table.tried.is_set)
    assert not table.rows
    table.away = None
    wait_until(lambda: len(table.rows) == 300)
    journal.close()
    assert len(lines.about("ingest-waiting")) == 1 and len(lines.about("ingest-recovered")) == 1


def test_ends_quickly_while_the_database_is_dead(tmp_path: Path) -> None:
    table = Table()
    table.away = OSError("no database")
    journal = Journal(tmp_path, table.ingest)
    journal.append(record(1))
    wait_until(table.tried.is_set)
    start = time.monotonic()
    journal.close()
    assert time.monotonic() - start < 1.0
    table.away = None
    journal = Journal(tmp_path, table.ingest)
    wait_until(lambda: table.rows)
    journal.close()


def test_a_record_that_cannot_be_stored_is_put_aside(tmp_path: Path, lines: Lines) -> None:
    table = Table()
    table.bad = {"c-3"}
    journal = Journal(tmp_path, table.ingest, transient=(OSError,))
    for number in range(10):
        journal.append(record(number))
    wait_until(lambda: len(table.rows) == 9)
    journal.close()
    assert "c-3" in (tmp_path / "rejected.jsonl").read_text()
    assert len(lines.about("record-rejected")) == 1
    assert not list(Journal(tmp_path).replay())


def test_cuts_a_torn_tail(tmp_path: Path, lines: Lines) -> None:
    journal = Journal(tmp_path)
    journal.append(record(1))
    journal.close()
    path = next(tmp_path.glob("0*.log"))
    with path.open("ab") as file:
        file.write(encode(record(2))[:-10])
    journal = Journal(tmp_path)
    journal.append(record(3))
    journal.close()
    assert [r["id"] for r in Journal(tmp_path).replay()] == ["c-1", "c-3"]
    assert len(lines.about("journal-tail-cut")) == 1


def test_passes_over_a_damaged_line(tmp_path: Path, lines: Lines) -> None:
    journal = Journal(tmp_path)
    for number in range(3):
        journal.append(record(number))
    journal.close()
    path = next(tmp_path.glob("0*.log"))
    path.write_bytes(path.read_bytes().replace(b"c-1", b"c-9"))
    assert [r["id"] for r in Journal(tmp_path).replay()] == ["c-0", "c-2"]
    assert len(lines.about("journal-line-damaged")) == 1


def test_drops_segments_that_are_done(tmp_path: Path) -> None:
    table = Table()
    table.away = OSError()
    journal = Journal(tmp_path, table.ingest, segment_octets=1000)
    for number in range(60):
        journal.append(record(number))
        wait_until(lambda: not journal._queue)
    wait_until(lambda: journal.synced.segment > 3)
    assert len(list(tmp_path.glob("0*.log"))) > 3
    table.away = None
    wait_until(lambda: len(table.rows) == 60)
    wait_until(lambda: len(list(tmp_path.glob("0*.log"))) == 1)
    journal.close()
    assert Position.load(tmp_path) == journal.synced


def test_survives_kill_9(tmp_path: Path) -> None:
    """A process that appends and is killed: what it saw synced is there, and the file is good to go on
    with.
    """
    script = (
        "import sys; from pathlib import Path; from ucplatform.edge.journal import Journal\n"
        "journal = Journal(Path(sys.argv[1]))\n"
        "for n in range(10**9):\n"
        "    before = journal.synced\n"
        "    journal.append({'id': f'c-{n}'})\n"
        "    while journal.synced == before: pass\n"
        "    print(n, flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE)
    assert process.stdout is not None
    seen = [int(process.stdout.readline()) for _ in range(5)]
    process.send_signal(signal.SIGKILL)
    process.wait()
    seen += [int(line) for line in process.stdout]
    table = Table()
    journal = Journal(tmp_path, table.ingest)
    journal.append({"id": "after"})
    wait_until(lambda: "after" in table.rows)
    journal.close()
    assert {f"c-{n}" for n in seen} <= set(table.rows)


def test_keeps_records_while_the_disk_refuses(tmp_path: Path, lines: Lines) -> None:
    """The kernel takes only part of a line, as on a full disk (Python ignores SIGXFSZ)."""
    journal = Journal(tmp_path)
    journal.append(record(1))
    wait_until(lambda: journal.synced.offset)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (journal.synced.offset + 20, hard))
    try:
        journal.append(record(2))
        wait_until(lambda: lines.about("journal-write-failed"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    journal.append(record(3))
    wait_until(lambda: not journal._queue)
    journal.close()
    assert [r["id"] for r in Journal(tmp_path).replay()] == ["c-1", "c-2", "c-3"]
    assert not lines.about("journal-line-damaged")


@pytest.mark.parametrize("line", [b"", b"x", b"00000000 {}", b"zzzzzzzz {}", b"\x00" * 40])
def test_reads_no_damaged_line(line: bytes) -> None:
    assert decode(line) is None


def test_our_own_mistake_does_not_stop_the_journal(tmp_path: Path, lines: Lines) -> None:
    journal = Journal(tmp_path)
    journal.append({"id": "c-1", "what": object()})
    journal.append(record(2))
    journal.close()
    assert [r["id"] for r in Journal(tmp_path).replay()] == ["c-2"]
    assert len(lines.about("journal-record-unreadable")) == 1
