"""One engine over UDP: requests sent again until answered, under the same cookie."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice

from ucplatform import ng
from ucplatform.media.errors import EngineError, EngineTimeout

log = logging.getLogger("ucplatform.media")

WAITS = (0.25, 0.5, 1.0, 1.25)  # seconds after the first sending, the second …; three in all

LOST = 64  # questions that may be lost on the way, or slow, without the engine being behind


def split_address(address: str) -> tuple[str, int]:
    """'host:port' or '[v6]:port' → (host, port); ValueError otherwise."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"{address!r} is not host:port")
    return host.strip("[]"), int(port)


Answered = Callable[[bytes | EngineError], None]
"""Takes the raw reply to a request, or why there is none. Called once, in the loop."""


@dataclass(slots=True)
class _Pending:
    answered: Answered
    payload: bytes
    since: float
    sent: int = 0
    timer: asyncio.TimerHandle | None = None


class Engine(asyncio.DatagramProtocol):
    """An NG engine. `alive` is None until the first probe; `info` is the last reply to ping."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.alive: bool | None = None
        self.info: dict[str, ng.Value] = {}
        self._transport: asyncio.DatagramTransport | None = None
        self._waiting: dict[str, _Pending] = {}

    # -- what the choice asks --------------------------------------------------------------------

    @property
    def ours(self) -> bool:
        """True when the engine speaks our own verbs: rtpengine's ping says nothing of a relay."""
        return "relay" in self.info

    @property
    def free_ports(self) -> int | None:
        """Ports the engine said are free; None when it does not tell."""
        ports = self.info.get("ports")
        free = ports.get("free") if isinstance(ports, dict) else None
        return free if isinstance(free, int) else None

    # -- life ------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Resolve the address and bind a socket to it, in place of an earlier one. OSError when it fails."""
        loop = asyncio.get_running_loop()
        old = self._transport
        transport, _ = await loop.create_datagram_endpoint(
            lambda: self, remote_addr=split_address(self.address)
        )
        self._transport = transport
        if old is not None:
            old.close()

    def close(self) -> None:
        """Close the socket. Who still waits is not told: nothing is known of their requests."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None
        for pending in self._waiting.values():
            if pending.timer is not None:
                pending.timer.cancel()
        self._waiting.clear()

    # -- requests --------------------------------------------------------------------------------

    def post(self, cookie: str, message: Mapping[str, object], answered: Answered) -> None:
        """Send a request; `answered` gets the raw reply, or an EngineTimeout after three seconds."""
        now = asyncio.get_running_loop().time()
        self._waiting[cookie] = _Pending(answered, ng.encode(cookie, message), now)
        self._send(cookie)

    def _send(self, cookie: str) -> None:
        pending = self._waiting.get(cookie)
        if pending is None:
            return
        if pending.sent == len(WAITS):
            self._finish(cookie, EngineTimeout(f"engine {self.address} does not answer"))
            return
        if self._transport is not None:
            self._transport.sendto(pending.payload)
        loop = asyncio.get_running_loop()
        pending.timer = loop.call_later(WAITS[pending.sent], self._send, cookie)
        pending.sent += 1

    def _finish(self, cookie: str, outcome: bytes | EngineError) -> None:
        pending = self._waiting.pop(cookie, None)
        if pending is None:
            return  # the reply to a request sent twice: the first one was enough
        if pending.timer is not None:
            pending.timer.cancel()
        pending.answered(outcome)

    def behind(self) -> float:
        """For how many seconds the engine has left questions unanswered; a few lost ones do not count."""
        old = next(islice(self._waiting.values(), LOST, None), None)
        return 0.0 if old is None else asyncio.get_running_loop().time() - old.since

    # -- asyncio.DatagramProtocol ----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Nothing to do: open() keeps the transport."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing to do: a socket in error is opened again by the next probe."""

    def datagram_received(self, data: bytes, addr: object) -> None:
        """A reply, or noise."""
        try:
            self._finish(ng.cookie_of(data), data)
        except ng.NgError as error:
            log.warning("engine %s sent no NG: %s", self.address, error)

    def error_received(self, exc: Exception) -> None:
        """Refused: the engine may be starting, and the request is sent again."""
        log.debug("engine %s: %s", self.address, exc)
