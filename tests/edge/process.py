"""Starting and watching the edge process of the tests."""

import asyncio
import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection

ROOT = Path(__file__).resolve().parents[2]
PROXY = {"X-Forwarded-For": "198.51.100.7", "X-Forwarded-Proto": "https", "X-UC-Local": "192.0.2.1"}


class EdgeProcess:
    """A running edge: its addresses, its log lines, and WebSockets to it."""

    def __init__(self, directory: Path, redis_url: str, **settings: Any) -> None:
        self.directory = directory
        self.socket = str(directory / "edge.sock")
        self._settings = {"UC_DATA_DIR": str(directory), "REDIS_URL": redis_url, **settings}
        self.lines: list[str] = []
        self._ready = ""
        self._changed = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self.process: asyncio.subprocess.Process

    async def start(self) -> "EdgeProcess":
        """Run it and wait until it says that it is ready."""
        await self.launch()
        self._ready = await self.line("edge-ready")
        return self

    async def launch(self) -> None:
        """Run it."""
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.edge.edge_process",
            json.dumps(self._settings),
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(line.decode().rstrip("\n"))
            self._changed.set()
        self._changed.set()

    def about(self, text: str) -> list[str]:
        """Lines of its output that contain `text`."""
        return [line for line in self.lines if text in line]

    async def line(self, text: str, seconds: float = 15.0) -> str:
        """The first line with `text`, waited for."""
        try:
            async with asyncio.timeout(seconds):
                while not self.about(text):
                    await self._changed.wait()
                    self._changed.clear()
        except TimeoutError:
            raise AssertionError(f"no line with {text!r} in:\n" + "\n".join(self.lines)) from None
        return self.about(text)[0]

    def address(self, kind: str) -> tuple[str, int]:
        """Where it listens with udp, tcp or tls."""
        found = re.search(rf"{kind}=([\d.]+):(\d+)", self._ready)
        assert found
        return found[1], int(found[2])

    def websocket(self, **options: Any) -> Any:
        """A client connection as through the front door; `headers`, `origin`, `path`, `subprotocols` may
        differ.
        """
        headers = options.pop("headers", PROXY)
        path = options.pop("path", "/sip")
        options.setdefault("subprotocols", ["sip"])
        options.setdefault("ping_interval", None)
        return websockets.unix_connect(
            self.socket, f"ws://phone.example{path}", additional_headers=headers, compression=None, **options
        )

    async def stop(self) -> int:
        """SIGTERM, and its exit code."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        return await self.ended()

    async def ended(self) -> int:
        """Its exit code, once it has ended by itself."""
        async with asyncio.timeout(10):
            code = await self.process.wait()
            assert self._reader is not None
            await self._reader
        return code

    async def kill(self) -> None:
        """SIGKILL, if it still runs."""
        if self.process.returncode is None:
            self.process.kill()
        await self.ended()


async def closed(connection: ClientConnection) -> int:
    """The code of the close frame that ends a connection."""
    async with asyncio.timeout(15):
        await connection.wait_closed()
    assert connection.close_code is not None
    return connection.close_code
