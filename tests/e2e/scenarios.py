"""Rows of a table, each a call between SIPps of its own through one house; many are played at once."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.instance import Instance, Person
from tests.e2e.signin import sign_in
from tests.e2e.sipp import Outcome, Sipp
from tests.e2e.wait import until
from tests.ports import PortBlock

#: SIPps that play at once are this many pairs, mostly waiting.
PAIRS = 8
SECONDS = 12
#: How long a side that is through waits for the other.
AFTERWARDS = 4
BOTH = ("udp", "tcp")
UDP = ("udp",)
TCP = ("tcp",)  # over UDP SIPp answers copies by copies

#: A Call-ID without @, which may stand in Replaces as it is. One message is read at a time: a second one that
#: comes with it would find SIPp about to answer the first, and count as unexpected.
PLAIN = ("-cid_str", "%u-%p-sipp", "-max_recv_loops", "1")

RECORDS = """
import json, time
from ucplatform.calls.models import Call
wanted, numbers, end = {wanted}, {numbers!r}, time.monotonic() + 10
while True:
    rows = list(Call.objects.filter(caller_number__in=numbers).values(
        "caller_number", "dialled", "result", "cause", "status", "hung_up_by", "answered", "callee_number"))
    if len(rows) >= wanted or time.monotonic() > end:
        break
    time.sleep(0.1)
print(json.dumps(rows, default=str))
"""


@dataclass(frozen=True, slots=True)
class Row:
    """Who plays what, and what the call record must say: nothing (None), or result, cause and who ended it
    ("" where that is a race). `records`: how many there must be, since a transfer has two.

    `called` is dialled in place of the first callee's number. Several callees with `fork` are devices of one
    extension. A callee without a name is registered and must not be called. `contact` and
    `headers` are of the callees' registration; `transport` is filled in by `rows`.
    `told`: words of the one line in the edge's log.
    """

    caller: str
    callees: tuple[str, ...] = ()
    result: str | None = "answered"
    cause: str = ""
    by: str = ""
    transports: tuple[str, ...] = BOTH
    called: str = ""
    fork: bool = False
    contact: str = ""
    headers: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    records: int = 1
    transport: str = "udp"
    name: str = ""

    @property
    def id(self) -> str:
        return "-".join([self.name or self.caller, *(() if self.name else self.callees), self.transport])


def rows(*table: Row) -> list[Row]:
    """Each row once for each of its transports."""
    return [
        Row(**{**{f: getattr(row, f) for f in Row.__slots__}, "transport": transport})
        for row in table
        for transport in row.transports
    ]


@dataclass(slots=True)
class Played:
    """What came of a row."""

    row: Row
    people: list[Person]
    directory: Path
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    fault: str = ""
    records: list[dict[str, Any]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def check(self) -> None:
        """AssertionError with all that is known, when anything was not as the row says."""
        assert not self.fault, self.fault
        bad = {role: outcome for role, outcome in self.outcomes.items() if outcome.successful != 1}
        assert not bad, "\n".join(
            f"{role} failed\n{outcome.report}\n{self._messages(role)}" for role, outcome in bad.items()
        )
        self._check_record()
        if self.row.told:
            assert len(self.lines) == 1, f"{len(self.lines)} lines with {self.row.told}: {self.lines}"

    def _check_record(self) -> None:
        row = self.row
        if row.result is None:
            assert self.records == []
            return
        assert len(self.records) == row.records, self.records
        for record in self.records:
            for key, wanted in (("result", row.result), ("cause", row.cause), ("hung_up_by", row.by)):
                assert not wanted or record[key] == wanted, record

    def _messages(self, role: str) -> str:
        path = self.directory / role / "messages.log"
        return path.read_text(errors="replace")[-12000:] if path.exists() else ""


class Stage:
    """Plays rows in one house."""

    _numbers = iter(range(6000, 9000))

    def __init__(self, instance: Instance, ports: PortBlock, directory: Path) -> None:
        self._instance = instance
        self._ports = ports
        self._directory = directory
        self._lock = threading.Lock()  # ports are handed out to one at a time

    def play(self, table: Iterable[Row]) -> dict[str, Played]:
        """All of them, several at once; then what the house has written down about each."""
        played = [self._cast(place, row) for place, row in enumerate(table)]
        self._instance.load([person for one in played for person in one.people])
        with ThreadPoolExecutor(PAIRS) as pool:
            list(pool.map(self._play, played))
        self._read_records(played)
        log = (self._instance.data / "log" / "edge-1.log").read_text(errors="replace").splitlines()
        for one in played:
            words = (*one.row.told, one.people[0].number)
            one.lines = [line for line in log if all(word in line for word in words)]
        return {one.row.id: one for one in played}

    def _cast(self, place: int, row: Row) -> Played:
        numbers = [str(next(self._numbers)) for _ in range(1 + max(2, len(row.callees)))]
        people = [Person(number, f"Actor {number}", f"secret-{number}") for number in numbers]
        return Played(row, people, self._directory / f"{place:03}-{row.id[:80]}")

    def _read_records(self, played: list[Played]) -> None:
        wanted = sum(one.row.result is not None for one in played)
        numbers = [person.number for one in played for person in one.people]
        script = RECORDS.format(wanted=wanted, numbers=numbers)
        found = json.loads(self._instance.manage("shell", "-c", script).splitlines()[-1])
        for one in played:
            mine = {person.number for person in one.people}
            one.records = [record for record in found if record["caller_number"] in mine]

    # -- one row -----------------------------------------------------------------------------------

    def _play(self, played: Played) -> None:
        played.directory.mkdir(parents=True)
        try:
            with ExitStack() as stack:
                self._act(played, stack)
        except (AssertionError, OSError) as error:
            played.fault = f"{type(error).__name__}: {error}"

    def _act(self, played: Played, stack: ExitStack) -> None:
        row, people = played.row, played.people
        answering = {}
        for place, name in enumerate(row.callees, 1):
            person = people[1] if row.fork else people[place]
            port = self._sign_in(row, person)
            if name:
                role = f"callee-{place}-{name}"
                answering[role] = self._start(played, stack, role, name, person, port)
        for sipp in answering.values():
            sipp.wait_listening()
        role = f"caller-{row.caller}"
        asking = self._start(played, stack, role, row.caller, people[0], 0)
        everybody = {role: asking, **answering}
        until(lambda: _is_over(everybody.values()), SECONDS + 5, "the end of the call")
        patience = AFTERWARDS if all(sipp.code in (None, 0) for sipp in everybody.values()) else 0.5
        for name, sipp in everybody.items():
            played.outcomes[name] = sipp.wait_no_longer(patience)

    def _sign_in(self, row: Row, person: Person) -> int:
        with self._lock:
            port = self._ports.take()
        answer = sign_in(
            self._instance, person, port, row.transport, contact=row.contact, headers=row.headers
        )
        assert answer.status == 200, f"{person.number} was not let in: {answer.status} {answer.reason}"
        return port

    def _start(
        self, played: Played, stack: ExitStack, role: str, name: str, person: Person, port: int
    ) -> Sipp:
        row, people = played.row, played.people
        called = [row.called or people[1].number, people[2].number]
        fields = [
            person.number,
            f"[authentication username={person.number} password={person.secret}]",
            *called,
            f"[authentication username={person.number} password=wrong]",
            "   ",
        ]
        path = played.directory / f"{role[:60]}.csv"
        path.write_text(f"SEQUENTIAL\n{';'.join(fields)}\n")
        messages = played.directory / role / "messages.log"
        with self._lock:
            sipp = Sipp(
                played.directory / role, self._ports, name, calls=1, port=port, rows=path, seconds=SECONDS,
                server="" if port else self._instance.sip, transport=row.transport,
                options=("-trace_msg", "-message_file", str(messages), *PLAIN),
            )  # fmt: skip
        return stack.enter_context(sipp)


def _is_over(sipps: Iterable[Sipp]) -> bool:
    """One side is through, or has given up: the others need not be waited for long."""
    return any(sipp.code is not None for sipp in sipps)


def chosen(items: Iterable[Any], module: Any) -> Iterator[Row]:
    """The rows of those tests of a module that are about to run."""
    for item in items:
        if item.module is module and hasattr(item, "callspec") and "row" in item.callspec.params:
            yield item.callspec.params["row"]
