"""SIP over WebSocket (RFC 7118): one Channels consumer for each connection.

It has a dispatch of its own and no channel layer: the stock ones hop to a thread shared by all for every
message.
"""

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol

from channels.consumer import AsyncConsumer
from channels.exceptions import StopConsumer

from ucplatform.edge import log
from ucplatform.edge.origin import Client, Headers, is_secure, local_address, origin_allowed, peer_address
from ucplatform.edge.transports import Transports
from ucplatform.sip.flow import Flow, hostport

PATH = "/sip"
SUBPROTOCOL = "sip"
#: key of the scope under which the server gives its Line
LINE = "uc.line"

KEEP_ALIVE = b"\r\n\r\n"
KEEP_ALIVE_ANSWER = b"\r\n"
GOING_AWAY = 1001
POLICY_VIOLATION = 1008


class Line(Protocol):
    """The server's side of one WebSocket, to write to without a task or a queue between."""

    who: dict[str, str]

    def send(self, data: bytes, *, text: bool) -> None: ...

    def buffered(self) -> int: ...

    def close(self, code: int, reason: str) -> None: ...

    def abort(self) -> None: ...


class WebSocketConnection:
    """An accepted WebSocket as the transports keep it."""

    def __init__(self, transports: Transports, line: Line, flow: Flow) -> None:
        self.flow = flow
        self._line = line
        self._limit = transports.limits.output_buffer
        self._idle = transports.limits.idle_s
        self.deadline: float | None = asyncio.get_running_loop().time() + self._idle
        self.reason: str | None = None

    def send(self, data: bytes) -> bool:
        """One SIP message is one frame (RFC 7118 section 5): text when it is UTF-8, binary otherwise."""
        if self.reason is not None:
            return False
        if self._line.buffered() + len(data) > self._limit:
            log.refused("slow-reader", **self.who())
            self.cut("slow")
            return False
        self._line.send(data, text=_is_utf8(data))
        return True

    def expired(self) -> None:
        """Nothing came since it was opened."""
        if self.reason is None:
            log.refused("silent", **self.who())
            self.reason = "silent"
            self._line.close(POLICY_VIOLATION, "silent")
        self.deadline = None

    def cut(self, reason: str) -> None:
        """End it without a word; what was queued is lost."""
        self.reason = self.reason or reason
        self._line.abort()

    def close(self, reason: str) -> None:
        """End it with a close frame."""
        if self.reason is None:
            self.reason = reason
            self._line.close(GOING_AWAY, reason)

    def who(self) -> dict[str, str]:
        """The fields that name it in a log line."""
        return {"transport": self.flow.transport, "remote": hostport(self.flow.remote), "flow": self.flow.id}


class SipConsumer(AsyncConsumer):
    """Made by `as_asgi(...)` for each connection; `ready` is awaited before a connection is accepted."""

    def __init__(
        self,
        *,
        transports: Transports,
        allowed_origins: Iterable[str] = (),
        ready: Callable[[], Awaitable[object]],
    ) -> None:
        self._transports = transports
        self._allowed_origins = allowed_origins
        self._ready = ready
        self._connection: WebSocketConnection | None = None
        self._counted: str | None = None

    async def __call__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        """The life of one connection."""
        self.scope = scope
        self.base_send = send
        try:
            while True:
                await self.dispatch(await receive())
        except StopConsumer:
            pass
        finally:
            self._ended("stopped")

    async def dispatch(self, message: dict[str, Any]) -> None:
        """One event of the connection, straight to its method: `receive` first, being nearly all of them."""
        kind = message["type"]
        if kind == "websocket.receive":
            self._received(message)
        elif kind == "websocket.connect":
            await self._connect()
        elif kind == "websocket.disconnect":
            self._ended(f"closed {message.get('code')}")
            raise StopConsumer

    async def _connect(self) -> None:
        headers: Headers = dict(self.scope["headers"])
        client = self.scope.get("client")
        believed = self._from_front(client)
        peer = peer_address(headers, client, believed=believed)
        secure = is_secure(headers, believed=believed)
        transport = "wss" if secure else "ws"
        refusal = self._refusal(headers, secure)
        if peer is None:
            refusal = "unreadable-forwarded-for"
        elif refusal is None and not self._transports.admission.admit(peer[0]):
            refusal = "too-many-connections"
        if refusal is not None or peer is None:
            who = hostport(peer) if peer else headers.get(b"x-forwarded-for")
            log.refused(refusal or "", transport=transport, remote=who, origin=headers.get(b"origin"))
            await self.base_send({"type": "websocket.close"})  # before accept: HTTP 403
            raise StopConsumer
        self._counted = peer[0]
        await self._ready()
        await self.base_send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL})
        local = local_address(headers, self.scope.get("server"), believed=believed)
        flow = Flow(self._transports.new_id(transport), transport, local, peer)
        self._connection = WebSocketConnection(self._transports, self.scope[LINE], flow)
        self.scope[LINE].who = self._connection.who()
        self._transports.opened(self._connection)

    def _from_front(self, client: Client) -> bool:
        """Whether our own front door opened this connection, so that its forwarding headers are believed."""
        if client is None:
            return True  # the unix socket is ours alone
        return ipaddress.ip_address(client[0]).is_loopback or self._transports.admission.trusts(client[0])

    def _refusal(self, headers: Headers, secure: bool) -> str | None:
        """Why this connection is not wanted, None when it is."""
        if self.scope["path"] != PATH:
            return "unknown-path"
        if not origin_allowed(headers, self._allowed_origins, secure=secure):
            return "foreign-origin"
        if SUBPROTOCOL not in self.scope["subprotocols"]:
            return "no-sip-subprotocol"
        return None

    def _received(self, message: dict[str, Any]) -> None:
        connection = self._connection
        if connection is None or connection.reason is not None:
            return
        data = message.get("bytes")
        if data is None:
            data = message["text"].encode()
        connection.deadline = None
        if data == KEEP_ALIVE:
            connection.send(KEEP_ALIVE_ANSWER)
        elif data.strip(b"\r\n"):
            self._transports.deliver(data, connection.flow)

    def _ended(self, reason: str) -> None:
        connection, self._connection = self._connection, None
        if self._counted is not None:
            self._transports.admission.release(self._counted)
            self._counted = None
        if connection is not None:
            self._transports.lost(connection, connection.reason or reason)
            connection.reason = connection.reason or reason


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
