"""SIPp: many calls of one behaviour, from scenarios under tests/data/sipp."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.process import Child
from tests.e2e.wait import until
from tests.ports import PortBlock, is_taken

SCENARIOS = Path(__file__).parents[1] / "data" / "sipp"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What SIPp counted when it ended."""

    successful: int
    failed: int
    report: str  # why calls failed, as SIPp wrote it

    def assert_all(self, calls: int) -> None:
        """Every call went as its scenario says; otherwise AssertionError with SIPp's report."""
        assert (self.successful, self.failed) == (calls, 0), (
            f"{self.successful} of {calls} calls went as they should, {self.failed} failed\n{self.report}"
        )


class Sipp:
    """One SIPp, started at once: a callee listens on `port`, a caller calls `server` (host:port) from it."""

    def __init__(
        self,
        directory: Path,
        ports: PortBlock,
        scenario: str,
        *,
        calls: int,
        port: int = 0,
        server: str = "",
        rows: Path | None = None,
        rate: int = 25,
        at_once: int = 100,
        transport: str = "udp",
        seconds: int = 120,
        address: str = "127.0.0.1",
        options: Sequence[str] = (),
        niceness: int = 0,
    ) -> None:
        binary = shutil.which("sipp")
        assert binary, "sipp is missing: apt install sip-tester"
        directory.mkdir(parents=True)
        self.port = port or ports.take()
        media_port, _ = ports.take_range(4)
        self._directory = directory
        self._seconds = seconds
        self._statistics = directory / "statistics.csv"
        command = [
            "nice", "-n", str(niceness), binary,
            "-sf", str(SCENARIOS / f"{scenario}.xml"), "-i", address, "-p", str(self.port),
            "-m", str(calls), "-r", str(rate), "-l", str(at_once), "-t", "t1" if transport == "tcp" else "u1",
            "-mp", str(media_port), "-timeout", str(seconds), "-timeout_error", "-nostdin", "-skip_rlimit",
            "-trace_stat", "-stf", str(self._statistics), "-fd", "1",
            "-trace_err", "-error_file", str(directory / "errors.log"), *options,
        ]  # fmt: skip
        if rows is not None:
            command += ["-inf", str(rows)]
        if server:
            command.append(server)
        self._child = Child(command, directory / "screen.log", cwd=directory)

    def wait_listening(self, seconds: float = 15.0) -> None:
        """Until its port is taken: a call before that would find nobody."""

        def look() -> bool:
            assert self._child.code is None, f"SIPp ended with {self._child.code}: {self._report()}"
            return is_taken(self.port)

        until(look, seconds, f"SIPp on port {self.port}")

    @property
    def code(self) -> int | None:
        """Exit code, 0 when all calls went as the scenario says; None while it runs."""
        return self._child.code

    def wait(self) -> Outcome:
        """Until all calls are done, or its own time limit."""
        self._child.wait(self._seconds + 20)
        return self.outcome()

    def wait_no_longer(self, seconds: float) -> Outcome:
        """Until all calls are done, or `seconds` are over; then it is ended."""
        with suppress(AssertionError):
            self._child.wait(seconds)
        self.stop()
        return self.outcome()

    def outcome(self) -> Outcome:
        """What is counted so far."""
        lines = self._statistics.read_text().splitlines() if self._statistics.exists() else []
        rows = list(csv.DictReader(lines, delimiter=";"))
        last = rows[-1] if rows else {}
        good, bad = (int(last.get(f"{name}Call(C)", 0)) for name in ("Successful", "Failed"))
        return Outcome(good, bad, self._report())

    def stop(self) -> None:
        """End it; for callees that have no more calls to come."""
        self._child.stop(3)

    def __enter__(self) -> Sipp:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _report(self) -> str:
        errors = self._directory / "errors.log"
        text = errors.read_text(errors="replace") if errors.exists() else ""
        return f"{text[:3000]}\n{self._child.tail(40)}"


def write_rows(path: Path, rows: Iterable[tuple[str, str, str]]) -> Path:
    """An injection file of (number, secret, number called).

    Call after call takes the next row, from the first again when all are used. The keyword that makes SIPp
    answer a challenge must stand in the file itself: it does not look into fields for the name and password.
    """
    lines = [
        f"{number};[authentication username={number} password={secret}];{called}\n"
        for number, secret, called in rows
    ]
    path.write_text("SEQUENTIAL\n" + "".join(lines))
    return path
