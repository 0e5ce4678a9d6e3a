"""Requests inside a dialog: each method one function, an unknown one is told what is allowed."""

from __future__ import annotations

from collections.abc import Callable

from ucplatform.pbx.call import ALLOW, SUPPORTED, Call
from ucplatform.pbx.ending import end
from ucplatform.pbx.features import transfer
from ucplatform.pbx.features.dtmf import info
from ucplatform.pbx.features.reinvite import prack, reinvite, update
from ucplatform.pbx.inputs import InDialog
from ucplatform.pbx.invite import reasons
from ucplatform.pbx.leg import Leg
from ucplatform.pbx.outcome import ANSWERED, CANCELLED, Outcome
from ucplatform.sip.errors import ParseError

Handler = Callable[[Call, Leg, InDialog, float], None]

_ABILITIES = (("Allow", ALLOW), ("Accept", "application/sdp"), ("Supported", SUPPORTED))


def in_dialog(call: Call, event: InDialog, now: float) -> None:
    """A request of a peer that may send it. Its CSeq is checked first (RFC 3261 12.2.2)."""
    leg, request = call.legs.get(event.leg), event.request
    if leg is None or leg.dialog is None or leg.state == "over":
        gone(call, event, now)
        return
    try:
        leg.dialog = leg.dialog.receive(request)
    except ParseError as error:
        call.answer_request(leg, event.key, request, error.status or 500, error.reason)
        return
    METHODS.get(request.method, _not_allowed)(call, leg, event, now)


def gone(call: Call, event: InDialog, now: float) -> None:
    """The leg or the call is over: a BYE that crossed ours is answered 200, all else 481."""
    leg = call.known(event.leg)
    if leg is not None:
        call.answer_request(leg, event.key, event.request, 200 if event.request.method == "BYE" else 481)


def _bye(call: Call, leg: Leg, event: InDialog, now: float) -> None:
    call.answer_request(leg, event.key, event.request, 200)
    if transfer.referrer_left(call, leg):
        return
    call.reasons = reasons(event.request)
    if call.state == "answering" and leg.role == "callee" and leg.state == "up":
        # It answered and left before the caller could be told: first the 200, and behind its ACK the BYE.
        call.set_leg(leg, "over")
    elif call.state == "talking":
        # Who is about to take the call over still waits for the answer to its INVITE.
        end(call, now, _reason(event), leg.role, spared=leg if leg.state == "up" else None)
    else:
        # Who calls, or picks up, gives up by BYE on the early dialog (RFC 3261 15): its INVITE still gets a
        # final answer.
        end(call, now, CANCELLED, leg.role)


def _reason(event: InDialog) -> Outcome:
    """A page that ends a call for a reason of its own says so (RFC 3326); any other BYE is a normal end."""
    text = event.request.headers.get("Reason") or ""
    if 'text="media' in text or 'text="microphone' in text:
        return Outcome("answered", "microphone", 200, "OK")
    return ANSWERED


def _options(call: Call, leg: Leg, event: InDialog, now: float) -> None:
    call.answer_request(leg, event.key, event.request, 200, headers=_ABILITIES)


def _not_allowed(call: Call, leg: Leg, event: InDialog, now: float) -> None:
    call.answer_request(leg, event.key, event.request, 405, headers=(("Allow", ALLOW),))


METHODS: dict[str, Handler] = {
    "BYE": _bye,
    "INVITE": reinvite,
    "INFO": info,
    "OPTIONS": _options,
    "PRACK": prack,
    "UPDATE": update,
}
