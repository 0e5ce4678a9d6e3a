"""A re-INVITE or UPDATE of one side: whether it may be served now, and whether it says anything new
(RFC 3261 14.2, RFC 3311 5.2)."""

from __future__ import annotations

from ucplatform import sdp
from ucplatform.pbx.call import Call
from ucplatform.pbx.features import delayed, early, refresh, reoffer
from ucplatform.pbx.inputs import InDialog
from ucplatform.pbx.invite import SDP, description, unreadable
from ucplatform.pbx.leg import Leg
from ucplatform.sip import fields

Headers = tuple[tuple[str, str], ...]
Refusal = tuple[int, str | None, Headers]

#: Phases in which the offer on the table is ours, or the other side's (RFC 6337 4.3).
_NOT_THEIRS = frozenset({"ack", "delayed", "left", "refresh"})


def reinvite(call: Call, leg: Leg, event: InDialog, now: float) -> None:
    """With an offer it goes to the engine and to the peer; without one an offer of ours is wanted."""
    if _refused(call, leg, event):
        return
    body = _taken(call, leg, event)
    if body is None:
        return
    if not body:
        delayed.offer_asked(call, leg, event, now)
    else:
        _offered(call, leg, event, body, now)


def update(call: Call, leg: Leg, event: InDialog, now: float) -> None:
    """UPDATE refreshes target and session (RFC 3311 5.2); with an offer it is a re-INVITE that is answered
    without a person."""
    request = event.request
    if refresh.too_short(request):
        call.answer_request(leg, event.key, request, 422, headers=refresh.MIN_SE)
        return
    if request.body and _refused(call, leg, event):
        return
    body = _taken(call, leg, event)
    if body:
        _offered(call, leg, event, body, now)
    elif body is not None:
        refresh.answered(call, leg, event.key, request, "", now)


def prack(call: Call, leg: Leg, event: InDialog, now: float) -> None:
    """The caller has our reliable response (RFC 3262 3). An offer in it is one like that of an UPDATE (5)."""
    if event.request.body:
        update(call, leg, event, now)
    else:
        call.answer_request(leg, event.key, event.request, 200)


def _refused(call: Call, leg: Leg, event: InDialog) -> bool:
    refusal = _refusal(call, leg, event)
    if refusal is None:
        return False
    status, reason, headers = refusal
    call.answer_request(leg, event.key, event.request, status, reason, headers=headers)
    return True


def _refusal(call: Call, leg: Leg, event: InDialog) -> Refusal | None:
    request = event.request
    if refresh.too_short(request):
        return 422, None, refresh.MIN_SE
    status = unreadable(request)
    if status:
        return status, None, (("Accept", SDP),) if status == 415 else ()
    if not fields.accepts(request, SDP):
        return 406, None, ()
    if call.state != "talking" and (leg.role != "caller" or call.exchange or early.heard(call) is None):
        # The offer of its INVITE has no answer yet (RFC 3311 5.2), or ours to it has none.
        return _later(call) if leg.role == "caller" else (491, None, ())
    if call.transfer is not None:
        # The side that would be asked is about to go, or has gone; who comes is told all there is by then.
        return 491, None, ()
    exchange = call.exchange
    if exchange is not None and not reoffer.gives_way(call, leg):
        theirs = exchange.source == leg.id and exchange.key is not None
        return _later(call) if theirs and exchange.phase not in _NOT_THEIRS else (491, None, ())
    peer = call.peer(leg)
    if peer is not None and peer.lost:
        # It may be back in a moment; 491 lets the phone try again.
        return 491, None, ()
    return None


def _later(call: Call) -> Refusal:
    """A second offer before the first is answered (RFC 3261 14.2): again in 0 to 10 s, by chance."""
    return 500, None, (("Retry-After", str(call.house.pick(11))),)


def _taken(call: Call, leg: Leg, event: InDialog) -> str | None:
    """The offer, "" without one; None when it is none and has been refused. The target is refreshed."""
    request = event.request
    try:
        body = description(request) or ""
    except sdp.SdpError as error:
        call.answer_request(leg, event.key, request, 400, str(error)[:60])
        return None
    assert leg.dialog is not None
    leg.dialog = leg.dialog.refresh(request)
    leg.learn(request)
    return body


def _offered(call: Call, leg: Leg, event: InDialog, body: str, now: float) -> None:
    if call.state != "talking":
        early.offered(call, leg, event, body)
    elif body == leg.session.received:
        # A refresh: what we last said still holds, the engine need not be asked (RFC 4028 7.4).
        refresh.answered(call, leg, event.key, event.request, leg.session.sent, now)
    else:
        reoffer.begin(call, leg, body, event)
