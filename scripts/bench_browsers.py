"""Browsers as the edge sees them, without the browsers: a WebSocket each, SIP over it (RFC 7118)."""

import asyncio
import secrets
import threading
from collections.abc import Awaitable

import websockets

from tests.e2e.instance import Instance, Person
from tests.long.agents import BROWSER, Agent


class WebSocketAgent(Agent):
    """One number at one WebSocket."""

    transport = "WS"
    reliable = True
    body = BROWSER

    async def open(self, url: str) -> None:
        self.address = f"{secrets.token_hex(6)}.invalid"
        self._socket = await websockets.connect(url, subprotocols=[websockets.Subprotocol("sip")])
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for text in self._socket:
            self.received(text if isinstance(text, str) else text.decode())

    def send(self, text: str) -> None:
        # The library has a coroutine for what is one write to a socket that is not full.
        self._socket.protocol.send_text(text.encode())
        self._socket.send_data()

    async def end(self) -> None:
        self.close()
        await self._socket.close()
        await self._reader


class Browsers:
    """These people, registered over WebSockets, in a loop and thread of their own."""

    def __init__(self, instance: Instance, people: list[Person]) -> None:
        self._instance = instance
        self._people = people
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._agents: list[WebSocketAgent] = []

    def __enter__(self) -> "Browsers":
        self._thread.start()
        self._wait(self._open())
        return self

    async def _open(self) -> None:
        for person in self._people:
            agent = WebSocketAgent(self._instance.sip, self._instance.domain)
            await agent.open(f"ws://127.0.0.1:{self._instance.http_port}/sip")
            self._agents.append(agent)
            await agent.register(person)

    def faults(self) -> str:
        return "\n".join(fault for agent in self._agents for fault in agent.faults)

    def __exit__(self, *_: object) -> None:
        self._wait(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def _close(self) -> None:
        await asyncio.gather(*(agent.end() for agent in self._agents))

    def _wait(self, work: Awaitable[None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(60)  # type: ignore[arg-type]
