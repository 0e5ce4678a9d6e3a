"""From an INVITE to an answered call: what rings, who wins, what the caller is told meanwhile."""

from __future__ import annotations

from collections.abc import Iterable

from ucplatform import sdp
from ucplatform.pbx import mediaplan
from ucplatform.pbx.call import Call, new_tag
from ucplatform.pbx.commands import Acknowledge, Note, Save, SendRequest
from ucplatform.pbx.ending import close, devices_failed, end, leg_finished
from ucplatform.pbx.inputs import DeviceBack, InviteIn, MediaDone, MediaFailed, NoReply, Reply, Timeout
from ucplatform.pbx.invite import bye, description, invite
from ucplatform.pbx.leg import Leg, Session
from ucplatform.pbx.outcome import (
    ANSWERED,
    NO_CODEC,
    NO_ENGINE,
    NO_PORTS,
    OFFLINE,
    Outcome,
    of_status,
)
from ucplatform.pbx.registrar import Binding, by_device
from ucplatform.pbx.routing import Refusal, ToApplication, ToExtension
from ucplatform.sip.dialog import Dialog
from ucplatform.sip.errors import ParseError
from ucplatform.sip.message import Response

#: What says that a flow leads nowhere, so that the device is tried by its next one (RFC 5626 5.3).
FLOW_FAILED = frozenset({408, 430, 503})


def place(call: Call, event: InviteIn, now: float) -> None:
    """An authenticated INVITE becomes a call: its first leg, then whatever the dialled number means."""
    request, account = event.request, event.account
    call.created, call.dialled = now, request.uri.username
    if isinstance(event.route, ToExtension):
        call.dialled = event.route.account.number  # a GRUU says it in other words
    caller = Leg(
        id=call.next_leg_id(),
        role="caller",
        number=account.number,
        name=account.name,
        flow=event.flow,
        extension=account.number,
        user_agent=request.headers.get("User-Agent") or "",
        key=event.key,
        request=request,
        local_tag=new_tag(call.house.edge_id),
        sip_call_id=request.call_id,
    )
    call.legs[caller.id], call.caller_id = caller, caller.id
    call.set_state("ringing")
    route = event.route
    if isinstance(route, Refusal):
        end(
            call,
            now,
            Outcome(_result(route), route.cause, route.status, route.reason, route.sentence),
            "server",
        )
        return
    try:
        caller.dialog = Dialog.from_request(request, caller.local_tag)
        caller.session.received = description(request) or ""
    except (ParseError, sdp.SdpError) as error:
        end(call, now, Outcome("failed", "bad_request", 400, str(error)[:60]), "server")
        return
    if not caller.session.received:
        end(call, now, NO_CODEC, "server")
    elif isinstance(route, ToApplication):
        _to_application(call, route)
    else:
        _to_devices(call, route, event.devices, now)


def _result(route: Refusal) -> str:
    return "not_found" if route.status == 404 else "failed"


def _to_application(call: Call, route: ToApplication) -> None:
    call.application, call.dialled_name = route.application, route.name
    call.set_state("answering")
    call.ask("terminate", mediaplan.terminate(call.id, call.house, call.caller, call.caller.session.received))


def _to_devices(call: Call, route: ToExtension, devices: tuple[Binding, ...], now: float) -> None:
    """Every device rings at once, each with an offer of its own (RFC 3261 16.6, as a back-to-back agent)."""
    call.dialled_name, call.dialled_extension = route.account.name, route.account.number
    for binding, *spares in by_device(devices):
        if binding.flow.id != call.caller.flow.id or binding.number != call.caller.number:
            _ring(call, binding, route.account.name, spares)
    if not call.devices:
        end(call, now, OFFLINE, "server")
        return
    call.timer("ring", call.house.ring_seconds)


def _ring(call: Call, binding: Binding, name: str, spares: Iterable[Binding] = ()) -> None:
    leg = Leg(
        id=call.next_leg_id(),
        role="callee",
        number=binding.number,
        name=name,
        flow=binding.flow,
        extension=binding.number,
        contact=binding.contact,
        instance=binding.instance,
        user_agent=binding.user_agent,
        web_session=binding.session,
        state="offering",
        path=binding.path,
        spares=tuple(spares),
    )
    call.legs[leg.id] = leg
    if binding.browser and binding.lost_at is not None:
        call.set_leg(leg, "awaiting")
        call.timer(f"reconnect:{leg.id}", call.house.reconnect_seconds)
        return
    _ask_offer(call, leg)


def _ask_offer(call: Call, leg: Leg) -> None:
    call.set_leg(leg, "offering")
    call.ask(f"offer:{leg.id}", mediaplan.offer(call.id, call.house, call.caller, leg))


# -- handlers while it rings -----------------------------------------------------------------------


def media_ready(call: Call, event: MediaDone, now: float) -> None:
    """The engine's SDP for a device, or for the caller's early media."""
    verb, _, tag = event.ref.partition(":")
    if verb == "offer":
        leg = call.legs.get(tag)
        if leg is not None and leg.state == "offering":
            body = leg.session.describe(event.reply["sdp"], leg.flow.local[0])
            call.set_leg(leg, "calling")
            leg.request = invite(call, leg, body)
            call.do(SendRequest(leg.id, "invite", leg.request))
    elif verb == "early":
        body = call.caller.session.describe(event.reply["sdp"], call.caller.flow.local[0])
        call.respond(call.caller, 183, body=body)


def media_refused(call: Call, event: MediaFailed, now: float) -> None:
    verb, _, tag = event.ref.partition(":")
    leg = call.legs.get(tag)
    call.do(Note("media-failed", tag or None, {"reason": event.reason}))
    if verb == "offer" and leg is not None and leg.state == "offering":
        leg.refusal = engine_outcome(event.reason)
        _failed(call, leg, leg.refusal.status, leg.refusal.reason, now)
    elif verb == "early":
        # No sound before the answer, then; the caller hears its own ringing tone.
        call.respond(call.caller, 180)


def engine_outcome(reason: str) -> Outcome:
    """What an engine's refusal means for the call."""
    if "port" in reason:
        return NO_PORTS
    return NO_ENGINE if "answer in time" in reason or "timeout" in reason.lower() else NO_CODEC


def device_replied(call: Call, event: Reply, now: float) -> None:
    leg = call.legs.get(event.leg)
    if leg is None or event.purpose != "invite":
        return
    response = event.response
    if response.status < 200:
        _progress(call, leg, response, now)
    elif response.status < 300:
        if leg.pending and call.state == "ringing":
            _won(call, leg, response, now)
        else:
            late_answer(call, leg, response)
    elif leg.state == "cancelling":
        leg_finished(call, leg)
    else:
        _failed(call, leg, response.status, response.reason, now)


def device_silent(call: Call, event: NoReply, now: float) -> None:
    leg = call.legs.get(event.leg)
    if leg is None or event.purpose != "invite":
        return
    if leg.state == "cancelling":
        leg_finished(call, leg)
    elif leg.pending and leg.browser and event.status == 503 and not _rings_anew(call, leg):
        _await_back(call, leg)
    elif leg.pending:
        _failed(call, leg, event.status, "Unreachable", now)


def _rings_anew(call: Call, leg: Leg) -> bool:
    """The page of `leg` has registered again before its old connection was found to be gone."""
    others = [other for other in call.devices if other is not leg and other.pending]
    return bool(leg.instance) and any(other.instance == leg.instance for other in others)


def _await_back(call: Call, leg: Leg) -> None:
    """A page that was ringing lost its connection: it has the time to come back that any page has."""
    call.ask(f"drop:{leg.id}", mediaplan.drop(call.id, call.caller, leg))
    leg.session = Session()
    call.set_leg(leg, "awaiting")
    call.timer(f"reconnect:{leg.id}", call.house.reconnect_seconds)


def _progress(call: Call, leg: Leg, response: Response, now: float) -> None:
    """180 and 183. Early media only where one device rings: then its answer will be the later one (EDGE:
    JsSIP)."""
    if response.status == 100 or not leg.pending:
        return
    first = call.rang is None
    if first:
        call.rang = now
    call.set_leg(leg, "ringing")
    assert call.caller.dialog is not None
    try:
        body = description(response)
    except sdp.SdpError:
        body = None
    if body and not call.caller.browser and len([d for d in call.devices if d.pending]) == 1:
        if call.early != body:
            call.early, leg.session.received = body, body
            call.ask(f"early:{leg.id}", mediaplan.answer(call.id, call.caller, leg, body))
    elif first:
        call.respond(call.caller, 180)
        call.do(Save())


def _failed(call: Call, leg: Leg, status: int, reason: str, now: float) -> None:
    """One device less. A 6xx speaks for all of them (RFC 3261 16.7 step 5)."""
    leg.failure = (status, reason)
    asked, unheard = leg.state != "awaiting", leg.state == "calling"
    call.set_leg(leg, "over")
    if leg.spares and unheard and status in FLOW_FAILED:
        _ring(call, leg.spares[0], leg.name, leg.spares[1:])
    if status >= 600:
        for other in call.devices:
            close(call, other, of_status(status, reason))
    if any(other.pending for other in call.devices):
        if asked:
            call.ask(f"drop:{leg.id}", mediaplan.drop(call.id, call.caller, leg))
        return
    devices_failed(call, now)


def _won(call: Call, leg: Leg, response: Response, now: float) -> None:
    """The first 200 wins. The winner is fixed before anything is asked of the engine (ARCHITECTURE
    section 2)."""
    assert leg.request is not None
    leg.dialog = Dialog.from_response(leg.request, response)
    call.set_leg(leg, "up")
    call.callee_id = leg.id
    call.do(Acknowledge(leg.id, leg.dialog.ack(leg.invite_cseq)))
    call.stop_timer("ring")
    call.set_state("answering")
    try:
        body = description(response)
    except sdp.SdpError:
        body = None
    if body is None:
        end(call, now, NO_CODEC, "server")
        return
    if body == leg.session.received and call.early and call.caller.session.sent:
        _up(call, call.caller.session.sent, now)
    else:
        leg.session.received = body
        call.ask("answer", mediaplan.answer(call.id, call.caller, leg, body))
    for other in call.devices:
        if other.pending:
            asked = other.state != "awaiting"
            close(call, other, ANSWERED)
            call.stop_timer(f"reconnect:{other.id}")
            if asked:
                call.ask(f"drop:{other.id}", mediaplan.drop(call.id, call.caller, other))


def late_answer(call: Call, leg: Leg, response: Response) -> None:
    """A 200 that crossed our CANCEL, or a second fork of one device: it is acknowledged and ended."""
    if leg.dialog is not None and leg.dialog.remote_tag == response.to_tag:
        return
    if leg.request is None:
        return
    keep = leg.dialog
    leg.dialog = Dialog.from_response(leg.request, response)
    call.do(Acknowledge(leg.id, leg.dialog.ack(leg.invite_cseq)))
    call.do(SendRequest(leg.id, "bye", bye(call, leg, ANSWERED)))
    leg.dialog = keep if keep is not None else leg.dialog
    if leg.state == "cancelling":
        leg_finished(call, leg)


def reconnect_over(call: Call, event: Timeout, now: float) -> None:
    """The browser that was just reconnecting did not come back in time."""
    leg = call.legs.get(event.name.partition(":")[2])
    if leg is not None and leg.state == "awaiting":
        _failed(call, leg, 480, "Not Registered", now)


def device_back(call: Call, event: DeviceBack, now: float) -> None:
    """A device of the callee registers while it rings: it rings too, in place of its lost former self. One
    that only refreshes its registration has been asked already, whatever it said."""
    binding = event.binding
    if binding.number != call.dialled_extension or binding.flow.id == call.caller.flow.id:
        return
    waiting = next((leg for leg in call.devices if leg.state == "awaiting" and _same(leg, binding)), None)
    if waiting is None:
        if not any(_asked(leg, binding) for leg in call.devices):
            _ring(call, binding, call.dialled_name)
        return
    call.stop_timer(f"reconnect:{waiting.id}")
    waiting.flow, waiting.contact, waiting.path = binding.flow, binding.contact, binding.path
    _ask_offer(call, waiting)


def _asked(leg: Leg, binding: Binding) -> bool:
    """Whether the device has been asked: by this Contact, or by another of its flows (RFC 5626 5.3)."""
    if leg.contact == binding.contact:
        return True
    other_flow = binding.reg_id and not binding.browser and leg.instance == binding.instance
    return bool(other_flow) and (leg.failure is None or leg.failure[0] not in FLOW_FAILED)


def _same(leg: Leg, binding: Binding) -> bool:
    return leg.instance == binding.instance if leg.instance else leg.contact == binding.contact


# -- handlers while the engine prepares the answer -------------------------------------------------


def answer_ready(call: Call, event: MediaDone, now: float) -> None:
    """The caller gets its 200. An application is attached behind the same queue, before any packet flows."""
    if event.ref not in ("answer", "terminate"):
        return
    body = call.caller.session.describe(event.reply["sdp"], call.caller.flow.local[0])
    if event.ref == "terminate":
        call.ask("attach", mediaplan.attach_application(call.id, call.caller, call.application))
    _up(call, body, now)


def _up(call: Call, body: str, now: float) -> None:
    caller = call.caller
    if call.rang is None and call.application:
        call.rang = now
    call.answered = now
    call.respond(caller, 200, body=body)
    call.set_leg(caller, "up")
    caller.confirm()
    call.set_state("talking")
    call.do(
        Note(
            "answered",
            call.callee_id or None,
            {"device": call.callee.device if call.callee else "application"},
        ),
        Save(),
    )


def answer_refused(call: Call, event: MediaFailed, now: float) -> None:
    if event.ref in ("answer", "terminate"):
        call.do(Note("media-failed", call.callee_id or None, {"reason": event.reason}))
        end(call, now, engine_outcome(event.reason), "server")
