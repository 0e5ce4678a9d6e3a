"""The calls of this edge: finds the call of a message, lets it decide, carries out what it wants."""

from __future__ import annotations

import asyncio
import json
import time
from functools import partial
from typing import Any, Protocol

from redis.exceptions import RedisError

from ucplatform.edge import log
from ucplatform.edge.callindex import CallIndex, Place, Topic
from ucplatform.edge.journal import Journal
from ucplatform.edge.store import Store
from ucplatform.edge.trace import TraceWriter
from ucplatform.media import EngineError, MediaClient
from ucplatform.pbx import machine
from ucplatform.pbx.call import Call, new_call_id
from ucplatform.pbx.commands import (
    Acknowledge,
    AskMedia,
    CancelInvite,
    Claim,
    Command,
    FindNumber,
    Forget,
    Note,
    Respond,
    Save,
    SendRequest,
    StartTimer,
    StopTimer,
    WriteRecord,
)
from ucplatform.pbx.inputs import (
    AckIn,
    AckMissing,
    Cancelled,
    DeviceBack,
    FlowLost,
    GivenAway,
    HangUp,
    InDialog,
    Input,
    InviteIn,
    LegMoved,
    MediaDone,
    MediaEvent,
    MediaFailed,
    NoReply,
    NumberFound,
    PrackMissing,
    ReferIn,
    ReplaceIn,
    Restored,
    Timeout,
)
from ucplatform.pbx.leg import Leg
from ucplatform.pbx.ports import House
from ucplatform.pbx.registrar import Binding
from ucplatform.pbx.routing import Route
from ucplatform.sip.commands import Key
from ucplatform.sip.flow import Flow, hostport
from ucplatform.sip.locate import Target
from ucplatform.sip.message import Request, Response, make_response
from ucplatform.sip.uri import Uri

SNAPSHOT = "uc:call:"
SNAPSHOT_SECONDS = 86_400.0
TIMER = "call"
_CANCELLED = 'SIP;cause=487;text="Cancelled"'

#: A call that was being set up when the edge stopped is ended once the listeners are open again.
RESTARTED, RESTART_SECONDS = "restarted", 1.0


class Line(Protocol):
    """What the calls need of the switchboard: requests out, answers out, timers."""

    def send_request(self, request: Request, flow: Flow, context: tuple[str, ...]) -> Key: ...
    def respond(self, key: Key, response: Response) -> None: ...
    def cancel(self, key: Key, headers: tuple[tuple[str, str], ...]) -> None: ...
    def acknowledge(self, request: Request, flow: Flow) -> None: ...
    def set_timer(self, key: Key, seconds: float) -> None: ...
    def cancel_timer(self, key: Key) -> None: ...
    def is_open(self, flow: Flow) -> bool: ...
    def call_opened(self, call_id: str, leg_id: str, invite: Request) -> None: ...
    def find(self, number: str) -> tuple[Route, tuple[Binding, ...]]: ...
    def registered_flow(self, number: str, instance: str, target: str) -> Flow | None: ...
    async def locate(self, uri: Uri, transport: str) -> list[Target]: ...
    async def dial(self, target: Target) -> Flow: ...


class CallRoom:
    """Owns the call values, the index from dialogs to legs, and the attempts to reach a device anew."""

    def __init__(
        self, line: Line, *, store: Store, trace: TraceWriter, journal: Journal, media: MediaClient
    ) -> None:
        self._line = line
        self._store = store
        self._trace = trace
        self._journal = journal
        self._media = media
        self.calls: dict[str, Call] = {}
        self._index = CallIndex()
        self._invites: dict[Place, Key] = {}
        self._dials: set[asyncio.Task[None]] = set()

    # -- life --------------------------------------------------------------------------------------

    async def start(self, house: House) -> None:
        """Take back the calls that an earlier life stored; what was still ringing then is over."""
        try:
            stored = await self._store.load(SNAPSHOT)
        except (RedisError, OSError) as error:
            log.warning("calls-not-loaded", error=error)
            return
        for key, text in stored.items():
            try:
                value = json.loads(text)
                if value.get("edge") != house.edge_id:
                    continue
                call = self._read(value, house)
            except (KeyError, TypeError, ValueError) as error:
                log.error("call-not-restored", key=key, error=repr(error))
                self._store.delete(key)
                continue
            self._restore(call)

    def _read(self, value: dict[str, Any], house: House) -> Call:
        """A call from its snapshot, on its engine. KeyError, TypeError, ValueError for what is none."""
        engine = value.pop("engine")
        call = Call.from_json(value, house)
        try:
            if engine is not None:
                self._media.pin(call.id, engine)
        except KeyError:
            log.warning("engine-gone", call=call.id, engine=engine)
        return call

    def _seat(self, call: Call) -> None:
        self.calls[call.id] = call
        for leg in [*call.legs.values(), *call.gone]:
            self._index.remember((call.id, leg.id), leg.sip_call_id, leg.local_tag)

    def _restore(self, call: Call) -> None:
        self._seat(call)
        if call.state == "over":
            # Only its statistics were waited for.
            self.feed(call, Timeout("statistics"))
            return
        if call.state != "talking":
            self._line.set_timer((TIMER, call.id, RESTARTED), RESTART_SECONDS)
            return
        self._watch(call)
        self.feed(call, Restored())
        # Connections of other edges outlive us; what became of them is asked when they are met.
        for flow_id in {leg.flow.id for leg in call.legs.values() if leg.browser and not leg.flow.edge}:
            self.feed(call, FlowLost(flow_id))

    async def stop(self) -> None:
        """Let the questions under way end; calls go on without us, their media does not need us."""
        await self._media.drain(0.5)
        for task in list(self._dials):
            task.cancel()
        await asyncio.gather(*self._dials, return_exceptions=True)

    # -- finding -----------------------------------------------------------------------------------

    def place(self, message: Request | Response, incoming: bool) -> Place | None:
        """Call and leg of a message."""
        return self._index.of_message(message, incoming)

    def dialog(self, call_id: str, local_tag: str, remote_tag: str) -> tuple[Call, Leg] | None:
        """The leg whose dialog has this Call-ID and both tags; None for anything less."""
        place = self._index.of_dialog(call_id, local_tag)
        call = self.calls.get(place[0]) if place else None
        if call is None or place is None:
            return None
        leg = call.known(place[1])
        if (
            leg is None
            or leg.local_tag != local_tag
            or (leg.dialog is None and not leg.ring_tag)
            or leg.remote_tag != remote_tag
        ):
            return None
        return call, leg

    def _by_server_key(self, key: Key) -> tuple[Call, str] | None:
        place = self._index.of_server_key(key)
        call = self.calls.get(place[0]) if place else None
        return (call, place[1]) if call is not None and place is not None else None

    # -- letting calls decide ----------------------------------------------------------------------

    def open(self, house: House, event: InviteIn) -> Call:
        """A new call; its caller's messages are found by the caller's own tag from now on."""
        call = Call(new_call_id(house.edge_id), house)
        self.calls[call.id] = call
        self._index.remember((call.id, "leg1"), event.request.call_id, event.request.from_tag or "")
        self._line.call_opened(call.id, "leg1", event.request)
        self.feed(call, event)
        return call

    def feed(self, call: Call, event: Input) -> None:
        """One input; its commands are carried out in order. A fault of ours ends this call and no other."""
        if call.id not in self.calls:
            return
        try:
            commands = machine.receive(call, event, time.time())
        except Exception as error:
            log.fault("call-failed", error, call=call.id, input=type(event).__name__)
            self._give_up(call, event)
            return
        self._find_by(call, event)
        for command in commands:
            try:
                self._carry_out(call, command)
            except Exception as error:  # the others must not be lost with it: BYE, record, Forget
                log.fault("command-failed", error, call=call.id, command=type(command).__name__)

    def _give_up(self, call: Call, event: Input) -> None:
        """After a fault of ours: nobody is left waiting for an answer, and the call is gone in any case."""
        call.todo.clear()
        if isinstance(event, InviteIn | ReplaceIn | ReferIn | InDialog):
            self._line.respond(event.key, make_response(event.request, 500))
        if isinstance(event, HangUp) or call.state in ("new", "over"):
            self._forget(call)
        else:
            self.feed(call, HangUp("server_fault"))

    def _find_by(self, call: Call, event: Input) -> None:
        """Keep the indexes true: a new dialog of ours, connections and extensions that concern the call."""
        if isinstance(event, InviteIn):
            place = (call.id, call.caller.id)
            self._index.remember(place, call.caller.sip_call_id, call.caller.local_tag)
            self._index.serve(event.key, place)
        elif isinstance(event, ReplaceIn):
            newest = next(reversed(call.legs.values()))
            if newest.request is event.request:
                place = (call.id, newest.id)
                self._index.remember(place, newest.sip_call_id, newest.local_tag)
                self._index.serve(event.key, place)
                self._line.call_opened(call.id, newest.id, event.request)
        elif isinstance(event, InDialog):
            if event.request.method == "INVITE":
                self._index.serve(event.key, (call.id, event.leg))
            return
        elif not isinstance(event, DeviceBack | LegMoved):
            return  # the legs are where they were
        self._watch(call)

    def _watch(self, call: Call) -> None:
        """What happens to the connections and extensions of its legs concerns the call."""
        topics = {("flow", leg.flow.id) for leg in call.legs.values() if leg.flow.reliable}
        topics |= {("number", leg.extension) for leg in call.legs.values() if leg.extension}
        if call.dialled_extension:
            topics.add(("number", call.dialled_extension))
        self._index.watch(call.id, topics)

    def device_back(self, event: DeviceBack) -> None:
        """A device registered: its extension's calls hear of it."""
        self._tell(("number", event.binding.number), event)

    def flow_lost(self, event: FlowLost) -> None:
        """A connection ended: the calls with a leg on it hear of it."""
        self._tell(("flow", event.flow_id), event)

    def _tell(self, topic: Topic, event: Input) -> None:
        for call_id in self._index.concerned(topic):
            call = self.calls.get(call_id)
            if call is not None:
                self.feed(call, event)

    def cancelled(self, key: Key, request: Request) -> None:
        """CANCEL of the INVITE or re-INVITE `key`."""
        found = self._by_server_key(key)
        if found is not None:
            self.feed(found[0], Cancelled(request, found[1]))

    def acknowledged(self, request: Request) -> None:
        """The ACK of a 2xx concerns a call that waits for what is in it."""
        found = self.dialog(request.call_id, request.to_tag or "", request.from_tag or "")
        if found is not None and found[0].exchange is not None:
            self.feed(found[0], AckIn(found[1].id, request))

    def ack_missing(self, key: Key) -> None:
        found = self._by_server_key(key)
        if found is not None:
            self.feed(found[0], AckMissing(found[1]))

    def prack_missing(self, key: Key) -> None:
        found = self._by_server_key(key)
        if found is not None:
            self.feed(found[0], PrackMissing(found[1]))

    def timer(self, call_id: str, name: str) -> None:
        call = self.calls.get(call_id)
        if call is not None:
            self.feed(call, HangUp("server_restart") if name == RESTARTED else Timeout(name))

    def media_event(self, event: dict[str, Any]) -> None:
        """What an engine tells unasked. One that has restarted has no call any more."""
        if event.get("event") == "engine-restarted":
            for call in list(self.calls.values()):
                if self._media.engine_of(call.id) in (None, event.get("engine")):
                    self.feed(call, MediaEvent("", "closed", {"reason": "engine restarted"}))
            return
        call = self.calls.get(str(event.get("call-id", "")))
        if call is not None:
            detail = {
                k: v
                for k, v in event.items()
                if k not in ("event", "seq", "call-id", "tag", "engine", "time")
            }
            self.feed(call, MediaEvent(str(event.get("tag", "")), str(event.get("event", "")), detail))

    # -- carrying out ------------------------------------------------------------------------------

    def _carry_out(self, call: Call, command: Command) -> None:
        match command:
            case SendRequest():
                self._send(call, command)
            case Respond(key, response):
                self._line.respond(key, response)
            case Acknowledge(leg_id, request):
                self._line.acknowledge(request, _leg(call, leg_id).flow)
            case CancelInvite(leg_id, reasons):
                self._cancel(call, leg_id, reasons)
            case FindNumber(leg_id, number):
                self.feed(call, NumberFound(leg_id, *self._line.find(number)))
            case AskMedia(ref, question):
                self._ask(call, ref, question)
            case StartTimer(name, seconds):
                self._line.set_timer((TIMER, call.id, name), seconds)
            case StopTimer(name):
                self._line.cancel_timer((TIMER, call.id, name))
            case Note(event, noted, detail):
                self._trace.event(call.id, noted, time.time(), event, detail)
            case Claim(leg_id, other, other_leg):
                self._claim(call, leg_id, other, other_leg)
            case Save():
                self._save(call)
            case WriteRecord(record):
                self._journal.append(record)
                self._store.delete(SNAPSHOT + call.id)
            case Forget():
                self._forget(call)

    def _send(self, call: Call, command: SendRequest) -> None:
        leg = _leg(call, command.leg)
        if not command.request.to_tag:
            self._index.remember((call.id, leg.id), leg.sip_call_id, leg.local_tag)
        if self._line.is_open(leg.flow) or leg.browser or self._has_moved(call, leg):
            self._transmit(call, leg, command)
        else:
            task = asyncio.get_running_loop().create_task(self._dial(call, leg, command))
            self._dials.add(task)
            task.add_done_callback(self._dials.discard)

    def _transmit(self, call: Call, leg: Leg, command: SendRequest) -> None:
        key = self._line.send_request(command.request, leg.flow, (call.id, leg.id, command.purpose))
        if command.request.method == "INVITE":
            self._invites[call.id, leg.id] = key

    def _has_moved(self, call: Call, leg: Leg) -> bool:
        """The device's connection is gone, but it has registered anew by another one."""
        target = leg.dialog.remote_target if leg.dialog else leg.contact
        flow = self._line.registered_flow(leg.extension or "", leg.instance, target)
        if flow is not None:
            leg.flow = flow
            self._watch(call)
        return flow is not None

    async def _dial(self, call: Call, leg: Leg, command: SendRequest) -> None:
        """The device's connection is gone: it is called at its Contact (RFC 3261 18.1.1), as a device without
        NAT can be."""
        request, purpose = command.request, command.purpose
        hop = request.routes[0].uri if request.routes else request.uri
        try:
            leg.flow = await self._reach(leg, hop)
            if call.id in self.calls:  # else it is a BYE behind everything, and nobody would clear the index
                self._watch(call)
        except (OSError, ValueError) as error:
            log.warning("device-not-reached", call=call.id, device=str(hop), error=error)
            self.feed(call, NoReply(leg.id, purpose, 503))
            return
        if purpose in ("invite", "transfer") and leg.state != "calling":
            self.feed(call, NoReply(leg.id, purpose, 487))
        else:
            self._transmit(call, leg, command)

    async def _reach(self, leg: Leg, hop: Uri) -> Flow:
        """The first target of `hop` that answers, of those at the address the device came from: a Contact
        must not make us knock at the doors of third parties, whether by number or by name."""
        for target in await self._line.locate(hop, leg.flow.transport):
            if target.address[0] != leg.flow.remote[0]:
                continue
            try:
                return await self._line.dial(target)
            except OSError as error:
                log.info("target-not-reached", address=hostport(target.address), error=error)
        raise OSError("its connection is gone, and its Contact does not lead to where it came from")

    def _cancel(self, call: Call, leg_id: str, reasons: tuple[str, ...]) -> None:
        key = self._invites.get((call.id, leg_id))
        if key is not None:
            elsewhere = call.callee_id and call.callee_id != leg_id
            own = 'SIP;cause=200;text="Call completed elsewhere"' if elsewhere else _CANCELLED
            self._line.cancel(key, tuple(("Reason", reason) for reason in reasons or (own,)))

    def _claim(self, call: Call, leg_id: str, other: str, other_leg: str) -> None:
        """The messages of a dialog that was another call's are this call's from now on."""
        leg = _leg(call, leg_id)
        self._index.remember((call.id, leg_id), leg.sip_call_id, leg.local_tag)
        self._watch(call)
        former = self.calls.get(other)
        if former is not None:
            self.feed(former, GivenAway(other_leg))

    def _save(self, call: Call) -> None:
        if not call.recorded:
            self._store.put(SNAPSHOT + call.id, partial(self._snapshot, call), ttl=SNAPSHOT_SECONDS)

    def _snapshot(self, call: Call) -> str:
        return json.dumps({**call.to_json(), "engine": self._media.engine_of(call.id)})

    def _forget(self, call: Call) -> None:
        self._unseat(call)
        self._store.delete(SNAPSHOT + call.id)

    def _unseat(self, call: Call) -> None:
        self.calls.pop(call.id, None)
        self._index.forget(call.id)
        for leg in [*call.legs.values(), *call.gone]:
            self._invites.pop((call.id, leg.id), None)

    # -- moving to another edge --------------------------------------------------------------------

    def to_give(self, call: Call) -> dict[str, Any] | None:
        """A call's snapshot for another edge; None while it is in the middle of something."""
        busy = (
            call.exchange is not None
            or call.transfer is not None
            or any(leg.lost for leg in call.legs.values())
        )
        return None if busy or call.state != "talking" else json.loads(self._snapshot(call))

    def adopt(self, value: dict[str, Any], house: House) -> Call:
        """Take a call over from another edge. KeyError, TypeError, ValueError for what is none."""
        call = self._read(value, house)
        self._seat(call)
        self._watch(call)
        self.feed(call, Restored())
        self._save(call)
        return call

    def leave(self, call_id: str) -> None:
        """Another edge has this call now: it is not over."""
        call = self.calls.get(call_id)
        if call is not None:
            self._unseat(call)
            self._store.leave(SNAPSHOT + call_id)

    # -- asking engines ----------------------------------------------------------------------------

    def _ask(self, call: Call, ref: str, question: dict[str, Any]) -> None:
        """One NG request; the client keeps those of one call in order."""
        self._media.ask(call.id, question, partial(self._answered, call.id, ref, question["command"]))

    def _answered(self, call_id: str, ref: str, verb: str, outcome: dict[str, Any] | EngineError) -> None:
        event: MediaDone | MediaFailed
        if isinstance(outcome, EngineError):
            if verb != "delete":  # what was never made cannot be deleted, and need not be
                log.warning("engine-refused", call=call_id, command=verb, error=outcome)
            event = MediaFailed(ref, str(outcome))
        else:
            event = MediaDone(ref, outcome)
        call = self.calls.get(call_id)
        if call is not None:
            self.feed(call, event)


def _leg(call: Call, leg_id: str) -> Leg:
    leg = call.known(leg_id)
    assert leg is not None, f"{call.id} names no leg {leg_id}"
    return leg
