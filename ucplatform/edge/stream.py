"""SIP over TCP and TLS: accepting, framing (RFC 3261 section 18.3), keep-alive (RFC 5626 section 3.5.1),
cutting.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Protocol

from ucplatform.edge import log
from ucplatform.edge.addresses import family, unmapped
from ucplatform.edge.limits import Admission, Limits
from ucplatform.edge.tls import names_of
from ucplatform.sip.errors import ParseError
from ucplatform.sip.flow import Address, Flow, hostport
from ucplatform.sip.framing import MessageBytes, Ping, StreamFramer
from ucplatform.sip.message import make_response

BACKLOG = 1024
ACCEPTS_AT_ONCE = 64
PAUSE_WITHOUT_DESCRIPTORS = 1.0


class Connection(Protocol):
    """What the transports keep of any connection, stream or WebSocket."""

    flow: Flow
    #: monotonic time at which it is cut unless it completes a message before; None when nothing is due
    deadline: float | None

    def send(self, data: bytes) -> bool: ...

    def expired(self) -> None: ...

    def cut(self, reason: str) -> None: ...

    def close(self, reason: str) -> None: ...


class Hub(Protocol):
    """What a connection needs of the transports that own it."""

    limits: Limits
    admission: Admission

    def new_id(self, transport: str) -> str: ...

    def face(self, local: Address) -> Address: ...

    def deliver(self, data: bytes, flow: Flow) -> None: ...

    def opened(self, connection: Connection) -> None: ...

    def introduced(self, connection: "StreamConnection", data: bytes) -> None: ...

    def lost(self, connection: Connection, reason: str) -> None: ...


class StreamConnection(asyncio.Protocol):
    """One TCP or TLS connection, whoever opened it. `flow` is set once it is up."""

    flow: Flow

    def __init__(
        self, hub: Hub, kind: str, *, counted: str | None, advertised: Address | None = None
    ) -> None:
        """`counted` is the host to release at the end; `advertised` our listening address on outgoing
        connections.
        """
        self._hub = hub
        self._kind = kind
        self._counted = counted
        self._advertised = advertised
        self._framer = StreamFramer(hub.limits.max_message, hub.limits.max_headers)
        self._transport: asyncio.Transport | None = None
        self._reason: str | None = None
        self._introduced = counted is None
        #: names that its certificate proves, where we asked for one
        self.names: list[str] = []
        self._loop = asyncio.get_running_loop()
        self.deadline: float | None = self._loop.time() + hub.limits.idle_s

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        tune(transport.get_extra_info("socket"))
        local = self._advertised or self._hub.face(unmapped(transport.get_extra_info("sockname")))
        remote = unmapped(transport.get_extra_info("peername"))
        self.flow = Flow(self._hub.new_id(self._kind), self._kind, local, remote)
        self._hub.opened(self)
        if self._counted is not None and (proof := transport.get_extra_info("peercert")):
            self.names = names_of(proof)
            log.info("tls-client", names=",".join(self.names), **self._who())

    def data_received(self, data: bytes) -> None:
        if self._reason is not None:
            return
        try:
            events = self._framer.feed(data)
        except ParseError as error:
            self._beyond_repair(error)
            return
        for event in events:
            if isinstance(event, MessageBytes):
                if not self._introduced:
                    self._introduced = True
                    self._hub.introduced(self, event.data)
                self._hub.deliver(event.data, self.flow)
            elif isinstance(event, Ping):
                self.send(b"\r\n")
        if self._framer.broken is not None:
            self._beyond_repair(self._framer.broken)
            return
        # An unfinished message has its time from its first octets on; more octets do not extend it.
        if events:
            self.deadline = None
        if self._framer.pending and self.deadline is None:
            self.deadline = self._loop.time() + self._hub.limits.idle_s

    def _beyond_repair(self, error: ParseError) -> None:
        """Where the next message begins cannot be known: answer what can be answered, and close."""
        if self._reason is not None:
            return
        log.refused("malformed-stream", **self._who(), detail=error.reason)
        request = error.request
        if request is not None and error.status is not None and request.method != "ACK":
            self.send(make_response(request, error.status).to_bytes())
        self.close("malformed")

    def send(self, data: bytes) -> bool:
        """Queue `data`; False when the connection is gone, or has just been cut because its peer does not
        read.
        """
        transport = self._transport
        if transport is None or self._reason is not None or transport.is_closing():
            return False
        if transport.get_write_buffer_size() + len(data) > self._hub.limits.output_buffer:
            log.refused("slow-reader", **self._who())
            self.cut("slow")
            return False
        transport.write(data)
        return True

    def expired(self) -> None:
        """Its deadline has passed."""
        if self._reason is None:
            reason = "unfinished" if self._framer.pending else "silent"
            log.refused(reason, **self._who())
            self.cut(reason)
        elif self._transport is not None:
            self._transport.abort()  # closing, but the peer does not take what is left

    def cut(self, reason: str) -> None:
        """End it now; what was queued is lost."""
        if self._transport is not None and self._reason is None:
            self._reason = reason
            self._transport.abort()

    def close(self, reason: str) -> None:
        """End it when what was queued is sent; cut after the idle time if the peer does not take it."""
        if self._transport is None or self._reason is not None:
            return
        self._reason = reason
        self.deadline = self._loop.time() + self._hub.limits.idle_s
        self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.release()
        self._hub.lost(self, self._reason or (type(exc).__name__ if exc else "closed"))

    def release(self) -> None:
        """Take it off its address's count; once."""
        if self._counted is not None:
            self._hub.admission.release(self._counted)
            self._counted = None

    def _who(self) -> dict[str, str]:
        return {"transport": self._kind, "remote": hostport(self.flow.remote), "flow": self.flow.id}


def stream_socket(kind: str, address: Address) -> socket.socket:
    """A listening, non-blocking socket; OSError names the address when it is taken."""
    sock = socket.socket(family(address[0]), socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise OSError(
            error.errno, f"cannot listen on {kind} {hostport(address)}: {error.strerror}"
        ) from error
    return sock


def tune(sock: socket.socket) -> None:
    """Messages leave at once, and a peer that vanished is noticed within two minutes."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 60_000)  # ms


class StreamListener:
    """A listening TCP or TLS socket.

    It accepts by itself, so that a connection too many is refused before anything is spent on it, a TLS
    handshake least of all, and so that a handshake in progress counts.
    """

    def __init__(
        self, hub: Hub, kind: str, address: Address, context: Callable[[], ssl.SSLContext] | None
    ) -> None:
        self._hub = hub
        self._kind = kind
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._sock = stream_socket(kind, address)
        self._handshakes: set[asyncio.Task[None]] = set()
        self.address = unmapped(self._sock.getsockname())
        self._resume: asyncio.TimerHandle | None = None
        self._loop.add_reader(self._sock, self._accept)

    def _accept(self) -> None:
        for _ in range(ACCEPTS_AT_ONCE):
            try:
                sock, address = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                return self._pause(error)
            remote = unmapped(address)
            if not self._hub.admission.admit(remote[0]):
                log.refused("too-many-connections", transport=self._kind, remote=hostport(remote))
                sock.close()
                continue
            task = self._loop.create_task(self._welcome(sock, remote))
            self._handshakes.add(task)
            task.add_done_callback(self._handshakes.discard)

    def _pause(self, error: OSError) -> None:
        """No descriptor left: accepting would spin, so wait for some to be closed."""
        log.error("accept-failed", transport=self._kind, error=error)
        self._loop.remove_reader(self._sock)
        self._resume = self._loop.call_later(
            PAUSE_WITHOUT_DESCRIPTORS, self._loop.add_reader, self._sock, self._accept
        )

    async def _welcome(self, sock: socket.socket, remote: Address) -> None:
        connection = StreamConnection(self._hub, self._kind, counted=remote[0])
        secure = {}
        if self._context is not None:
            secure = {"ssl": self._context(), "ssl_handshake_timeout": self._hub.limits.idle_s}
        try:
            sock.setblocking(False)
            await self._loop.connect_accepted_socket(lambda: connection, sock, **secure)
        except (OSError, ssl.SSLError, TimeoutError) as error:
            sock.close()
            connection.release()
            log.refused("handshake-failed", transport=self._kind, remote=hostport(remote), detail=error)
        except asyncio.CancelledError:
            sock.close()
            connection.release()
            raise

    async def close(self) -> None:
        """Stop accepting and drop connections whose handshake is not done."""
        if self._resume is not None:
            self._resume.cancel()
        self._loop.remove_reader(self._sock)
        self._sock.close()
        for task in self._handshakes:
            task.cancel()
        await asyncio.gather(*self._handshakes, return_exceptions=True)
