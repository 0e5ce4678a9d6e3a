"""Daphne for the web process: on a unix socket or host:port behind the front, with a stop that loses
nothing."""

import asyncio
import logging
from typing import Any

from daphne.server import Server  # installs Twisted's asyncio reactor: first of Twisted's imports
from daphne.ws_protocol import WebSocketProtocol
from twisted.internet import reactor
from twisted.internet.defer import Deferred

log = logging.getLogger(__name__)
FINISH_S = 2.0  # for requests under way when the process is told to stop


class ListenError(Exception):
    """The address cannot be listened on: taken, not ours, or not allowed."""


def endpoint(address: str) -> str:
    """Twisted's description of `unix:path` or `host:port`. The socket file is for this user only."""
    if address.startswith("unix:"):
        return f"unix:{address.removeprefix('unix:')}:mode=600"
    host, _, port = address.rpartition(":")
    if not port.isdigit():
        raise ListenError(f"UC_WEB_SOCKET is unix:path or host:port, not {address!r}")
    escaped = host.strip("[]").replace(":", r"\:")
    return f"tcp:{port}:interface={escaped or '127.0.0.1'}"


class WebServer(Server):
    """`run` returns after a clean stop (SIGTERM, Ctrl-C) and raises ListenError when it cannot listen."""

    def __init__(self, application: Any, address: str) -> None:
        super().__init__(
            application,
            endpoints=[endpoint(address)],
            websocket_timeout=-1,  # Daphne's own default would close every page's events after a day
            websocket_max_message_size=65536,
            websocket_max_frame_size=65536,
            server_name="",
        )
        self.address = address
        self.failure: str | None = None

    def listen_error(self, failure: Any) -> None:
        self.failure = failure.getErrorMessage()
        self.stop()

    def listen_success(self, port: Any) -> None:
        # Said in the loop's first turn, not before: from here on a signal means a clean stop.
        reactor.callLater(0, log.info, "web listens on %s", self.address)

    def run(self) -> None:
        super().run()
        if self.failure:
            raise ListenError(f"{self.address}: {self.failure}")

    def kill_all_applications(self) -> Deferred:
        """Runs before the loop ends: pages are told that we go away (1001), requests under way may finish."""
        for protocol in list(self.connections):
            if isinstance(protocol, WebSocketProtocol):
                protocol.sendCloseFrame(code=1001, reasonUtf8=b"restarting")
        return Deferred.fromFuture(asyncio.ensure_future(self.finish()))

    async def finish(self) -> None:
        """Wait for HTTP requests, then cancel what is left."""
        http, rest = [], []
        for protocol, details in list(self.connections.items()):
            instance = details.get("application_instance")
            if instance and not instance.done():
                (rest if isinstance(protocol, WebSocketProtocol) else http).append(instance)
        if http:
            await asyncio.wait(http, timeout=FINISH_S)
        for instance in [*http, *rest]:
            instance.cancel()
        await asyncio.gather(*http, *rest, return_exceptions=True)
