"""What the caller hears before the answer: 180, and sound where it can be (RFC 3960, RFC 3262)."""

from __future__ import annotations

from ucplatform import sdp
from ucplatform.pbx import mediaplan
from ucplatform.pbx.call import Call
from ucplatform.pbx.commands import Save, SendRequest
from ucplatform.pbx.ending import end
from ucplatform.pbx.inputs import PrackMissing
from ucplatform.pbx.invite import description
from ucplatform.pbx.leg import Leg
from ucplatform.pbx.outcome import NO_PRACK
from ucplatform.sip import fields
from ucplatform.sip.dialog import Dialog
from ucplatform.sip.message import Response

RELIABLE = (("Require", "100rel"),)

#: Early dialogs of one device (it may be a proxy that forks) that are followed.
MAX_EARLY = 16


def heard(call: Call, leg: Leg, response: Response, now: float) -> None:
    """180 and 183 of a device. Its early media goes to the caller only where it rings alone: then its answer
    will be the later one, as pages take it (JsSIP). Of several forks behind it the newest is heard, as
    Asterisk does it; the one that answers counts."""
    if response.status == 100 or not leg.pending:
        return
    body, leg.ring_tag = described(response), response.to_tag or ""
    if fields.reliable(response):
        acknowledge(call, leg, response, body)
    first = call.rang is None
    if first:
        call.rang = now
    call.set_leg(leg, "ringing")
    if body and not call.delayed and not call.caller.browser and _alone(call):
        if call.early != body:
            call.early, leg.session.received = body, body
            call.ask(f"early:{leg.id}", mediaplan.answer(call.id, call.caller, leg, body))
    elif first:
        ringing(call)
        call.do(Save())


def described(response: Response) -> str | None:
    """Its description; None without one that can be read."""
    try:
        return description(response)
    except sdp.SdpError:
        return None


def _alone(call: Call) -> bool:
    return len([leg for leg in call.devices if leg.pending]) == 1


def acknowledge(call: Call, leg: Leg, response: Response, body: str | None) -> None:
    """PRACK for a reliable response (RFC 3262 4); a description in it is the answer of that dialog."""
    tag = response.to_tag or ""
    if leg.request is None or (tag not in leg.early and len(leg.early) >= MAX_EARLY):
        return
    dialog, said = leg.early.get(tag) or (Dialog.from_response(leg.request, response), "")
    dialog, prack = dialog.prack(response)
    leg.early[tag] = dialog, body or said
    call.do(SendRequest(leg.id, "prack", prack))


def settled(leg: Leg, response: Response) -> str | None:
    """A 2xx: its dialog is the leg's, an early one goes on (RFC 3261 12.1). Gives the description; one that
    was sent reliably before was the answer (RFC 3262 5)."""
    assert leg.request is not None
    early = leg.early.get(response.to_tag or "")
    leg.dialog = early[0].confirmed(response) if early else Dialog.from_response(leg.request, response)
    leg.learn(response)
    return (early[1] if early else "") or described(response)


# -- towards the caller ----------------------------------------------------------------------------


def ringing(call: Call) -> None:
    """180. A caller that insists on 100rel without having offered anything gets none: the first reliable
    response would need an offer (RFC 3262 5), which comes with the answer."""
    if not _required(call):
        call.respond(call.caller, 180)
    elif not call.delayed:
        call.respond(call.caller, 180, headers=RELIABLE)


def sound(call: Call, body: str) -> None:
    """183 with the engine's description: reliably, where the caller can; then it is its answer for good."""
    caller = call.caller
    if call.promised or caller.session.same_sent(body):
        return
    body = caller.session.describe(body, caller.flow.local[0])
    call.promised = _required(call) or "100rel" in caller.supports
    call.respond(caller, 183, body=body, headers=RELIABLE if call.promised else ())


def no_sound(call: Call) -> None:
    """No sound before the answer, then; the caller hears its own ringing tone."""
    ringing(call)


def _required(call: Call) -> bool:
    request = call.caller.request
    return request is not None and "100rel" in request.require


def prack_missing(call: Call, event: PrackMissing, now: float) -> None:
    """RFC 3262 3: the INVITE is to be rejected; the endpoint has done so where our 200 was waiting."""
    leg = call.legs.get(event.leg)
    if leg is not None:
        end(call, now, NO_PRACK, "server", spared=leg if call.answered else None)
