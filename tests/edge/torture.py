"""Clients that send any octets to an edge, and the messages of RFC 4475 and our own that they send."""

import asyncio
import csv
import itertools
import socket
from pathlib import Path
from typing import Any

from tests.edge.process import EdgeProcess
from tests.edge.responder import options
from ucplatform.sip.framing import MessageBytes, StreamFramer
from ucplatform.sip.message import Response, parse_message

ROOT = Path(__file__).resolve().parents[2]
OURS = ROOT / "tests" / "data" / "sip"
RFC4475 = ROOT.parent / "shared" / "torture"
PATIENCE = 5.0
STUN = b"\x01\x01"
"""Begins the answer to a keep-alive by STUN (RFC 5626 section 4.4.2), which is no SIP."""


def table(path: Path) -> dict[str, str]:
    """File → what is expected, in the words of an EXPECT.tsv; empty where there is none."""
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]
    return {row[0]: row[1] if path.parent == OURS else row[3] for row in rows}


def octets(name: str) -> bytes:
    """The message of that name."""
    path = RFC4475 / "rfc4475" / f"{name}.dat"
    return (path if path.is_file() else OURS / f"{name}.sip").read_bytes()


numbers = itertools.count(1)


class Heard:
    """What came back: responses in order, and whether the connection was closed."""

    def __init__(self) -> None:
        self.responses: list[Response] = []
        self.closed = False

    @property
    def final(self) -> Response | None:
        """The first final response."""
        return next((response for response in self.responses if response.status >= 200), None)


class Client:
    """One way to the edge. `send` any octets; `hear` what is answered until an OPTIONS of ours is."""

    stream = False

    def __init__(self, edge: EdgeProcess) -> None:
        self.edge = edge

    async def send(self, data: bytes) -> None:
        raise NotImplementedError

    async def receive(self) -> bytes | None:
        """The next message; None at the end of the connection."""
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError

    async def hear(self) -> Heard:
        """All that comes before the answer to an OPTIONS, which must come unless the connection ends."""
        call_id = f"torture-{next(numbers)}"
        heard = Heard()
        try:
            await self.send(options(call_id, via=self.via))
        except OSError:
            heard.closed = True
        async with asyncio.timeout(PATIENCE):
            while not heard.closed:
                data = await self.receive()
                if data is None:
                    heard.closed = True
                    break
                if data.startswith(STUN):
                    continue
                message = parse_message(data)
                assert isinstance(message, Response)
                if message.headers.get("Call-ID") == call_id:
                    assert message.status == 200
                    break
                heard.responses.append(message)
        return heard

    via = "UDP"


class Udp(Client):
    """A socket at port 5060 of a loopback address of its own: answers to a Via without rport go there."""

    async def open(self, host: str) -> "Udp":
        self.address = host
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind((host, 5060))
        self._to = self.edge.address("udp")
        return self

    async def send(self, data: bytes) -> None:
        self._socket.sendto(data, self._to)

    async def receive(self) -> bytes | None:
        return await asyncio.get_running_loop().sock_recv(self._socket, 65536)

    async def close(self) -> None:
        self._socket.close()


class Tcp(Client):
    """A connection."""

    stream = True
    via = "TCP"

    async def open(self, host: str) -> "Tcp":
        self._reader, self._writer = await asyncio.open_connection(*self.edge.address("tcp"))
        self._framer = StreamFramer()
        self._messages: list[bytes] = []
        return self

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def receive(self) -> bytes | None:
        while not self._messages:
            try:
                data = await self._reader.read(65536)
            except OSError:
                data = b""
            if not data:
                return None
            self._messages = [e.data for e in self._framer.feed(data) if isinstance(e, MessageBytes)]
        return self._messages.pop(0)

    async def close(self) -> None:
        self._writer.close()


class WebSocket(Client):
    """A WebSocket as through the front door."""

    via = "WSS"

    async def open(self, host: str) -> "WebSocket":
        self._connection: Any = await self.edge.websocket()
        return self

    async def send(self, data: bytes) -> None:
        await self._connection.send(data)

    async def receive(self) -> bytes | None:
        data = await self._connection.recv()
        return data.encode() if isinstance(data, str) else data

    async def close(self) -> None:
        await self._connection.close()


CLIENTS: dict[str, type[Client]] = {"udp": Udp, "tcp": Tcp, "ws": WebSocket}
