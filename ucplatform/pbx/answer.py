"""The answer of a device: who wins, what is still to be said to the others, and the caller's 200."""

from __future__ import annotations

from ucplatform.pbx import branch, mediaplan, progress
from ucplatform.pbx.call import Call
from ucplatform.pbx.commands import Acknowledge, Note, Save, SendRequest
from ucplatform.pbx.ending import close, end, leg_finished
from ucplatform.pbx.exchange import Exchange
from ucplatform.pbx.features import delayed, redirect, refresh
from ucplatform.pbx.inputs import MediaDone, MediaFailed, NoReply, Reply
from ucplatform.pbx.invite import bye
from ucplatform.pbx.leg import Leg
from ucplatform.pbx.outcome import ANSWERED, NO_CODEC, engine_outcome
from ucplatform.sip.dialog import Dialog
from ucplatform.sip.message import Response


def device_replied(call: Call, event: Reply, now: float) -> None:
    leg = call.legs.get(event.leg)
    if leg is None or event.purpose not in ("invite", "transfer"):
        return
    response = event.response
    if response.status < 200:
        progress.heard(call, leg, response, now)
    elif response.status < 300:
        if leg.pending and call.state == "ringing":
            _won(call, leg, response, now)
        else:
            late_answer(call, leg, response)
    elif leg.state == "cancelling":
        leg_finished(call, leg)
    elif not any(way(call, leg, response) for way in (branch.longer, redirect.follow, branch.in_the_clear)):
        branch.failed(call, leg, response.status, response.reason, now)


def device_silent(call: Call, event: NoReply, now: float) -> None:
    leg = call.legs.get(event.leg)
    if leg is None or event.purpose not in ("invite", "transfer"):
        return
    if leg.state == "cancelling":
        leg_finished(call, leg)
    elif leg.pending and leg.browser and event.status == 503 and not branch.rings_anew(call, leg):
        branch.await_back(call, leg)
    elif leg.pending:
        branch.failed(call, leg, event.status, "Unreachable", now)


def _won(call: Call, leg: Leg, response: Response, now: float) -> None:
    """The first 200 wins. The winner is fixed before anything is asked of the engine (ARCHITECTURE
    section 2)."""
    body = progress.settled(leg, response)
    assert leg.dialog is not None
    call.set_leg(leg, "up")
    call.callee_id = leg.id
    if not call.delayed:
        call.do(Acknowledge(leg.id, leg.dialog.ack(leg.invite_cseq)))
    call.stop_timer("ring")
    call.set_state("answering")
    refresh.taken(call, leg, response, now)
    if body is None:
        end(call, now, NO_CODEC, "server")
        return
    let_others_go(call)
    if call.delayed:
        delayed.answered_with_offer(call, leg, body, now)
    elif body == leg.session.received and call.early and call.caller.session.sent:
        up(call, call.caller.session.sent, now)
    else:
        leg.session.received = body
        call.ask("answer", mediaplan.answer(call.id, call.caller, leg, body))


def let_others_go(call: Call) -> None:
    """Somebody has won: whatever else rings is told so."""
    for other in call.devices:
        if other.pending:
            asked = other.state != "awaiting"
            close(call, other, ANSWERED)
            call.stop_timer(f"reconnect:{other.id}")
            if asked:
                branch.drop(call, other)


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


def late_reply(call: Call, event: Reply, now: float) -> None:
    """What comes when the call is over: a 2xx still gets its ACK (RFC 3261 13.2.2.4)."""
    leg, response = call.known(event.leg), event.response
    if event.purpose in ("invite", "transfer"):
        device_replied(call, event, now)
    elif 200 <= response.status < 300 and response.method == "INVITE" and leg is not None and leg.dialog:
        call.do(Acknowledge(leg.id, leg.dialog.ack(response.cseq.number)))


# -- handlers while the engine prepares the answer -------------------------------------------------


def answer_ready(call: Call, event: MediaDone, now: float) -> None:
    """The caller gets its 200. An application is attached behind the same queue, before any packet flows."""
    if event.ref not in ("answer", "terminate", "counter"):
        return
    caller = call.caller
    if call.promised:
        up(call, "", now)
        if not caller.session.same_sent(event.reply["sdp"]):
            # What was promised reliably has changed: the caller is told when its ACK is here.
            call.owed = call.callee_id
            call.exchange = call.exchange or Exchange(caller.id, call.callee_id, "ack")
        return
    body = caller.session.describe(event.reply["sdp"], caller.flow.local[0])
    if event.ref == "terminate":
        call.ask("attach", mediaplan.attach_application(call.id, caller, call.application))
    up(call, body, now)


def up(call: Call, body: str, now: float) -> None:
    """The caller's 200: they talk."""
    caller = call.caller
    if call.rang is None and call.application:
        call.rang = now
    call.answered = now
    headers = refresh.answer(call, caller, caller.request, now) if caller.request else ()
    call.respond(caller, 200, body="" if call.promised else body, headers=tuple(headers))
    call.set_leg(caller, "up")
    caller.confirm()
    call.set_state("talking")
    if call.callee is not None and call.callee.state == "over":
        call.exchange = Exchange(caller.id, call.callee_id, "left")
    elif call.delayed:
        delayed.await_answer(call)
    call.do(
        Note(
            "answered",
            call.callee_id or None,
            {"device": call.callee.device if call.callee else "application"},
        ),
        Save(),
    )


def answer_refused(call: Call, event: MediaFailed, now: float) -> None:
    if event.ref in ("answer", "terminate", "counter", "pickup", "pickup-caller"):
        call.do(Note("media-failed", call.callee_id or None, {"reason": event.reason}))
        end(call, now, engine_outcome(event.reason), "server")
