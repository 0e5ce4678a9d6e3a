"""The whole house as an operator meets it: `manage.py up` with every real role."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.process import Child
from tests.e2e.wait import until
from tests.ports import PortBlock

pytestmark = pytest.mark.timeout(180)
ROOT = Path(__file__).resolve().parents[2]
ROLES = {"front", "web", "edge-1", "gateway-1", "worker", "beat"}
START_S = 60  # on a busy machine
SECOND_START_S = 6  # the best of three
MEDIA_PORTS = 100


class House:
    """One install: a data directory and ports of its own."""

    def __init__(self, data: Path, ports: PortBlock) -> None:
        self.data = data
        self.http = ports.take()
        kept = {name: value for name, value in os.environ.items() if not name.startswith("UC_")}
        kept.pop("REDIS_URL", None)
        kept.pop("DATABASE_URL", None)
        self.environment = {
            **kept,
            "UC_DATA_DIR": str(data),
            "UC_HTTP": f"127.0.0.1:{self.http}",
            "UC_HTTPS": f"127.0.0.1:{ports.take()}",
            "UC_SIP_UDP": f"127.0.0.1:{ports.take()}",
            "UC_SIP_TLS": f"127.0.0.1:{ports.take()}",
            "UC_GATEWAY_NG": f"127.0.0.1:{ports.take()}",
            "UC_RTP_PORTS": "{}-{}".format(*ports.take_range(MEDIA_PORTS)),
        }

    def prepare(self) -> None:
        self.data.mkdir()
        command = [sys.executable, "scripts/bootstrap.py", "database"]
        subprocess.run(command, cwd=ROOT, env=self.environment, check=True, stdout=subprocess.DEVNULL)

    def up(self) -> Child:
        return self.start([sys.executable, "manage.py", "up"])

    def start(self, command: list[str]) -> Child:
        return Child(command, self.data / "up.log", env=self.environment, cwd=ROOT)

    def health(self) -> tuple[int, dict[str, dict[str, object]]]:
        """Status of /healthz and its roles; (0, {}) when nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=5)
        try:
            connection.request("GET", "/healthz")
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())["roles"]
        except (OSError, http.client.HTTPException, ValueError, KeyError):
            return 0, {}
        finally:
            connection.close()

    def until_ready(self, child: Child) -> dict[str, int]:
        """The process ids of all roles, once /healthz is 200."""

        def look() -> dict[str, dict[str, object]] | None:
            assert child.code is None, child.tail()
            status, roles = self.health()
            return roles if status == 200 else None

        found = until(look, START_S, f"/healthz 200\n{child.tail()}")
        return {name: int(str(role["pid"])) for name, role in found.items()}

    def processes(self) -> list[str]:
        """Whoever runs with this data directory in its environment."""
        mark = f"UC_DATA_DIR={self.data}".encode()
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue  # gone while we looked
        return found


class Running:
    """A house and its supervisor."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.start()

    def start(self) -> None:
        self.child = self.house.up()

    def pids(self) -> dict[str, int]:
        """Of all roles, once the house is ready."""
        return self.house.until_ready(self.child)


@pytest.fixture(scope="module")
def make_house(tmp_path_factory: pytest.TempPathFactory, ports: PortBlock) -> Callable[[], House]:
    """make_house(): an install with its database made."""

    def make() -> House:
        made = House(tmp_path_factory.mktemp("house") / "data", ports)
        made.prepare()
        return made

    return make


@pytest.fixture(scope="module")
def running(make_house: Callable[[], House]) -> Iterator[Running]:
    """One that each test finds running and leaves running."""
    found = Running(make_house())
    yield found
    found.child.stop()


def test_two_installs_run_side_by_side_and_stop_without_a_trace(
    running: Running, make_house: Callable[[], House]
) -> None:
    other = Running(make_house())
    try:
        pids = running.pids(), other.pids()
        assert set(pids[0]) == set(pids[1]) == ROLES
        assert not set(pids[0].values()) & set(pids[1].values())
        other.child.signal(signal.SIGINT)
        assert other.child.wait(10) == 0
    finally:
        other.child.stop()
    assert other.house.processes() == []
    assert "Ready." in other.child.text()
    assert running.pids() == pids[0]


def test_killed_roles_come_back_alone(running: Running) -> None:
    before = running.pids()
    for role in ("edge-1", "gateway-1", "web", "worker"):
        os.kill(before[role], signal.SIGKILL)
    for role in ("edge-1", "gateway-1", "web", "worker"):
        until(lambda role=role: f"{role} was ended by SIGKILL" in running.child.text(), 10, f"{role} missed")

    def all_new() -> bool:
        status, roles = running.house.health()
        return status == 200 and all(roles[name]["pid"] != before[name] for name in ("edge-1", "gateway-1"))

    until(all_new, START_S, "the roles to be back")
    after = running.pids()
    assert {name for name in ROLES if after[name] == before[name]} == {"front", "beat"}


def test_nothing_outlives_a_killed_supervisor_and_the_next_one_starts(running: Running) -> None:
    running.pids()
    running.child.signal(signal.SIGKILL)
    running.child.wait(5)
    until(lambda: not running.house.processes(), 10, "every process to be gone")
    running.start()
    running.pids()


@pytest.mark.alone
def test_a_second_run_is_ready_within_seconds(make_house: Callable[[], House]) -> None:
    which = make_house()
    took: list[float] = []
    while len(took) < 4 and (len(took) < 2 or min(took[1:]) > SECOND_START_S):  # the first may still build
        begun = time.monotonic()
        child = which.start(["make", "run"])
        try:
            which.until_ready(child)
            took.append(time.monotonic() - begun)
        finally:
            child.stop()
        until(lambda: not which.processes(), 10, "every process to be gone")
    assert min(took[1:]) <= SECOND_START_S, took


@pytest.mark.parametrize(
    ("variable", "kind", "role"),
    [
        ("UC_HTTP", socket.SOCK_STREAM, "front"),
        ("UC_SIP_UDP", socket.SOCK_DGRAM, "edge-1"),
        ("UC_GATEWAY_NG", socket.SOCK_DGRAM, "gateway-1"),
    ],
)
def test_a_taken_port_is_a_clear_error(
    variable: str, kind: socket.SocketKind, role: str, tmp_path: Path, ports: PortBlock
) -> None:
    which = House(tmp_path / "install", ports)
    which.data.mkdir()
    host, _, port = which.environment[variable].rpartition(":")
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind((host, int(port)))
        if kind == socket.SOCK_STREAM:
            taken.listen()
        child = which.up()
        assert child.wait(30) == 1
    said = child.text()
    assert f"port {port}" in said and role in said and variable in said
    assert "Traceback" not in said
    assert which.processes() == []
