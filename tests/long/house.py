"""The running product seen from inside: counts, processes, stored state, records; and a crowd that calls."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis

from tests.e2e.instance import Instance, Person
from tests.e2e.sipp import SCENARIOS, Sipp, write_rows
from tests.e2e.wait import until
from tests.ports import PortBlock
from ucplatform import ng

RECORDS = """
import json
from ucplatform.calls.models import Call
rows = Call.objects.filter(caller_number__in={numbers!r}).order_by("created")
fields = ("id", "result", "cause", "hung_up_by", "dialled", "rang", "answered", "ended")
found = [{{name: getattr(row, name) for name in fields}} for row in rows]
print(json.dumps(found, default=lambda moment: moment.timestamp()))
"""

Record = dict[str, Any]


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=5)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(5)
        self.sock.connect(str(self._path))


@dataclass(frozen=True)
class Footprint:
    """What a process holds: memory in MiB, in the machine's or swapped out, threads, sockets."""

    memory: float
    threads: int
    sockets: int


class House:
    """One Instance, for tests that look behind its doors."""

    def __init__(self, instance: Instance, ports: PortBlock) -> None:
        self.instance = instance
        self.ports = ports
        self.run = instance.data / "run"
        self.redis: Redis = Redis(unix_socket_path=str(self.run / "redis.sock"), decode_responses=True)
        self._numbers = 4000

    # -- counts ----------------------------------------------------------------------------------

    def edge(self) -> dict[str, Any]:
        """The edge's own /healthz: state, lacks, calls, registrations; empty while it is away."""
        connection = UnixConnection(self.run / "edge.sock")
        try:
            connection.request("GET", "/healthz")
            found: dict[str, Any] = json.loads(connection.getresponse().read())
            return found
        except (OSError, http.client.HTTPException):
            return {}
        finally:
            connection.close()

    def calls(self) -> int:
        """Calls the edge knows of; -1 while it is away."""
        return int(self.edge().get("calls", -1))

    def free_ports(self) -> tuple[int, int]:
        """(free, total) media ports of the gateway."""
        host, _, port = self.instance.environment["UC_GATEWAY_NG"].partition(":")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
            link.settimeout(5)
            link.connect((host, int(port)))
            link.send(ng.encode(os.urandom(6).hex(), {"command": "ping"}))
            _, reply = ng.decode(link.recv(65536))
        found = reply["ports"]
        assert isinstance(found, dict)
        return int(str(found["free"])), int(str(found["total"]))

    def footprint(self, role: str) -> Footprint:
        """What a role's process holds now."""
        process = Path(f"/proc/{self.instance.pid(role)}")
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        sockets = 0
        for entry in (process / "fd").iterdir():
            with contextlib.suppress(OSError):  # closed while we looked
                sockets += os.readlink(entry).startswith("socket:")
        memory = sum(int(status[name].split()[0]) for name in ("VmRSS", "VmSwap")) / 1024
        return Footprint(memory, int(status["Threads"]), sockets)

    # -- stored state ----------------------------------------------------------------------------

    def talking(self) -> int:
        """Calls whose stored snapshot says that both sides talk."""
        texts = [self.redis.get(key) for key in self.redis.scan_iter("uc:call:*", count=1000)]
        return sum(json.loads(str(text))["state"] == "talking" for text in texts if text)

    def registrations(self) -> dict[str, str]:
        """Number to contact of the first device, as stored."""
        keys = list(self.redis.scan_iter("uc:reg:*", count=1000))
        found = {key.removeprefix("uc:reg:").partition("@")[0]: self.redis.get(key) for key in keys}
        return {number: json.loads(str(text))[0]["contact"] for number, text in found.items() if text}

    def records(self, callers: list[Person]) -> list[Record]:
        """The rows of the calls these people have made; times are unix seconds."""
        script = RECORDS.format(numbers=[person.number for person in callers])
        found: list[Record] = json.loads(self.instance.manage("shell", "-c", script).splitlines()[-1])
        return found

    def wait_records(self, callers: list[Person], count: int) -> list[Record]:
        """Until so many rows are there; more than that is an error."""
        rows = until(
            lambda: found if len(found := self.records(callers)) >= count else [],
            40,
            f"{count} records",
            every=0.5,
        )
        assert len(rows) == count and len({row["id"] for row in rows}) == count
        return rows

    # -- ends ------------------------------------------------------------------------------------

    def end(self, role: str, number: signal.Signals) -> None:
        """A signal to a role's process; back when another process is ready in its place."""
        pid = self.instance.pid(role)
        os.kill(pid, number)
        self.wait_ready(unlike=pid)

    def wait_ready(self, unlike: int = 0) -> None:
        """Until the edge is ready, as another process than `unlike`."""

        def ready() -> bool:
            found = self.edge()
            return found.get("state") == "ready" and found["pid"] != unlike

        until(ready, 30, "the edge ready again", every=0.1)

    def redis_pid(self) -> int | None:
        """The private Redis, found by its socket in our run directory; None while there is none."""
        socket_path = str(self.run / "redis.sock").encode()
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                name = (entry / "comm").read_text().strip() if entry.name.isdigit() else ""
                if (
                    name in ("valkey-server", "redis-server")
                    and socket_path in (entry / "cmdline").read_bytes()
                ):
                    return int(entry.name)
        return None

    # -- people ----------------------------------------------------------------------------------

    def crowd(self, count: int) -> list[Person]:
        """New extensions that nobody else uses."""
        first = self._numbers
        self._numbers += count
        people = [Person(str(n), f"Crowd {n}", f"secret-{n}") for n in range(first, first + count)]
        self.instance.load(people)
        return people

    def sign_in(self, directory: Path, people: list[Person], port: int = 0) -> int:
        """Register these; the port at which their calls arrive, which may be given."""
        rows = write_rows(directory / "people.csv", [(p.number, p.secret, p.number) for p in people])
        port = port or self.ports.take()
        with Sipp(
            directory / "register", self.ports, "register", calls=len(people), port=port,
            server=self.instance.sip, rows=rows, rate=100,
        ) as sipp:  # fmt: skip
            sipp.wait().assert_all(len(people))
        return port

    @contextlib.contextmanager
    def callees(self, directory: Path, port: int, calls: int, scenario: str) -> Iterator[Sipp]:
        """Somebody who answers there."""
        with Sipp(
            directory, self.ports, scenario, calls=calls, port=port, at_once=calls, seconds=300
        ) as sipp:
            sipp.wait_listening()
            yield sipp

    def caller(
        self, directory: Path, pairs: list[tuple[Person, str]], calls: int, scenario: str, rate: int = 20
    ) -> Sipp:
        """These people call those numbers, one after the other and again from the first."""
        directory.parent.mkdir(parents=True, exist_ok=True)
        rows = write_rows(
            directory.with_suffix(".csv"), [(person.number, person.secret, to) for person, to in pairs]
        )
        return Sipp(
            directory, self.ports, scenario, calls=calls, server=self.instance.sip, rows=rows, rate=rate,
            at_once=calls, seconds=300,
        )  # fmt: skip


def variant(directory: Path, scenario: str, *changes: tuple[str, str]) -> str:
    """A scenario with parts of its text replaced, as a name that Sipp takes."""
    text = (SCENARIOS / f"{scenario}.xml").read_text()
    for old, new in changes:
        assert old in text, f"{scenario} has no {old!r}"
        text = text.replace(old, new)
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{scenario}.xml"
    path.write_text(text)
    return str(path.with_suffix(""))
