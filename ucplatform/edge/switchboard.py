"""The middle of the edge: bytes in, transactions, calls, bytes out. One object, one loop, nothing awaited."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ucplatform.edge import log
from ucplatform.edge.accounts import Accounts
from ucplatform.edge.bans import Bans
from ucplatform.edge.callroom import TIMER, CallRoom
from ucplatform.edge.clock import Clock
from ucplatform.edge.devices import Devices
from ucplatform.edge.journal import Journal
from ucplatform.edge.limits import Limits
from ucplatform.edge.neighbours import Neighbours
from ucplatform.edge.overload import Watch
from ucplatform.edge.porter import Porter
from ucplatform.edge.prologue import Prologue
from ucplatform.edge.reception import NO_CREDENTIALS, Reception
from ucplatform.edge.store import Store
from ucplatform.edge.trace import TraceWriter
from ucplatform.edge.transports import Transports
from ucplatform.media import MediaClient
from ucplatform.pbx.access import Gatekeeper
from ucplatform.pbx.inputs import FlowLost, HangUp, NoReply, Reply
from ucplatform.pbx.ports import House
from ucplatform.pbx.registrar import Binding
from ucplatform.pbx.routing import Route
from ucplatform.sip.commands import (
    AckMissing,
    AckReceived,
    CancelReceived,
    CancelTimer,
    Close,
    Command,
    Event,
    Key,
    PassUp,
    PrackMissing,
    RequestFailed,
    RequestReceived,
    ResponseReceived,
    Send,
    SetTimer,
)
from ucplatform.sip.digest import NonceIssuer
from ucplatform.sip.endpoint import Endpoint
from ucplatform.sip.errors import ParseError
from ucplatform.sip.flow import Flow, hostport
from ucplatform.sip.locate import Target
from ucplatform.sip.message import Request, Response, parse_message, validate
from ucplatform.sip.uri import Uri

PROBE = "probe"
PROBE_SECONDS = 4.0


class Switchboard:
    """Driven by the transports (`on_data`, `on_flow_lost`) and the command stream (`execute`)."""

    def __init__(
        self,
        *,
        house: House,
        secret: bytes,
        accounts: Accounts,
        page_password: Callable[[str], str | None],
        store: Store,
        trace: TraceWriter,
        journal: Journal,
        media: MediaClient,
        loop: asyncio.AbstractEventLoop,
        neighbours: Neighbours,
    ) -> None:
        self._house = replace(house, srtp=accounts.srtp)
        self._neighbours = neighbours
        self._loop = loop
        self._accounts = accounts
        self._media = media
        self._trace = trace
        self._store = store
        self._transports: Transports | None = None
        self._endpoint = Endpoint(house.edge_id)
        self._prologue = Prologue()
        self._clock = Clock(loop, self._fire)
        self.gatekeeper = Gatekeeper(house.domain, NonceIssuer(secret), accounts, page_password)
        self._porter = Porter(self, Bans(store, exempt=self.trusts), Limits())
        self._watch: Watch | None = None
        self.devices = Devices(store, self.house, self._probe, secret)
        self.calls = CallRoom(self, store=store, trace=trace, journal=journal, media=media)
        self._reception = Reception(
            self,
            house=self.house,
            directory=accounts,
            gatekeeper=self.gatekeeper,
            porter=self._porter,
            devices=self.devices,
            calls=self.calls,
        )

    # -- life --------------------------------------------------------------------------------------

    async def start(self, transports: Transports) -> None:
        """Take up the state of an earlier life; from here on messages may come."""
        self._transports = transports
        self.take_options(self._accounts.options)
        await self._porter.bans.start()
        await self.devices.start()
        for binding in self.devices.registrar.everything():
            self._porter.bans.registered(binding.flow.peer[0], binding.number)
        await self.calls.start(self._house)
        await self._media.subscribe(self.calls.media_event)
        self._watch = Watch(
            self._porter.overload, self._loop, queued=transports.queued, media=self._media.behind
        )
        self._watch.start()

    async def stop(self) -> None:
        if self._watch is not None:
            self._watch.stop()
        self._clock.stop()
        await self.devices.stop()
        await self.calls.stop()

    def house(self) -> House:
        return self._house

    def take_options(self, options: Mapping[str, Any]) -> None:
        """An administrator changed a setting; calls under way keep what they began with."""
        self._porter.take_options(options)
        self.gatekeeper.offer_sha256 = bool(options.get("offer_sha256", 0))
        self._house = replace(
            self._house,
            ring_seconds=float(options.get("ring_seconds", self._house.ring_seconds)),
            grace_seconds=float(options.get("grace_seconds", self._house.grace_seconds)),
            session_expires=int(options.get("session_expires", self._house.session_expires)),
        )

    def now(self) -> float:
        """Unix seconds, as nonces and records want them."""
        return time.time()

    def health(self) -> dict[str, Any]:
        """{"state": "ready" | "starting" | "degraded", "lacks": [what is missing], …counts}."""
        lacks = []
        engines = self._media.states()
        if not any(engine["alive"] for engine in engines.values()):
            lacks.append("gateway")
        elif all(
            engine["free_ports"] is not None and int(str(engine["free_ports"])) < 4
            for engine in engines.values()
        ):
            lacks.append("media ports")
        if not self._accounts.loaded:
            lacks.append("directory")
        if not self._store.available:
            lacks.append("redis")
        started = self._transports is not None
        return {
            "state": "ready" if started and not lacks else "degraded" if started else "starting",
            "lacks": lacks,
            "calls": len(self.calls.calls),
            "registrations": self.devices.registrar.count(),
        }

    async def execute(self, command: Mapping[str, Any]) -> None:
        """One command of the stream (web, workers). Unknown kinds raise ValueError, which is logged there."""
        kind = command.get("kind")
        if kind == "session-ended":
            for flow_id in self.gatekeeper.flows_of(str(command.get("session", ""))):
                if self._transports is not None:
                    self._transports.close_flow(flow_id, "signed out")
        elif kind == "hangup":
            call = self.calls.calls.get(str(command.get("call", "")))
            if call is not None:
                self.calls.feed(call, HangUp("ended_by_house"))
        elif kind == "accounts-changed":
            self._accounts.refresh()
        elif kind == "lift-bans":
            self._porter.lift(str(command.get("address", "")))
        else:
            raise ValueError(f"unknown command {kind!r}")

    # -- what transports say -----------------------------------------------------------------------

    def on_data(self, data: bytes, flow: Flow) -> None:
        """One complete message. What cannot be read is answered without state or dropped, in one log line."""
        if not flow.edge:
            answer = self._porter.turns_away(data, flow)
            if answer is not None:
                self._dismiss(answer, flow)
                return
        now = self._loop.time()
        try:
            message = parse_message(data)
            validate(message)
        except ParseError as error:
            if self._porter.hears(flow, now):
                remote = hostport(flow.remote)
                log.refused("malformed", why=error.reason, remote=remote, transport=flow.transport)
                self._run(self._endpoint.receive(data, flow, now))
            return
        if self._neighbours.needed and not flow.edge:
            whose = self._neighbours.look(message, data, flow)
            if whose is None:
                return
            flow = whose
        if isinstance(message, Request) and not self._comes_in(message, flow, now):
            return
        self._trace_message(message, "in", flow, data)
        self._run(self._endpoint.deliver(message, flow, now))

    def _comes_in(self, request: Request, flow: Flow, now: float) -> bool:
        """Whether a request gets as far as the endpoint."""
        if self._porter.ignores(request, flow, now):
            return False
        refusal = self._porter.refusal(request, flow)
        if refusal is not None:
            self._run(self._endpoint.send_stateless(refusal, flow))
        return refusal is None

    def _dismiss(self, answer: bytes, flow: Flow) -> None:
        if answer and self._transports is not None:
            self._transports.send(flow, answer)

    def _trace_message(self, message: Request | Response, direction: str, flow: Flow, data: bytes) -> None:
        try:
            place = self.calls.place(message, incoming=direction == "in")
            if place is None:
                self._prologue.keep(message, (time.time(), direction, flow, data))
                return
        except ParseError:
            # Our 400 to a malformed request carries its malformed headers back: it belongs to no call.
            return
        self._trace.message(place[0], place[1], time.time(), direction, flow, data)

    def call_opened(self, call_id: str, leg_id: str, invite: Request) -> None:
        """The call that this INVITE has opened begins with what was said before it."""
        for at, direction, flow, data in self._prologue.take(invite.call_id, invite.from_tag or ""):
            self._trace.message(call_id, leg_id, at, direction, flow, data)

    def on_flow_lost(self, flow: Flow, reason: str) -> None:
        """A connection ended: its transactions fail, its devices are waited for, its calls have their
        grace."""
        self.gatekeeper.flow_lost(flow.id)
        self.devices.flow_lost(flow.id)
        self._run(self._endpoint.flow_lost(flow.id, self._loop.time()))
        self.calls.flow_lost(FlowLost(flow.id))

    def _fire(self, key: Key, now: float) -> None:
        if key[0] == TIMER:
            self.calls.timer(key[1], key[2])
        elif key == NO_CREDENTIALS:
            self._reception.no_credentials()
        else:
            self._run(self._endpoint.fire(key, now))

    # -- what the endpoint wants -------------------------------------------------------------------

    def _run(self, commands: list[Command]) -> None:
        for command in commands:
            match command:
                case Send(flow, message):
                    self._send(flow, message)
                case PassUp(event):
                    self._event(event)
                case SetTimer(key, at):
                    self._clock.set(key, at)
                case CancelTimer(key):
                    self._clock.cancel(key)
                case Close(flow_id, reason):
                    if self._transports is not None:
                        self._transports.close_flow(flow_id, reason)

    def _send(self, flow: Flow, message: Request | Response) -> None:
        data = message.to_bytes()
        self._trace_message(message, "out", flow, data)
        if self._transports is None or not self._transports.send(flow, data):
            # Later in the loop: the endpoint is in the middle of the step that asked for this.
            self._loop.call_soon(self._not_sent, flow)

    def _not_sent(self, flow: Flow) -> None:
        self._run(self._endpoint.flow_lost(flow.id, self._loop.time()))

    def _event(self, event: Event) -> None:
        match event:
            case RequestReceived():
                self._reception.received(event)
            case ResponseReceived(_, context, response, _):
                self._reply(context, response)
            case RequestFailed(_, context, _, status):
                self._no_reply(context, status)
            case CancelReceived(key, request, _):
                self.calls.cancelled(key, request)
            case AckReceived(request, _):
                self.calls.acknowledged(request)
            case AckMissing(key):
                self.calls.ack_missing(key)
            case PrackMissing(key):
                self.calls.prack_missing(key)

    def _reply(self, context: Any, response: Response) -> None:
        name, first, second = context
        if name == PROBE:
            if response.status >= 200:
                self.devices.probed(first, second, answered=True)
            return
        call = self.calls.calls.get(name)
        if call is not None:
            self.calls.feed(call, Reply(first, second, response))

    def _no_reply(self, context: Any, status: int) -> None:
        name, first, second = context
        if name == PROBE:
            self.devices.probed(first, second, answered=False)
            return
        call = self.calls.calls.get(name)
        if call is not None:
            self.calls.feed(call, NoReply(first, second, status))

    # -- what the porter asks (porter.World) -------------------------------------------------------

    def trusts(self, host: str) -> bool:
        return self._transports is not None and self._transports.admission.trusts(host)

    def serves(self, key: Key) -> bool:
        return self._endpoint.serves(key)

    def is_registered(self, number: str, flow: Flow) -> bool:
        return any(binding.flow.id == flow.id for binding in self.devices.of(number))

    def is_in_dialog(self, request: Request) -> bool:
        return self.calls.dialog(request.call_id, request.to_tag or "", request.from_tag or "") is not None

    def claims(self, request: Request) -> str:
        return self.gatekeeper.claims(request)

    def is_answer(self, request: Request, peer: str) -> bool:
        return self.gatekeeper.is_answer(request, peer, self.now())

    # -- what calls want (callroom.Line, reception.Desk) -------------------------------------------

    def send_request(self, request: Request, flow: Flow, context: tuple[str, ...]) -> Key:
        """A new client transaction; what comes back carries `context`."""
        key, commands = self._endpoint.request(request, flow, self._loop.time(), context=context)
        self._run(commands)
        return key

    def find(self, number: str) -> tuple[Route, tuple[Binding, ...]]:
        """What a number means, and the devices that it rings."""
        return self._reception.find(number)

    def respond(self, key: Key, response: Response) -> None:
        self._run(self._endpoint.respond(key, response, self._loop.time()))

    def cancel(self, key: Key, headers: tuple[tuple[str, str], ...]) -> None:
        self._run(self._endpoint.cancel(key, self._loop.time(), headers))

    def acknowledge(self, request: Request, flow: Flow) -> None:
        self._run(self._endpoint.acknowledge(request, flow, self._loop.time()))

    def set_timer(self, key: Key, seconds: float) -> None:
        self._clock.set(key, self._loop.time() + seconds)

    def cancel_timer(self, key: Key) -> None:
        self._clock.cancel(key)

    def fetch(self, call_id: str, local_tag: str, remote_tag: str, done: Callable[[], None]) -> bool:
        """Have a call of another edge brought here."""
        return self._neighbours.fetch(call_id, local_tag, remote_tag, done)

    def is_open(self, flow: Flow) -> bool:
        return self._transports is not None and self._transports.is_open(flow)

    def registered_flow(self, number: str, instance: str, target: str) -> Flow | None:
        """The way to a device by what it has registered last; None where that is not open."""
        return self.devices.open_flow(number, instance, target, self.is_open)

    async def locate(self, uri: Uri, transport: str) -> list[Target]:
        """Where `uri` leads over `transport`, best first (RFC 3263)."""
        return await self._transports.locate(uri, transport) if self._transports is not None else []

    async def dial(self, target: Target) -> Flow:
        """A connection to `target`. OSError when there is none to be had."""
        if self._transports is None:
            raise OSError("not started")
        return await self._transports.dial(target)

    def _probe(self, binding: Binding, request: Request) -> None:
        _, commands = self._endpoint.request(
            request,
            binding.flow,
            self._loop.time(),
            context=(PROBE, binding.number, binding.key),
            ttl=PROBE_SECONDS,
        )
        self._run(commands)
