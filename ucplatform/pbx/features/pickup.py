"""A call that rings at one device of an account is answered at another: INVITE with Replaces for the early
dialog that we hold with the first (RFC 3891 section 3)."""

from __future__ import annotations

from ucplatform import sdp
from ucplatform.pbx import answer, mediaplan, srtp
from ucplatform.pbx.call import Call, new_tag
from ucplatform.pbx.commands import Respond
from ucplatform.pbx.ending import end
from ucplatform.pbx.features import refresh
from ucplatform.pbx.inputs import MediaDone, ReplaceIn
from ucplatform.pbx.invite import description
from ucplatform.pbx.leg import Leg, codecs
from ucplatform.pbx.outcome import Outcome
from ucplatform.sip.dialog import Dialog
from ucplatform.sip.errors import ParseError
from ucplatform.sip.message import make_response

#: What the engine is asked, one after the other.
QUESTIONS = ("pickup", "pickup-caller")

GONE = Outcome("failed", "browser_gone", 480, "Browser Gone", "The browser that picked up is gone.")


def pick_up(call: Call, event: ReplaceIn, now: float) -> None:
    """The new device wins. It has made an offer as the caller has, so the engine answers both."""
    old, request = call.legs.get(event.leg), event.request
    if old is None or old.role != "callee" or not old.pending:
        # Nor one that we have not begun ourselves (section 3).
        call.do(Respond(event.key, make_response(request, 481)))
        return
    leg = _leg(call, old, event)
    try:
        leg.dialog = Dialog.from_request(request, leg.local_tag)
        leg.session.received = description(request) or ""
    except (ParseError, sdp.SdpError) as error:
        call.do(Respond(event.key, make_response(request, 400, str(error)[:60])))
        return
    if not leg.session.received or call.delayed or call.promised or not srtp.allowed(call, leg):
        call.do(Respond(event.key, make_response(request, 488)))
        return
    leg.learn(request)
    call.legs[leg.id], call.callee_id = leg, leg.id
    call.stop_timer("ring")
    call.set_state("answering")
    answer.let_others_go(call)
    prefer = codecs(call.caller.session.received)
    call.ask("pickup", mediaplan.terminate(call.id, call.house, leg, leg.session.received, prefer))


def _leg(call: Call, old: Leg, event: ReplaceIn) -> Leg:
    return Leg(
        id=call.next_leg_id(),
        role="callee",
        number=old.number,
        name=old.name,
        flow=event.flow,
        extension=old.extension,
        user_agent=event.request.headers.get("User-Agent") or "",
        key=event.key,
        request=event.request,
        local_tag=new_tag(call.house.edge_id),
        sip_call_id=event.request.call_id,
    )


def media_done(call: Call, event: MediaDone, now: float) -> None:
    """First the device's answer, then the caller's; both hear of it when both are there."""
    leg, caller = call.callee, call.caller
    if leg is None or leg.request is None:
        return
    if leg.lost:
        # Its INVITE is gone with its connection, so that nobody would hear our 200.
        end(call, now, GONE, leg.role, spared=leg)
        return
    if event.ref == "pickup":
        leg.session.describe(event.reply["sdp"], leg.flow.local[0])
        prefer = codecs(leg.session.received)
        body = caller.session.received
        call.ask("pickup-caller", mediaplan.terminate(call.id, call.house, caller, body, prefer))
        return
    headers = tuple(refresh.answer(call, leg, leg.request, now))
    call.respond(leg, 200, body=leg.session.sent, headers=headers)
    call.set_leg(leg, "up")
    leg.confirm()
    call.ask("attach", mediaplan.attach(call.id, leg, caller))
    answer.up(call, caller.session.describe(event.reply["sdp"], caller.flow.local[0]), now)
