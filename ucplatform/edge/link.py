"""The link between two edges: one private stream for each pair, both ends proved by the house's secret.

Each side sends a greeting (who it is, in which life, a nonce), then its proof over both greetings. Frames
follow: 4 octets of length, 16 of authentication, one of kind, the payload. The key of each direction is made
of both greetings and the authentication counts the frames, so that nothing can be changed, repeated or left
out. Nothing is encrypted: a link that leaves the machine belongs in a network of its own.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import json
import secrets
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from ucplatform.edge import log

MAC = 16
HEAD = 4
#: octets of one frame; a SIP message is 64 KiB at most
LONGEST = 131_072
GREETING_LONGEST = 512
GREETING_SECONDS = 5.0
#: what may wait for a slow edge before its link is cut
OUTPUT = 8 * 1024 * 1024

# Kinds of frames.
MESSAGE = b"M"  # a message that came by my flow and belongs to you
SEND = b"S"  # send this over your flow; without data: is it open?
LOST = b"L"  # my flow is gone
NEWS = b"N"  # of registrations and calls, JSON
PING = b"P"


class LinkError(Exception):
    """The other side is no edge of this house, or has lost its mind; `str()` is for the log."""


class Greeting(NamedTuple):
    """`life` tells a restarted edge from the one before."""

    edge: str
    life: str
    nonce: str

    def to_bytes(self) -> bytes:
        return json.dumps(self._asdict()).encode()

    @classmethod
    def parse(cls, data: bytes) -> Greeting:
        """LinkError for anything else."""
        try:
            value = json.loads(data)
            found = cls(value["edge"], value["life"], value["nonce"])
        except (ValueError, TypeError, KeyError):
            raise LinkError("no greeting") from None
        if not all(isinstance(part, str) and 0 < len(part) <= 64 for part in found):
            raise LinkError("no greeting")
        return found


class Seal:
    """Authentication of one direction: `seal` what leaves, or `open` what comes, in order."""

    def __init__(self, secret: bytes, label: bytes, first: bytes, second: bytes) -> None:
        """`first` is the greeting of who dialled."""
        self._key = hmac.digest(secret, b"\0".join((label, first, second)), "sha256")
        self._count = 0

    def _mac(self, body: bytes) -> bytes:
        self._count += 1
        return hmac.digest(self._key, self._count.to_bytes(8, "big") + body, "sha256")[:MAC]

    def seal(self, kind: bytes, payload: bytes) -> bytes:
        body = kind + payload
        return (MAC + len(body)).to_bytes(HEAD, "big") + self._mac(body) + body

    def open(self, frame: bytes) -> tuple[bytes, bytes]:
        """Kind and payload of a frame without its length. LinkError when it is not the next one of its
        sender."""
        body = frame[MAC:]
        if not body or not hmac.compare_digest(self._mac(body), frame[:MAC]):
            raise LinkError("a frame that its sender did not make")
        return body[:1], body[1:]


class Hub(Protocol):
    """Whose links these are."""

    edge_id: str
    life: str
    secret: bytes

    def link_up(self, link: Link) -> None: ...
    def link_down(self, link: Link, reason: str) -> None: ...
    def frame(self, link: Link, kind: bytes, payload: bytes) -> None: ...


class Link(asyncio.Protocol):
    """One end. `hub.link_up` is called once the other side has proved itself; `peer` is its greeting from
    then on. `hub.link_down` is called once, if it had been up."""

    def __init__(self, hub: Hub, *, dialled: bool, expected: str = "") -> None:
        self._hub = hub
        self.dialled = dialled
        self._expected = expected
        self._mine = Greeting(hub.edge_id, hub.life, secrets.token_hex(16))
        self.peer = Greeting("", "", "")
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._receive: Callable[[bytes], None] = self._greeted
        self._limit = GREETING_LONGEST
        self._out: Seal
        self._in: Seal
        self._up = False
        self._reason = "closed"
        self._patience: asyncio.TimerHandle | None = None
        #: when something was last heard, in the loop's seconds
        self.heard = 0.0

    # -- what the loop calls -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        loop = asyncio.get_running_loop()
        self._patience = loop.call_later(GREETING_SECONDS, self.cut, "silent")
        self._write(self._mine.to_bytes())

    def data_received(self, data: bytes) -> None:
        self.heard = asyncio.get_running_loop().time()
        self._buffer += data
        while len(self._buffer) >= HEAD and self._transport is not None:
            length = int.from_bytes(self._buffer[:HEAD], "big")
            if length > self._limit:
                self.cut("a frame too long")
                return
            if len(self._buffer) < HEAD + length:
                return
            frame = bytes(self._buffer[HEAD : HEAD + length])
            del self._buffer[: HEAD + length]
            try:
                self._receive(frame)
            except LinkError as error:
                self.cut(str(error))
                return

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._patience is not None:
            self._patience.cancel()
        if self._up:
            self._up = False
            self._hub.link_down(self, str(exc or self._reason))
        elif self._reason != "closed":
            log.refused("link", edge=self.peer.edge or self._expected, why=self._reason)

    # -- proving -----------------------------------------------------------------------------------

    def _greeted(self, frame: bytes) -> None:
        self.peer = Greeting.parse(frame)
        if self.peer.edge == self._hub.edge_id:
            raise LinkError("another edge has our id: UC_EDGE_ID must differ")
        if self._expected and self.peer.edge != self._expected:
            raise LinkError("not the edge that was announced there")
        mine, theirs = self._mine.to_bytes(), frame
        first, second = (mine, theirs) if self.dialled else (theirs, mine)
        labels = (b"dialler", b"listener") if self.dialled else (b"listener", b"dialler")
        self._out, self._in = (Seal(self._hub.secret, label, first, second) for label in labels)
        self._receive = self._proved
        assert self._transport is not None
        self._transport.write(self._out.seal(PING, b""))

    def _proved(self, frame: bytes) -> None:
        self._in.open(frame)
        self._receive, self._limit = self._framed, LONGEST
        if self._patience is not None:
            self._patience.cancel()
        self._up = True
        self._hub.link_up(self)

    def _framed(self, frame: bytes) -> None:
        kind, payload = self._in.open(frame)
        if kind != PING:
            self._hub.frame(self, kind, payload)

    # -- what the hub calls ------------------------------------------------------------------------

    def send(self, kind: bytes, payload: bytes) -> bool:
        """Queue one frame; False when the link is gone, or was cut because nobody read at the other end."""
        transport = self._transport
        if transport is None or not self._up or len(payload) > LONGEST - MAC - 1:
            return False
        if transport.get_write_buffer_size() > OUTPUT:
            self.cut("slow")
            return False
        transport.write(self._out.seal(kind, payload))
        return True

    def is_behind(self) -> bool:
        """Whether so much waits that what can be sent again had better not be added."""
        return self._transport is not None and self._transport.get_write_buffer_size() > OUTPUT // 4

    def _write(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.write(len(data).to_bytes(HEAD, "big") + data)

    def close(self) -> None:
        """End it once what is queued is sent."""
        if self._transport is not None:
            self._transport.close()

    def cut(self, reason: str) -> None:
        """End it at once."""
        self._reason = reason
        if self._transport is not None:
            self._transport.abort()


async def listen(address: str, factory: Callable[[], Link]) -> tuple[asyncio.Server, str]:
    """Listen on `unix:<path>` or `host:port`; the server, and the address with its real port. OSError when it
    is taken, ValueError for one that others cannot dial."""
    loop = asyncio.get_running_loop()
    if address.startswith("unix:"):
        return await loop.create_unix_server(factory, address.removeprefix("unix:")), address
    host, _, port = address.rpartition(":")
    if ipaddress.ip_address(host.strip("[]")).is_unspecified:
        raise ValueError(f"UC_EDGE_LINK={address}: the other edges dial it, so it must be one address")
    server: Any = await loop.create_server(factory, host.strip("[]"), int(port))
    return server, f"{host}:{server.sockets[0].getsockname()[1]}"


async def dial(address: str, factory: Callable[[], Link]) -> None:
    """Open a link to where an edge listens. OSError when nobody answers."""
    loop = asyncio.get_running_loop()
    if address.startswith("unix:"):
        await loop.create_unix_connection(factory, address.removeprefix("unix:"))
        return
    host, _, port = address.rpartition(":")
    await loop.create_connection(factory, host.strip("[]"), int(port))
