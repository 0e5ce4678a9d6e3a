"""A small NG engine on real sockets: answers by a table, forgets what it is told to, replays events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tests.ports import own_block
from ucplatform import ng

Message = dict[str, ng.Value]


class NgServer(asyncio.DatagramProtocol):
    """UDP and TCP on one port. `received`: (cookie, message) per datagram; `drop`: how many to ignore."""

    def __init__(self, instance: str = "one") -> None:
        self.instance = instance
        self.received: list[tuple[str, Message]] = []
        self.drop = 0
        self.noise: list[bytes] = []  # sent before each reply
        self.hold: asyncio.Event | None = None  # while set up and not set, replies wait
        self.replies: dict[str, Callable[[Message], Message]] = {
            "ping": lambda _: {"result": "pong", "relay": "test", "ports": {"free": 10, "total": 10}},
            "subscribe": lambda _: {"result": "ok", "seq": len(self.events), "instance": self.instance},
        }
        self.subscriptions: list[Message] = []
        self.events: list[Message] = []
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, port: int = 0) -> str:
        loop = asyncio.get_running_loop()
        self.port = port or own_block().take()
        self._tcp = await asyncio.start_server(self._stream, "127.0.0.1", self.port)
        self._udp: asyncio.DatagramTransport
        self._udp, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", self.port))
        return f"127.0.0.1:{self.port}"

    async def stop(self) -> None:
        self._udp.close()
        self._tcp.close()
        self.break_streams()
        await asyncio.gather(*self._tasks)

    def break_streams(self) -> None:
        for writer in self._writers:
            writer.close()
        self._writers.clear()

    def emit(self, **event: ng.Value) -> None:
        """Send an event to whoever is subscribed and keep it for those who come later."""
        self.events.append({"seq": len(self.events) + 1, **event})
        for writer in self._writers:
            writer.write(ng.encode("event", self.events[-1]))

    def commands(self) -> list[str]:
        return [str(message["command"]) for _, message in self.received if message["command"] != "ping"]

    # -- UDP -------------------------------------------------------------------------------------

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        cookie, message = ng.decode(data)
        self.received.append((cookie, message))
        if self.drop and message["command"] != "ping":
            self.drop -= 1
            return
        task = asyncio.get_running_loop().create_task(self._reply(cookie, message, addr))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reply(self, cookie: str, message: Message, addr: tuple[str, int]) -> None:
        if self.hold is not None and message["command"] != "ping":
            await self.hold.wait()
        make = self.replies.get(str(message["command"]), lambda _: {"result": "ok"})
        for octets in self.noise:
            self._udp.sendto(octets, addr)
        self._udp.sendto(ng.encode(cookie, make(message)), addr)

    # -- TCP -------------------------------------------------------------------------------------

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        framer = ng.StreamFramer()
        while data := await reader.read(4096):
            for cookie, message in framer.feed(data):
                if message["command"] == "ping":
                    writer.write(ng.encode(cookie, {"result": "pong"}))
                    continue
                self.subscriptions.append(message)
                writer.write(ng.encode(cookie, self.replies["subscribe"](message)))
                since = message.get("since")
                for event in self.events:
                    if isinstance(since, int) and int(str(event["seq"])) > since:
                        writer.write(ng.encode("event", event))
                self._writers.append(writer)
