"""From an INVITE to the devices that ring."""

from __future__ import annotations

from ucplatform import sdp
from ucplatform.pbx import branch, mediaplan, progress, srtp
from ucplatform.pbx.call import Call, new_tag
from ucplatform.pbx.commands import Note
from ucplatform.pbx.ending import end
from ucplatform.pbx.inputs import DeviceBack, InviteIn, MediaDone, MediaFailed, Timeout
from ucplatform.pbx.invite import breadth, description
from ucplatform.pbx.leg import Leg
from ucplatform.pbx.outcome import OFFLINE, Outcome, engine_outcome
from ucplatform.pbx.registrar import Binding, by_device
from ucplatform.pbx.routing import Refusal, ToApplication, ToExtension
from ucplatform.sip import fields
from ucplatform.sip.dialog import Dialog
from ucplatform.sip.errors import ParseError


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
    caller.learn(request)
    if not srtp.allowed(call, caller):
        end(call, now, srtp.MISSING, "server")
        return
    privacy = fields.privacy(request)
    caller.private = privacy is not None and privacy.hides_identity
    call.delayed = not caller.session.received
    if isinstance(route, ToApplication):
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
    """Every device rings at once, each with an offer of its own (RFC 3261 16.6, as a back-to-back agent), as
    far as the caller's Max-Breadth goes (RFC 5393)."""
    call.dialled_name, call.dialled_extension = route.account.name, route.account.number
    for binding, *spares in by_device(devices)[: breadth(call.caller.request)]:
        if binding.flow.id != call.caller.flow.id or binding.number != call.caller.number:
            branch.ring(call, binding, route.account.name, spares)
    if not call.devices:
        end(call, now, OFFLINE, "server")
        return
    call.timer("ring", call.house.ring_seconds)


# -- handlers while it rings -----------------------------------------------------------------------


def media_ready(call: Call, event: MediaDone, now: float) -> None:
    """The engine's SDP for a device, or for the caller's early media."""
    verb, _, tag = event.ref.partition(":")
    if verb == "offer":
        leg = call.legs.get(tag)
        if leg is not None and leg.state == "offering":
            body = leg.session.describe(event.reply["sdp"], leg.flow.local[0])
            branch.send(call, leg, body)
    elif verb == "early":
        progress.sound(call, event.reply["sdp"])


def media_refused(call: Call, event: MediaFailed, now: float) -> None:
    verb, _, tag = event.ref.partition(":")
    leg = call.legs.get(tag)
    call.do(Note("media-failed", tag or None, {"reason": event.reason}))
    if verb == "offer" and leg is not None and leg.state == "offering":
        leg.refusal = engine_outcome(event.reason)
        branch.failed(call, leg, leg.refusal.status, leg.refusal.reason, now)
    elif verb == "early":
        progress.no_sound(call)


def reconnect_over(call: Call, event: Timeout, now: float) -> None:
    """The browser that was just reconnecting did not come back in time."""
    leg = call.legs.get(event.name.partition(":")[2])
    if leg is not None and leg.state == "awaiting":
        branch.failed(call, leg, 480, "Not Registered", now)


def device_back(call: Call, event: DeviceBack, now: float) -> None:
    """A device of the callee registers while it rings: it rings too, in place of its lost former self. One
    that only refreshes its registration has been asked already, whatever it said."""
    binding = event.binding
    if binding.number != call.dialled_extension or binding.flow.id == call.caller.flow.id:
        return
    waiting = next(
        (leg for leg in call.devices if leg.state == "awaiting" and branch.same(leg, binding)), None
    )
    if waiting is None:
        if not any(branch.asked(leg, binding) for leg in call.devices):
            branch.ring(call, binding, call.dialled_name)
        return
    call.stop_timer(f"reconnect:{waiting.id}")
    waiting.flow, waiting.contact, waiting.path = binding.flow, binding.contact, binding.path
    branch.ask(call, waiting)
