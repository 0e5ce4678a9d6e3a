"""The supervisor with real programs: Valkey, Caddy and small scripts."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from ucplatform.embedded import programs
from ucplatform.embedded import redis as private_redis
from ucplatform.embedded.address import Address, AddressError, Port
from ucplatform.embedded.plan import LAST_STAGE, Plan, Role
from ucplatform.embedded.probe import HttpProbe, RedisProbe, redis_client
from ucplatform.embedded.supervisor import Supervisor
from ucplatform.embedded.watch import Timing

FAST = Timing(
    first_delay=0.05, longest_delay=0.4, slow_probe=0.05, probe_timeout=0.5, hung=0.3, stop=1.0, attempts=3
)


@dataclass
class House:
    """A supervisor that runs, and what it put on the screen."""

    supervisor: Supervisor
    running: "asyncio.Task[int]"
    lines: list[str]
    ready: asyncio.Event

    def watch(self, name: str):
        return next(watch for watch in self.supervisor.watches if watch.role.name == name)

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(15):
            while not condition():
                await asyncio.sleep(0)
                if self.running.done():
                    raise AssertionError(f"it ended with {self.running.result()}: {self.lines}")

    async def stop(self) -> int:
        self.supervisor._asked(signal.SIGTERM)
        return await asyncio.wait_for(self.running, 10)


@pytest.fixture
def redis_url(tmp_path: Path) -> str:
    return f"unix://{tmp_path / 'run' / 'redis.sock'}"


@pytest.fixture
def redis_role(tmp_path: Path, redis_url: str) -> Role:
    path = tmp_path / "run" / "redis.sock"
    command = private_redis.command(tmp_path, path)
    return Role(
        "redis", command, RedisProbe(redis_client(redis_url)), stage=LAST_STAGE, first=True, gone=path
    )


@pytest.fixture
def front_role(tmp_path: Path, free_port: Callable[[], int]) -> Role:
    port = free_port()
    config = tmp_path / "Caddyfile"
    config.write_text(
        f"{{\n\tadmin off\n\tpersist_config off\n}}\nhttp://127.0.0.1:{port} {{\n\trespond ok\n}}\n"
    )
    address = Address("127.0.0.1", port)
    return Role(
        "front",
        (programs.caddy(), "run", "--adapter", "caddyfile", "--config", str(config)),
        HttpProbe(address, "/"),
        ports=(Port("UC_HTTP", "tcp", address),),
        environment={"XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)},
    )


def script(text: str) -> tuple[str, ...]:
    return (sys.executable, "-S", "-E", "-u", "-c", text)


@asynccontextmanager
async def house(tmp_path: Path, redis_url: str, *roles: Role) -> AsyncIterator[House]:
    (tmp_path / "run").mkdir(exist_ok=True)
    lines: list[str] = []
    ready = asyncio.Event()
    plan = Plan(roles, tmp_path, tmp_path)
    supervisor = Supervisor(plan, redis_url, ready.set, FAST, lines.append)
    running = asyncio.create_task(supervisor.run())
    found = House(supervisor, running, lines, ready)
    try:
        yield found
    finally:
        if not running.done():
            await found.stop()


def is_gone(pid: int) -> bool:
    """Ended, or a zombie that a parent has still to collect."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


async def until_gone(pid: int) -> None:
    """A process group is told to die at once, but each of it dies in its own time."""
    async with asyncio.timeout(5):
        while not is_gone(pid):
            await asyncio.sleep(0)


async def test_roles_become_ready_are_published_and_stop(
    tmp_path: Path, redis_url: str, redis_role: Role, front_role: Role
) -> None:
    async with house(tmp_path, redis_url, redis_role, front_role) as found:
        await found.until(found.ready.is_set)
        client = redis_client(redis_url)
        for name in ("redis", "front"):
            said = json.loads(await client.get(f"uc:role:{name}"))
            assert said == {"state": "ready", "pid": found.watch(name).pid, "lacks": []}
            assert 0 < await client.ttl(f"uc:role:{name}") <= 15
        await client.aclose()
        pids = [found.watch(name).pid for name in ("redis", "front")]
        assert await found.stop() == 0
        assert all(is_gone(pid) for pid in pids)
    assert found.lines[-1] == "stopped"


async def test_a_killed_role_comes_back_with_growing_delays(
    tmp_path: Path, redis_url: str, redis_role: Role, front_role: Role
) -> None:
    async with house(tmp_path, redis_url, redis_role, front_role) as found:
        await found.until(found.ready.is_set)
        watch = found.watch("front")
        for _ in range(4):
            before = watch.pid
            os.kill(before, signal.SIGKILL)
            await found.until(lambda before=before: watch.pid not in (None, before) and watch.health.ready)
        said = [line for line in found.lines if "was ended by SIGKILL" in line]
        assert [line.rpartition(" in ")[2] for line in said] == ["0.1 s", "0.1 s", "0.2 s", "0.4 s"]
        assert await found.stop() == 0


async def test_redis_keeps_what_it_was_told_when_killed(
    tmp_path: Path, redis_url: str, redis_role: Role
) -> None:
    async with house(tmp_path, redis_url, redis_role) as found:
        await found.until(found.ready.is_set)
        client = redis_client(redis_url)
        await client.set("kept", "yes")
        watch = found.watch("redis")
        before = watch.pid
        os.kill(before, signal.SIGKILL)
        await found.until(lambda: watch.pid not in (None, before) and watch.health.ready)
        assert await client.get("kept") == "yes"
        await client.aclose()


async def test_a_role_that_cannot_start_fails_the_house_with_its_last_words(
    tmp_path: Path, redis_url: str, redis_role: Role
) -> None:
    broken = Role(
        "web",
        script("print('the database is on fire'); raise SystemExit(3)"),
        HttpProbe(Address("127.0.0.1", 1), "/"),
    )
    async with house(tmp_path, redis_url, redis_role, broken) as found:
        assert await asyncio.wait_for(found.running, 15) == 1
    said = next(line for line in found.lines if "never ready" in line)
    assert "web ended with status 3" in said and "the database is on fire" in said
    assert is_gone(found.watch("redis").process.child.pid)


async def test_a_program_that_is_not_there_is_named(tmp_path: Path, redis_url: str) -> None:
    absent = Role("web", (str(tmp_path / "absent"),), HttpProbe(Address("127.0.0.1", 1), "/"))
    async with house(tmp_path, redis_url, absent) as found:
        assert await asyncio.wait_for(found.running, 15) == 1
    assert any("absent" in line and "never ready" in line for line in found.lines)


async def test_what_a_role_leaves_in_its_group_is_ended_with_it(tmp_path: Path, redis_url: str) -> None:
    text = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-S', '-c', 'import signal; signal.pause()'])\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(f'{{child.pid}} ')\n"
        "os._exit(1)\n"
    )
    role = Role("web", script(text), HttpProbe(Address("127.0.0.1", 1), "/"))
    async with house(tmp_path, redis_url, role) as found:
        await asyncio.wait_for(found.running, 15)
    await until_gone(int((tmp_path / "pid").read_text()))


async def test_a_role_that_ignores_the_request_is_killed(tmp_path: Path, redis_url: str) -> None:
    text = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf'); signal.pause()"
    role = Role("web", script(text), HttpProbe(Address("127.0.0.1", 1), "/"))
    async with house(tmp_path, redis_url, role) as found:
        await found.until(lambda: "deaf" in found.watch("web").log.last)
        pid = found.watch("web").pid
        assert await found.stop() == 0
    assert is_gone(pid)
    assert any("did not stop" in line for line in found.lines)


async def test_a_role_that_stops_answering_is_killed_and_started_again(
    tmp_path: Path, redis_url: str, redis_role: Role, front_role: Role
) -> None:
    async with house(tmp_path, redis_url, redis_role, front_role) as found:
        await found.until(found.ready.is_set)
        watch = found.watch("front")
        before = watch.pid
        os.kill(before, signal.SIGSTOP)
        await found.until(lambda: watch.pid not in (None, before) and watch.health.ready)
        assert any("has not answered" in line for line in found.lines)


async def test_a_taken_port_and_a_second_supervisor_are_refused(
    tmp_path: Path, redis_url: str, front_role: Role
) -> None:
    async with house(tmp_path, redis_url, front_role) as found:
        await found.until(found.ready.is_set)
        with pytest.raises(AddressError, match="front already runs"):
            await Supervisor(Plan((front_role,), tmp_path, tmp_path), redis_url).run()
        other = tmp_path / "other"
        with pytest.raises(AddressError, match="UC_HTTP"):
            await Supervisor(Plan((front_role,), tmp_path, other), redis_url).run()


def test_only_some_roles(tmp_path: Path, redis_role: Role, front_role: Role) -> None:
    edge = Role("edge-1", ("true",), HttpProbe(Address("127.0.0.1", 1), "/"))
    plan = Plan((redis_role, front_role, edge), tmp_path, tmp_path)
    assert [role.name for role in plan.only(["edge"]).roles] == ["edge-1"]
    assert [role.name for role in plan.only(["edge-1", "front"]).roles] == ["front", "edge-1"]
    with pytest.raises(AddressError, match=r"No role is called kitchen. There are: redis, front, edge-1"):
        plan.only(["kitchen"])


def test_a_socket_path_that_no_kernel_takes_is_named(tmp_path: Path) -> None:
    role = Role("web", ("true",), HttpProbe(Address("127.0.0.1", 1), "/"), gone=tmp_path / ("x" * 100))
    with pytest.raises(AddressError, match="UC_DATA_DIR"):
        Plan((role,), tmp_path, tmp_path).check()
