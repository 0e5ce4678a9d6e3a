"""The basic call and the registration of the benchmarks, as often as asked, by SIPp on both sides."""

import csv
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from bench_probe import Probe

from tests.e2e.instance import Person
from tests.e2e.sipp import Outcome, Sipp, write_rows
from tests.ports import PortBlock

HERE = Path(__file__).parent
PEOPLE = 100  # who are called, and as many who call
TALK_MS = 500
BUFFER = ("-buff_size", "4000000", "-timer_resol", "1")


@dataclass(frozen=True)
class Run:
    """What a run of calls gave. `ringing`: of timed calls, ms from INVITE with credentials to 180."""

    calls: int
    failed: int
    retransmissions: int
    report: str
    ringing: list[float] = field(repr=False, default_factory=list)

    def percentile(self, share: float) -> float:
        """ms that this share of the calls did not exceed."""
        if len(self.ringing) < 2:
            return float("inf")
        return statistics.quantiles(self.ringing, n=1000, method="inclusive")[round(share * 1000) - 1]


def people(first: int = 3000) -> tuple[list[Person], list[Person]]:
    """Those who are called, and those who call."""
    everybody = [Person(str(n), f"Bench {n}", f"secret-{n}") for n in range(first, first + 2 * PEOPLE)]
    return everybody[:PEOPLE], everybody[PEOPLE:]


class Crowd:
    """SIPps that call each other through one server; each run has a directory of its own."""

    def __init__(
        self, directory: Path, ports: PortBlock, server: str, callee: int, first: int = 3000
    ) -> None:
        """`callee` is the port at which calls arrive, `first` the lowest number of these people."""
        self.server = server
        self.called, self.calling = people(first)
        self._directory = directory
        self._ports = ports
        self._callee = callee
        self._runs = 0
        directory.mkdir(parents=True, exist_ok=True)

    def place(self, name: str) -> Path:
        self._runs += 1
        return self._directory / f"{self._runs}-{name}"

    def register(
        self, who: Iterable[Person], times: int, rate: int, port: int = 0, seconds: int = 120
    ) -> Outcome:
        """So many registrations with digest, of these people one after the other and again from the first."""
        place = self.place("register")
        rows = write_rows(place.with_suffix(".csv"), [(p.number, p.secret, p.number) for p in who])
        registering = Sipp(
            place, self._ports, "register", calls=times, port=port or self._ports.take(), server=self.server,
            rows=rows, rate=rate, at_once=times, seconds=seconds, options=BUFFER,
        )  # fmt: skip
        with registering:
            return registering.wait()

    def sign_in(self) -> None:
        """Everybody who is called registers from the port where calls arrive."""
        self.register(self.called, PEOPLE, 100, port=self._callee).assert_all(PEOPLE)

    def call(self, calls: int, rate: int, talk_ms: int = TALK_MS, answered: bool = True) -> Run:
        """So many calls, of which so many begin in a second. Without `answered` somebody else answers."""
        place = self.place(f"calls-{rate}")
        place.mkdir()
        caller = place / "bench_caller"
        text = (HERE / "bench_caller.xml").read_text()
        caller.with_suffix(".xml").write_text(text.replace('"PAUSE"', f'"{talk_ms}"'))
        pairs = zip(self.calling, self.called, strict=True)
        numbers = [(a.number, a.secret, b.number) for a, b in pairs]
        rows = write_rows(place / "calls.csv", numbers)
        options = (*BUFFER, "-trace_counts")
        seconds = calls // rate + talk_ms // 1000 + 90

        def caller_side() -> Sipp:
            return Sipp(
                place / "caller", self._ports, str(caller), calls=calls, rows=rows, rate=rate, at_once=calls,
                server=self.server, seconds=seconds, options=options,
            )  # fmt: skip

        if not answered:
            with caller_side() as asking:
                return outcome(asking.wait(), [place / "caller"])
        answering = Sipp(
            place / "callee", self._ports, str(HERE / "bench_callee"), calls=calls, port=self._callee,
            at_once=calls, seconds=seconds, options=options,
        )  # fmt: skip
        with answering:
            answering.wait_listening()
            with caller_side() as asking:
                return outcome(asking.wait(), [place / "caller", place / "callee"])

    def timed(self, calls: int, rate: int, domain: str) -> Run:
        """The same calls by a caller that times them to microseconds."""
        place = self.place(f"timed-{rate}")
        pairs = list(zip(self.calling, self.called, strict=True))
        answering = Sipp(
            place, self._ports, str(HERE / "bench_callee"), calls=calls, port=self._callee, at_once=calls,
            seconds=calls // rate + 90, options=BUFFER,
        )  # fmt: skip
        with answering:
            answering.wait_listening()
            probe = Probe(self.server, domain, pairs, TALK_MS / 1000)
            made = probe.run(calls, rate)
            report = answering.outcome().report
        ringing = [call.ringing for call in made if call.done and call.ringing is not None]
        return Run(len(made), len(made) - len(ringing), probe.retransmissions, report, ringing)


def outcome(counted: Outcome, sides: list[Path]) -> Run:
    """From the files that SIPp leaves."""
    retransmissions = sum(retransmitted(path) for side in sides for path in side.glob("*_counts.csv"))
    return Run(counted.successful + counted.failed, counted.failed, retransmissions, counted.report)


def retransmitted(path: Path) -> int:
    """Copies sent and copies received, of all messages of one side."""
    rows = list(csv.DictReader(path.read_text().splitlines(), delimiter=";"))
    last = rows[-1] if rows else {}
    return sum(int(value or 0) for name, value in last.items() if name and name.endswith("_Retrans"))
