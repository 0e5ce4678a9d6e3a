"""All ways in and out of the edge under one roof: who is connected, and where a flow leads."""

import asyncio
import itertools
import secrets
import socket
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from ucplatform.edge import log
from ucplatform.edge.addresses import Routes, family, numeric
from ucplatform.edge.limits import Admission, Limits
from ucplatform.edge.stream import Connection, StreamConnection, StreamListener
from ucplatform.edge.udp import UdpListener
from ucplatform.sip.errors import ParseError
from ucplatform.sip.flow import Address, Flow, hostport
from ucplatform.sip.host import host_is
from ucplatform.sip.locate import Target
from ucplatform.sip.locate import numeric as numeric_target
from ucplatform.sip.message import Request, parse_message
from ucplatform.sip.uri import Uri

if TYPE_CHECKING:
    from ucplatform.edge.resolver import Resolver

SWEEP_SECONDS = 1.0
REFRESH_SWEEPS = 30
MAX_ALIASES = 4096


@dataclass(frozen=True, slots=True)
class ListenConfig:
    """Numeric addresses to listen on, and how to get the server's TLS context (asked for each handshake)."""

    udp: Iterable[Address] = ()
    tcp: Iterable[Address] = ()
    tls: Iterable[Address] = ()
    tls_context: Callable[[], ssl.SSLContext] | None = field(default=None, repr=False)


class Away(Protocol):
    """Flows that another edge holds."""

    def holds(self, flow: Flow) -> bool: ...
    def send(self, flow: Flow, data: bytes) -> bool: ...


class Alone:
    """No other edge: none holds anything."""

    def holds(self, flow: Flow) -> bool:
        return False

    def send(self, flow: Flow, data: bytes) -> bool:
        return False


class Transports:
    """Owns every socket that carries SIP.

    `on_data(data, flow)` is called for each complete message, `on_flow_lost(flow, reason)` once for each
    connection that ended, ours or theirs. Both run in the loop; what they raise is logged and goes no
    further.
    """

    def __init__(
        self,
        *,
        on_data: Callable[[bytes, Flow], None],
        on_flow_lost: Callable[[Flow, str], None],
        limits: Limits | None = None,
        trusted: Iterable[str] = (),
        advertised: Mapping[str, str] | None = None,
        resolver: "Resolver | None" = None,
    ) -> None:
        self.limits = limits or Limits()
        self.admission = Admission(self.limits.connections_per_address, trusted)
        #: asked about flows of other edges
        self.away: Away = Alone()
        self._on_data = on_data
        self._on_flow_lost = on_flow_lost
        self._connections: dict[str, Connection] = {}
        self._outgoing: dict[tuple[str, Address], asyncio.Future[Flow]] = {}
        self._udp: list[UdpListener] = []
        self._streams: list[tuple[str, StreamListener]] = []
        #: RFC 5923: (transport, address that the peer listens at) -> the connection that it opened to us
        self._aliases: dict[tuple[str, Address], StreamConnection] = {}
        self._alias_of: dict[str, tuple[str, Address]] = {}
        self._routes = Routes(advertised)
        self._resolver = resolver
        self._life = secrets.token_hex(4)
        self._numbers = itertools.count(1)
        self._sweeper: asyncio.Task[None] | None = None
        self._closed = False

    # Life --------

    async def start(self, config: ListenConfig) -> None:
        """Open every listener, or none: OSError names the address that is taken."""
        try:
            for address in config.udp:
                listener = UdpListener(self.deliver, self._routes, self.limits)
                await listener.open(address)
                self._udp.append(listener)
            for address in config.tcp:
                self._streams.append(("tcp", StreamListener(self, "tcp", address, None)))
            for address in config.tls:
                self._streams.append(("tls", StreamListener(self, "tls", address, config.tls_context)))
        except OSError:
            await self.close()
            raise
        self._sweeper = asyncio.get_running_loop().create_task(self._sweep())

    def addresses(self, kind: str) -> list[Address]:
        """Where we listen with `kind` (udp, tcp, tls), real ports in place of 0."""
        if kind == "udp":
            return [listener.address for listener in self._udp]
        return [listener.address for name, listener in self._streams if name == kind]

    async def close(self) -> None:
        """Stop listening, then end every connection. From here on nothing is called back."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
        for pending in self._outgoing.values():
            pending.cancel()
        for _, listener in self._streams:
            await listener.close()
        self._streams.clear()
        for connection in list(self._connections.values()):
            connection.close("stopped")
        for listener in self._udp:
            await listener.close()
        self._udp.clear()
        if self._resolver is not None:
            await self._resolver.close()

    async def _sweep(self) -> None:
        """Cut what is overdue, once a second: one walk costs less than a timer for every connection."""
        loop = asyncio.get_running_loop()
        for turn in itertools.count(1):
            await asyncio.sleep(SWEEP_SECONDS)
            now = loop.time()
            for connection in list(self._connections.values()):
                if connection.deadline is not None and connection.deadline <= now:
                    connection.expired()
            if turn % REFRESH_SWEEPS == 0:
                for listener in self._udp:
                    listener.refresh()

    # Called by connections and listeners --------

    def face(self, local: Address) -> Address:
        """One of our addresses as peers see it."""
        return self._routes.face(local[0]), local[1]

    def new_id(self, transport: str) -> str:
        """A flow id that no life of this edge has used, e.g. "tcp-5f0c3a91-17": what is stored names flows of
        an earlier life, and a stranger's connection must not become one of those."""
        return f"{transport}-{self._life}-{next(self._numbers)}"

    def deliver(self, data: bytes, flow: Flow) -> None:
        """Hand one complete message up; a fault of ours there must not cost the peer its connection."""
        if self._closed:
            return
        try:
            self._on_data(data, flow)
        except Exception as error:
            log.fault("message-failed", error, flow=flow.id, remote=hostport(flow.remote))

    def opened(self, connection: Connection) -> None:
        """A connection is up: its flow can be sent to from now on."""
        self._connections[connection.flow.id] = connection

    def introduced(self, connection: StreamConnection, data: bytes) -> None:
        """The first message of a connection that a peer opened. With `alias` in its Via the peer offers it
        for our requests to the address that the Via names (RFC 5923): taken where that is the peer's own
        address, or a name that its certificate proves. Nobody gets what is meant for others that way."""
        if b"alias" not in data[: self.limits.max_headers]:
            return
        try:
            message = parse_message(data)
            via = message.vias[0] if isinstance(message, Request) else None
        except ParseError:
            return
        flow = connection.flow
        if via is None or via.param("alias") is None or len(self._aliases) >= MAX_ALIASES:
            return
        if host_is(via.host, flow.remote[0]) or via.host in connection.names:
            port = via.port or (5061 if flow.transport == "tls" else 5060)
            key = (flow.transport, (flow.remote[0], port))
            self._aliases[key] = connection
            self._alias_of[flow.id] = key

    def lost(self, connection: Connection, reason: str) -> None:
        """A connection is down."""
        flow = connection.flow
        if self._connections.pop(flow.id, None) is None:
            return
        alias = self._alias_of.pop(flow.id, None)
        if alias is not None and self._aliases.get(alias) is connection:  # else a later one has taken it
            del self._aliases[alias]
        key = (flow.transport, flow.remote)
        known = self._outgoing.get(key)
        if known is not None and known.done() and not known.cancelled() and known.result() == flow:
            del self._outgoing[key]
        if self._closed:
            return
        try:
            self._on_flow_lost(flow, reason)
        except Exception as error:
            log.fault("flow-loss-failed", error, flow=flow.id)

    # Called by the switchboard --------

    def send(self, flow: Flow, data: bytes) -> bool:
        """Send one message over `flow`. False when the flow is gone; True promises no more than that it was
        queued.
        """
        if flow.edge and self.away.holds(flow):
            return self.away.send(flow, data)
        if flow.transport == "udp":  # that of an edge which is away too: the peer may take it from us
            listener = self._udp_listener(flow.remote, flow.local[0])
            return listener is not None and listener.send(flow, data)
        connection = self._connections.get(flow.id)
        return connection is not None and connection.send(data)

    def is_open(self, flow: Flow) -> bool:
        """Whether `flow` can be sent to; a UDP flow always can while we listen."""
        return flow.transport == "udp" or flow.id in self._connections or self.away.holds(flow)

    def udp_flow(self, remote: Address) -> Flow:
        """The flow to numeric `remote` through our UDP listener.

        OSError without listener or route, ValueError for a name.
        """
        remote = numeric(remote)
        listener = self._udp_listener(remote, self._routes.local(remote[0]))
        if listener is None:
            raise OSError(f"no udp listener for {hostport(remote)}")
        return listener.flow(remote)

    def _udp_listener(self, remote: Address, local: str) -> UdpListener | None:
        """The listener bound to the address `local`, else the first one of the remote's family."""
        found = None
        for listener in self._udp:
            if listener.address[0] == local:
                return listener
            if found is None and family(listener.address[0]) == family(remote[0]):
                found = listener
        return found

    async def connect(self, transport: str, remote: Address, server_name: str | None = None) -> Flow:
        """A tcp or tls connection to numeric `remote`, the one we have if there is one.

        TLS checks the peer's certificate against `server_name` and the system's authorities; without a name
        the connection is private but its far end unproven, as towards a desk phone. OSError (TimeoutError
        included) when it cannot be made.
        """
        key = (transport, numeric(remote))
        alias = self._aliases.get(key)
        if alias is not None and (server_name is None or server_name in alias.names):
            return alias.flow
        pending = self._outgoing.get(key)
        if pending is None:
            pending = asyncio.ensure_future(self._dial(transport, key[1], server_name))
            self._outgoing[key] = pending
            pending.add_done_callback(lambda done: self._dialled(key, done))
        return await asyncio.shield(pending)

    def _dialled(self, key: tuple[str, Address], done: asyncio.Future[Flow]) -> None:
        if (done.cancelled() or done.exception() is not None) and self._outgoing.get(key) is done:
            del self._outgoing[key]

    async def _dial(self, transport: str, remote: Address, server_name: str | None) -> Flow:
        secure = {}
        if transport == "tls":
            secure = {"ssl": client_context(server_name is not None), "server_hostname": server_name or ""}
        ours = [address for address in self.addresses(transport) if family(address[0]) == family(remote[0])]
        advertised = (self._routes.local(remote[0]), ours[0][1]) if ours else None
        connection = StreamConnection(self, transport, counted=None, advertised=advertised)
        async with asyncio.timeout(self.limits.connect_s):
            await asyncio.get_running_loop().create_connection(lambda: connection, *remote, **secure)
        connection.deadline = None  # we opened it: it is for us to speak first
        return connection.flow

    def queued(self) -> int:
        """Octets of datagrams that wait in the kernel."""
        return sum(listener.queued() for listener in self._udp)

    async def locate(self, uri: Uri, transport: str | None = None) -> list[Target]:
        """Where `uri` leads, over `transport` or what it says itself, best first (RFC 3263); none when
        nowhere. Numeric addresses are not asked for."""
        found = numeric_target(uri, transport)
        return [found] if found is not None else await self._names().locate(uri, transport)

    async def dial(self, target: Target) -> Flow:
        """The way to one target. OSError when there is none; it is tried last for a while, then (4.3)."""
        try:
            if target.transport == "udp":
                return self.udp_flow(target.address)
            return await self.connect(target.transport, target.address)
        except OSError:
            self._names().failed(target)
            raise

    def _names(self) -> "Resolver":
        """Made when a name comes up first. It asks for addresses of the families that we listen on."""
        if self._resolver is None:
            from ucplatform.edge.resolver import Resolver  # a quarter of the start-up, for what few need

            ours = [address for kind in ("udp", "tcp", "tls") for address in self.addresses(kind)]
            families = {family(host) for host, _ in ours} or {socket.AF_INET}
            kinds = [("AAAA", socket.AF_INET6), ("A", socket.AF_INET)]
            self._resolver = Resolver(tuple(kind for kind, number in kinds if number in families))
        return self._resolver

    def close_flow(self, flow_id: str, reason: str) -> None:
        """End a connection in good order, sending what is queued; UDP flows have nothing to close."""
        connection = self._connections.get(flow_id)
        if connection is not None:
            connection.close(reason)


def client_context(verify: bool) -> ssl.SSLContext:
    """TLS 1.2 or later as a client; `verify` checks the certificate and the name."""
    if verify:
        context = ssl.create_default_context()
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # without the authorities, which take 20 ms to read
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
