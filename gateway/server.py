"""The NG server: UDP and TCP on one port, for loopback and listed peers only."""

import asyncio
import ipaddress
import logging
from collections.abc import Coroutine
from typing import Any

from gateway.commands import Commands
from gateway.config import Network
from gateway.events import Event, EventLog
from ucplatform import ng

logger = logging.getLogger(__name__)

MAX_BACKLOG = 4 * 1024 * 1024  # octets of events that a subscriber may leave unread before it is cut off
EVENT_COOKIE = "event"


class NgServer:
    """Answers NG requests from `commands`. A repeated cookie of a peer gets the reply that it got before."""

    def __init__(self, commands: Commands, events: EventLog, peers: tuple[Network, ...]) -> None:
        self.commands = commands
        self.events = events
        self._peers = peers
        self._cookies = ng.CookieCache()
        self._tasks: set[asyncio.Task[None]] = set()
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None
        self._streams: set[asyncio.Transport] = set()
        self._refused: set[str] = set()

    async def start(self, host: str, port: int) -> int:
        """Listen on both; gives the port (it matters when 0 was asked for). OSError when it is taken."""
        loop = asyncio.get_running_loop()
        self._tcp = await loop.create_server(lambda: NgStream(self), host, port)
        actual = int(self._tcp.sockets[0].getsockname()[1])
        self._udp, _ = await loop.create_datagram_endpoint(
            lambda: NgDatagrams(self), local_addr=(host, actual)
        )
        return actual

    def allows(self, host: str) -> bool:
        """Loopback and listed peers; anybody else is told to the log, once."""
        address = ipaddress.ip_address(host.partition("%")[0])
        if address.is_loopback or any(address in network for network in self._peers):
            return True
        if host not in self._refused and len(self._refused) < 1000:
            self._refused.add(host)
            logger.warning("NG request from %s refused: not loopback and not in UC_GATEWAY_PEERS", host)
        return False

    def own(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a task that ends with the server at the latest."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def datagram(self, data: bytes, address: tuple[Any, ...]) -> None:
        """One UDP request: new, still being carried out, or answered before."""
        now = asyncio.get_running_loop().time()
        try:
            cookie = ng.cookie_of(data)
        except ng.NgError:
            return  # not NG at all
        key = (address[0], cookie)
        known = self._cookies.get(key, now)
        if known is None:
            self._cookies.begin(key, now)
            self.own(self._answer(data, cookie, address))
        elif known != ng.PENDING and self._udp is not None:
            self._udp.sendto(known, address)

    async def _answer(self, data: bytes, cookie: str, address: tuple[Any, ...]) -> None:
        try:
            _, message = ng.decode(data)
        except ng.NgError as error:
            reply: dict[str, object] = {"result": "error", "error-reason": f"malformed request: {error}"}
        else:
            reply = await self.run(message)
        encoded = ng.encode(cookie, reply, ng.form_of(data))
        self._cookies.put((address[0], cookie), encoded, asyncio.get_running_loop().time())
        if self._udp is not None:
            self._udp.sendto(encoded, address)

    async def run(self, message: dict[str, ng.Value]) -> dict[str, object]:
        """One request; our own mistakes are logged and answered, they end nothing."""
        try:
            return await self.commands.run(message)
        except Exception:
            logger.exception("call=%s %s failed", message.get("call-id"), message.get("command"))
            return {"result": "error", "error-reason": "internal error"}

    def stream_opened(self, transport: asyncio.Transport) -> None:
        self._streams.add(transport)

    def stream_closed(self, transport: asyncio.Transport) -> None:
        self._streams.discard(transport)

    async def close(self) -> None:
        """Stop listening, close what is open, end what runs."""
        if self._udp is not None:
            self._udp.close()
        if self._tcp is not None:
            self._tcp.close()
        for stream in list(self._streams):
            stream.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class NgDatagrams(asyncio.DatagramProtocol):
    """NG over UDP."""

    def __init__(self, server: NgServer) -> None:
        self._server = server

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        if self._server.allows(addr[0]):
            self._server.datagram(data, addr)


class NgStream(asyncio.Protocol):
    """NG over one TCP connection: requests answered in order, and events for those who subscribe."""

    def __init__(self, server: NgServer) -> None:
        self._server = server
        self._framer = ng.StreamFramer()
        self._transport: asyncio.Transport | None = None
        self._requests: asyncio.Queue[tuple[str, dict[str, ng.Value]]] = asyncio.Queue()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        peer = transport.get_extra_info("peername")
        if not self._server.allows(peer[0]):
            transport.abort()
            return
        self._transport = transport
        self._server.stream_opened(transport)
        self._server.own(self._serve())

    def data_received(self, data: bytes) -> None:
        try:
            for request in self._framer.feed(data):
                self._requests.put_nowait(request)
        except ng.NgError as error:
            logger.warning("NG stream closed: %s", error)
            self._close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._server.stream_closed(self._transport)
            self._transport = None
        self._server.events.unsubscribe(self.event)
        self._requests.put_nowait(("", {}))  # wakes `_serve` so that it ends

    async def _serve(self) -> None:
        while self._transport is not None:
            cookie, message = await self._requests.get()
            if self._transport is None:
                return
            if message.get("command") == "subscribe":
                self._subscribe(cookie, message)
            else:
                self._write(cookie, await self._server.run(message))

    def _subscribe(self, cookie: str, message: dict[str, ng.Value]) -> None:
        name, since = message.get("subscriber"), int(ng.number(message.get("since", 0)))
        if not isinstance(name, str) or not name:
            self._write(cookie, {"result": "error", "error-reason": "subscriber is missing"})
            return
        events = self._server.events
        self._write(cookie, {"result": "ok", "seq": events.last, "instance": events.instance})
        events.subscribe(self.event, name, since)

    def event(self, event: Event) -> None:
        """Hand one event to the subscriber; one that does not read is cut off and may come back."""
        self._write(EVENT_COOKIE, event)
        if self._transport is not None and self._transport.get_write_buffer_size() > MAX_BACKLOG:
            logger.warning("subscriber does not read its events; connection closed")
            self._close()

    def _write(self, cookie: str, message: dict[str, Any]) -> None:
        if self._transport is not None:
            self._transport.write(ng.encode(cookie, message))

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
