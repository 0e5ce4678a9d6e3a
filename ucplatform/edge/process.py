"""The parts of one edge process, made in order, started in order, stopped in reverse."""

import asyncio
import hashlib
import json
import os
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ucplatform.edge import log
from ucplatform.edge.accounts import Accounts
from ucplatform.edge.addresses import parse_listen
from ucplatform.edge.commands import Commands
from ucplatform.edge.fleet import Fleet
from ucplatform.edge.house import advertised
from ucplatform.edge.journal import Journal, Record
from ucplatform.edge.limits import Limits
from ucplatform.edge.memory import Collector
from ucplatform.edge.neighbours import Neighbours
from ucplatform.edge.own_certificate import own_certificate
from ucplatform.edge.store import Store
from ucplatform.edge.tls import ServerContext
from ucplatform.edge.trace import TraceWriter
from ucplatform.edge.transports import ListenConfig, Transports
from ucplatform.edge.websocket import SipConsumer
from ucplatform.media import MediaClient
from ucplatform.pbx.ports import Account
from ucplatform.sip.flow import Flow, hostport

TRACE_HOURS = 24
#: it stands in tags, branches and the ids of calls and flows, between other words
EDGE_ID = re.compile("(?!udp$)[A-Za-z0-9]{1,16}")
#: an edge that cannot read back its registrations is no use: it waits this long for Redis, then gives up
REDIS_SECONDS = 10.0
#: an engine that is there answers in far less; calls of an earlier life are asked after next
MEDIA_SECONDS = 0.5


class Database(NamedTuple):
    """What the edge asks of the database, each called in a thread.

    `ingest` may raise one of `transient` to get the same records again later.
    """

    accounts: Callable[[], Iterable[Account]]
    version: Callable[[], Any]
    options: Callable[[], Mapping[str, Any]]
    ingest: Callable[[list[Record]], object]
    transient: tuple[type[Exception], ...]


class Edge:
    """`app` is the ASGI application for Daphne; `start` and `stop` are awaited in its loop.

    `settings` has the UC_… names of ucplatform.settings. `switchboard(accounts=, store=, trace=, journal=,
    media=, loop=)` makes the switchboard once the directory is loaded.
    """

    def __init__(
        self,
        settings: Any,
        database: Database,
        switchboard: Callable[..., Any],
        limits: Limits | None = None,
    ) -> None:
        self._settings = settings
        self._database = database
        self._make_switchboard = switchboard
        self._data = Path(settings.UC_DATA_DIR)
        self._ready = asyncio.Event()
        self._undo: list[Callable[[], Awaitable[object]]] = []
        self._switchboard: Any = None
        self._certificates: ServerContext | None = None
        self.limits = limits or Limits()
        self.transports = Transports(
            on_data=lambda data, flow: self._switchboard.on_data(data, flow),
            on_flow_lost=self._flow_lost,
            limits=self.limits,
            trusted=settings.UC_SIP_TRUSTED,
            advertised=advertised(settings.UC_MEDIA_ADDRESSES),
        )
        self._fleet = Fleet(
            settings.UC_EDGE_ID,
            redis_url=settings.REDIS_URL,
            secret=hashlib.sha256(b"ucplatform link\0" + settings.UC_SECRET_KEY.encode()).digest(),
            address=settings.UC_EDGE_LINK,
        )
        self.neighbours = Neighbours(self._fleet, self.transports, proxied=bool(settings.UC_SIP_TRUSTED))
        self._consumer = SipConsumer.as_asgi(
            transports=self.transports, allowed_origins=settings.UC_ALLOWED_ORIGINS, ready=self._ready.wait
        )

    # Life --------

    async def start(self) -> None:
        """Load what an earlier life left, then listen.

        OSError for a taken address, ValueError for an unreadable setting.
        """
        settings, database = self._settings, self._database
        if not EDGE_ID.fullmatch(settings.UC_EDGE_ID):
            raise ValueError(f"UC_EDGE_ID {settings.UC_EDGE_ID!r} is not one to 16 letters and digits")
        listen = self._listen_config()
        accounts = Accounts(settings.REDIS_URL, database.accounts, database.version, database.options)
        await self._begin(accounts.start, accounts.close)
        store = Store(settings.REDIS_URL)
        await self._begin(lambda: store.start(REDIS_SECONDS), store.close)
        trace = TraceWriter(settings.UC_TRACE_DIR, settings.UC_EDGE_ID, _retention(accounts))
        self._undo.append(lambda: asyncio.to_thread(trace.close))
        journal = Journal(
            self._data / "journal" / settings.UC_EDGE_ID, database.ingest, transient=database.transient
        )
        self._undo.append(lambda: asyncio.to_thread(journal.close))
        media = MediaClient(settings.UC_MEDIA_ENGINES, subscriber=f"edge-{settings.UC_EDGE_ID}")
        await self._start_media(media)
        switchboard = self._make_switchboard(
            accounts=accounts,
            store=store,
            trace=trace,
            journal=journal,
            media=media,
            loop=asyncio.get_running_loop(),
            neighbours=self.neighbours,
        )
        self._switchboard = switchboard
        accounts.on_change = lambda: self._options_changed(accounts, trace)
        self._undo.append(self.transports.close)
        await self._begin(lambda: switchboard.start(self.transports), switchboard.stop)
        await self.transports.start(listen)
        if settings.UC_EDGE_LINK:
            await self._begin(
                lambda: self.neighbours.start(switchboard, self._listening()), self.neighbours.stop
            )
        commands = Commands(settings.REDIS_URL, settings.UC_EDGE_ID, switchboard.execute)
        await self._begin(commands.start, commands.close)
        collector = Collector()
        await self._begin(collector.start, collector.close)
        self._ready.set()
        log.info("edge-ready", edge=settings.UC_EDGE_ID, accounts=len(accounts), **self._listening())

    def _flow_lost(self, flow: Flow, reason: str) -> None:
        self._switchboard.on_flow_lost(flow, reason)
        self.neighbours.flow_lost(flow, reason)

    async def _begin(
        self, start: Callable[[], Awaitable[object]], stop: Callable[[], Awaitable[object]]
    ) -> None:
        self._undo.append(stop)
        await start()

    async def _start_media(self, media: MediaClient) -> None:
        """Look for the engines.

        One that is away must not keep phones from registering, so it is not waited for.
        """
        looking = asyncio.get_running_loop().create_task(media.start())

        async def stop() -> None:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
            await media.close()

        self._undo.append(stop)
        await asyncio.wait([looking], timeout=MEDIA_SECONDS)

    async def stop(self) -> None:
        """Stop everything that was started, last first; one that fails does not keep the others."""
        while self._undo:
            stop = self._undo.pop()
            try:
                await stop()
            except Exception as error:
                log.fault("stop-failed", error)
        log.info("edge-stopped", edge=self._settings.UC_EDGE_ID)

    def _listen_config(self) -> ListenConfig:
        settings = self._settings
        tls = parse_listen(settings.UC_SIP_TLS)
        self._certificates = self._tls_certificates() if tls else None
        return ListenConfig(
            udp=parse_listen(settings.UC_SIP_UDP),
            tcp=parse_listen(settings.UC_SIP_TCP),
            tls=tls,
            tls_context=self._certificates,
        )

    def _tls_certificates(self) -> ServerContext:
        settings = self._settings
        certificate, key = settings.UC_TLS_CERT, settings.UC_TLS_KEY
        if not (certificate and key):
            certificate, key = own_certificate(self._data / "tls", certificate_names(settings))
        return ServerContext(
            Path(certificate),
            Path(key),
            directory=Path(settings.UC_TLS_DIR) if settings.UC_TLS_DIR else None,
            client_ca=Path(settings.UC_TLS_CLIENT_CA) if settings.UC_TLS_CLIENT_CA else None,
            client_required=settings.UC_TLS_CLIENT_REQUIRED,
        )

    def _listening(self) -> dict[str, str]:
        kinds = {kind: self.transports.addresses(kind) for kind in ("udp", "tcp", "tls")}
        return {kind: ",".join(map(hostport, found)) for kind, found in kinds.items() if found}

    def _options_changed(self, accounts: Accounts, trace: TraceWriter) -> None:
        trace.keep(_retention(accounts))
        self._switchboard.take_options(accounts.options)

    # Towards Daphne --------

    async def app(self, scope: dict[str, Any], receive: Callable, send: Callable) -> None:
        """ASGI: the SIP WebSocket and /healthz; nothing else lives here."""
        if scope["type"] == "websocket":
            await self._consumer(scope, receive, send)
            return
        found = scope["path"] == "/healthz" and scope["method"] in ("GET", "HEAD")
        health = self.health() if found else {"error": "not found"}
        status = 404 if not found else 200 if health["state"] == "ready" else 503
        body = json.dumps(health).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body if scope["method"] != "HEAD" else b""})

    def health(self) -> dict[str, Any]:
        """{"state", "lacks", "pid", …}: the switchboard's once it runs, "starting" before."""
        if not self._ready.is_set():
            return {"state": "starting", "lacks": [], "pid": os.getpid()}
        health = self._switchboard.health()
        around = self.neighbours.health()
        lacks = [*health["lacks"], *around["lacks"]]
        state = "degraded" if around["lacks"] and health["state"] == "ready" else health["state"]
        if self._certificates is not None:
            lacks += self._certificates.warnings()  # to be seen in time, but nothing is amiss yet
        return {**health, "state": state, "lacks": lacks, "edges": around["edges"], "pid": os.getpid()}


def _retention(accounts: Accounts) -> float:
    """How long a trace is kept, in seconds."""
    return float(accounts.options.get("trace_retention_hours", TRACE_HOURS)) * 3600


def certificate_names(settings: Any) -> list[str]:
    """What the self-made certificate is for: the SIP domain, this machine's addresses as media knows them."""
    pairs = (item.partition("=")[2] for item in settings.UC_MEDIA_ADDRESSES.split(",") if "=" in item)
    addresses = [address.strip() for pair in pairs for address in pair.split("!") if address.strip()]
    return list(dict.fromkeys([settings.UC_DOMAIN, "localhost", *addresses]))
