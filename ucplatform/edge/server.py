"""Daphne as the edge wants it: no thread, no message queue of its own on the way out, closes that say why.

`loop.install()` must have run before this module is imported.
"""

import asyncio
import contextlib
import os
import socket
import stat
import time
from collections.abc import Awaitable, Callable
from typing import Any

from daphne.server import Server
from daphne.ws_protocol import WebSocketProtocol
from twisted.internet import defer, reactor

from ucplatform.edge import log
from ucplatform.edge.limits import Limits
from ucplatform.edge.websocket import GOING_AWAY, LINE

STOP_SECONDS = 1.5
CLOSE_SECONDS = 0.3
PING_SECONDS = 15
REQUEST_SECONDS = 10
#: closes that autobahn decides on by itself because of what the peer sent
FAILURES = {1002: "websocket-protocol", 1003: "websocket-data", 1007: "not-utf8", 1009: "message-too-big"}


class DirectLine:
    """One WebSocket to write to; see websocket.Line."""

    def __init__(self, protocol: "EdgeWebSocket") -> None:
        self._protocol = protocol
        self.who: dict[str, str] = {}

    def send(self, data: bytes, *, text: bool) -> None:
        """Queue one frame."""
        if self._protocol.state == self._protocol.STATE_OPEN:
            self._protocol.sendMessage(data, not text)

    def buffered(self) -> int:
        """Octets written and not yet taken by the kernel."""
        transport = self._protocol.transport
        if transport is None:
            return 0
        # Twisted tells "full" and "empty" to a producer only; how much is in between stands in these.
        return len(transport.dataBuffer) - transport.offset + transport._tempDataLen

    def close(self, code: int, reason: str) -> None:
        """Begin the closing handshake; the peer has a second to answer."""
        if self._protocol.state == self._protocol.STATE_OPEN:
            self._protocol.sendCloseFrame(code=code, reasonUtf8=reason.encode()[:120])

    def abort(self) -> None:
        """Drop the connection at once."""
        if self._protocol.transport is not None:
            self._protocol.transport.abortConnection()


class EdgeWebSocket(WebSocketProtocol):
    """Daphne's protocol without the detour over text, and with a line in the log for each refusal."""

    def __init__(self) -> None:
        super().__init__()
        self.line = DirectLine(self)
        self._message_began: float | None = None

    def dataReceived(self, data: bytes) -> None:
        # Autobahn's own formats a log line that nobody reads, for every piece of data; so does sendData.
        if self.failedByMe and self.state == self.STATE_CLOSING:
            return  # the rest of what was refused is not kept; it is dropped when the close times out
        self._dataReceived(data)

    def sendData(self, data: bytes, sync: bool = False, chopsize: int | None = None) -> None:
        if self.state == self.STATE_OPEN and not (sync or chopsize or self.send_queue):
            self.transport.write(data)
        else:
            super().sendData(data, sync, chopsize)

    def onMessageBegin(self, isBinary: bool) -> None:
        self._message_began = asyncio.get_running_loop().time()
        super().onMessageBegin(isBinary)

    def onMessageEnd(self) -> None:
        self._message_began = None
        super().onMessageEnd()

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        if not self.muted:
            self.last_ping = time.time()
            self.application_queue.put_nowait({"type": "websocket.receive", "bytes": payload})

    def sendCloseFrame(
        self, code: int | None = None, reasonUtf8: bytes | None = None, isReply: bool = False
    ) -> None:
        if code in FAILURES and not isReply and self.state == self.STATE_OPEN:
            log.refused(FAILURES[code], **(self.line.who or {"remote": self.peer}), detail=reasonUtf8)
        super().sendCloseFrame(code=code, reasonUtf8=reasonUtf8, isReply=isReply)

    def failHandshake(self, reason: str, code: int = 400, responseHeaders: Any = None) -> None:
        if code != 403:  # those are the consumer's, which has said why
            log.refused("websocket-handshake", remote=self.peer, detail=reason)
        super().failHandshake(reason, code, responseHeaders)

    def check_timeouts(self) -> None:
        began, limit = self._message_began, self.factory.server_class.limits.idle_s
        if began is not None and asyncio.get_running_loop().time() - began > limit:
            log.refused("unfinished", **self.line.who)
            self.line.abort()
            return
        super().check_timeouts()


class EdgeServer(Server):
    """Runs the loop until SIGTERM or SIGINT; `run` returns after a clean stop and raises OSError for a taken
    address.

    `on_start` and `on_stop` are awaited in the loop; what `on_start` raises ends the server and comes out
    of `run`.
    """

    def __init__(
        self,
        application: Callable[..., Awaitable[None]],
        address: str,
        *,
        limits: Limits,
        on_start: Callable[[], Awaitable[None]],
        on_stop: Callable[[], Awaitable[None]],
    ) -> None:
        super().__init__(
            application,
            endpoints=[endpoint(address)],
            websocket_timeout=-1,
            ping_interval=PING_SECONDS,
            ping_timeout=PING_SECONDS,
            websocket_max_message_size=limits.max_message,
            websocket_max_frame_size=limits.max_message,
            http_timeout=REQUEST_SECONDS,
            ready_callable=self._configure,
            server_name="",
            verbosity=0,
        )
        self.limits = limits
        self._on_start = on_start
        self._on_stop = on_stop
        self._failure: BaseException | None = None
        self._ports: list[Any] = []
        self._starting: asyncio.Task[None] | None = None

    def run(self) -> None:
        """Serve until stopped. Raises what kept it from starting."""
        super().run()
        if self._failure is not None:
            raise self._failure

    def _configure(self) -> None:
        """Daphne has made its factories and is about to run the reactor."""
        self.ws_factory.protocol = EdgeWebSocket
        # Without failByDrop=False a refused message is answered by a reset instead of a close frame.
        self.ws_factory.setProtocolOptions(failByDrop=False, allowNullOrigin=True)
        self.http_factory.timeOut = REQUEST_SECONDS
        self._starting = reactor._asyncioEventloop.create_task(self._start())

    async def _start(self) -> None:
        try:
            await self._on_start()
        except Exception as error:
            self._failure = error
            self.stop()

    def listen_success(self, port: Any) -> None:
        self._ports.append(port)

    def listen_error(self, failure: Any) -> None:
        self._failure = OSError(failure.getErrorMessage())
        self.stop()

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        if scope["type"] == "websocket":
            scope[LINE] = protocol.line
        return super().create_application(protocol, scope)

    def kill_all_applications(self) -> defer.Deferred:
        """Called once before the reactor ends, which waits for the result."""
        return defer.Deferred.fromFuture(asyncio.ensure_future(self._stop()))

    async def _stop(self) -> None:
        if self._starting is not None and not self._starting.done() and self._failure is None:
            self._starting.cancel()
        for port in self._ports:
            port.stopListening()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._on_stop()
        except Exception as error:
            log.fault("stop-failed", error)
        await self._close_websockets()
        tasks = [d["application_instance"] for d in self.connections.values() if "application_instance" in d]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _close_websockets(self) -> None:
        """Say 1001 to those who have not heard it, and wait a moment for their answers."""
        open_ones = [
            p for p in self.connections if isinstance(p, EdgeWebSocket) and p.state != p.STATE_CLOSED
        ]
        for protocol in open_ones:
            protocol.line.close(GOING_AWAY, "stopping")
        end = asyncio.get_running_loop().time() + CLOSE_SECONDS
        while any(p.state != p.STATE_CLOSED for p in open_ones) and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.02)


def endpoint(address: str) -> str:
    """Twisted's description of `unix:<path>` or `<host>:<port>`.

    OSError when another process listens on the path; a socket that a killed one left behind is removed.
    """
    if address.startswith("unix:"):
        path = address.removeprefix("unix:")
        remove_stale(path)
        escaped = path.replace("\\", "\\\\").replace(":", "\\:").replace("=", "\\=")
        return f"unix:{escaped}:mode=600:backlog=1024:lockfile=0"
    host, _, port = address.rpartition(":")
    escaped = host.strip("[]").replace(":", "\\:")
    return f"tcp:port={int(port)}:interface={escaped}:backlog=1024"


def remove_stale(path: str) -> None:
    """Remove a socket file nobody listens on. OSError when somebody does, or when it is no socket."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError(f"{path} is in the way and no socket")
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
    raise OSError(f"another process listens on {path}")
