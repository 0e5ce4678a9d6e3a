"""A re-INVITE travels through: hold, resume, a new address, a new codec (RFC 3261 14, RFC 3264 8)."""

from __future__ import annotations

from ucplatform import sdp
from ucplatform.pbx import mediaplan
from ucplatform.pbx.call import Call, Exchange
from ucplatform.pbx.commands import Acknowledge, Note, Save, SendRequest
from ucplatform.pbx.ending import end
from ucplatform.pbx.inputs import InDialog, MediaDone, MediaFailed, NoReply, Reply, Timeout
from ucplatform.pbx.invite import SDP, description
from ucplatform.pbx.leg import Leg
from ucplatform.pbx.outcome import Outcome

#: A peer that said 100 or 180 to a re-INVITE may never say more: no timer of its transaction ends that.
EXCHANGE_SECONDS = 35.0

#: Refusals that mean the same to the side that asked; all else is between the peer and us, or would end the
#: asking side's dialog too (RFC 5057 5.1).
_TOLD = frozenset({488, 491, 500, 503, 504, 600, 603, 606})

_LOST = Outcome(
    "answered", "peer_lost", 481, "Call Does Not Exist", "The other side no longer knows this call."
)


def reinvite(call: Call, leg: Leg, event: InDialog, now: float) -> None:
    """The offer goes to the engine, then to the peer; while one is under way another waits (RFC 3261
    14.2)."""
    request = event.request
    if call.state != "talking":
        call.answer_request(leg, event.key, request, 491)
        return
    if call.exchange is not None:
        status = 491 if call.exchange.source != leg.id else 500
        call.answer_request(
            leg, event.key, request, status, headers=(("Retry-After", "2"),) if status == 500 else ()
        )
        return
    if request.body and request.content_type != SDP:
        call.answer_request(leg, event.key, request, 415, headers=(("Accept", SDP),))
        return
    assert leg.dialog is not None
    leg.dialog = leg.dialog.refresh(request)
    try:
        body = description(request)
    except sdp.SdpError as error:
        call.answer_request(leg, event.key, request, 400, str(error)[:60])
        return
    if body is None or body == leg.session.received:
        # A refresh, or an offer asked of us: what we last said still holds, the engine need not be asked.
        call.answer_request(leg, event.key, request, 200, body=leg.session.sent)
        return
    peer = call.peer(leg)
    if peer is not None and peer.lost:
        # It may be back in a moment; 491 lets the phone try again.
        call.answer_request(leg, event.key, request, 491)
        return
    call.exchange = Exchange(
        leg.id,
        peer.id if peer else None,
        event.key,
        request,
        "offer",
        leg.session.received,
        leg.held,
        (peer.session.sent, peer.session.version) if peer else ("", 0),
    )
    _hold(call, leg, sdp.is_hold(body))
    leg.session.received = body
    if peer is None:
        call.ask("reterminate", mediaplan.terminate(call.id, call.house, leg, body))
    else:
        call.ask("reoffer", mediaplan.reoffer(call.id, call.house, leg, peer, body))


def _hold(call: Call, leg: Leg, held: bool) -> None:
    if held != leg.held:
        leg.held = held
        call.do(Note("hold" if held else "resume", leg.id))


def media_done(call: Call, event: MediaDone, now: float) -> None:
    """The engine's part of an exchange: its offer goes to the peer, its answer back to the source."""
    exchange = call.exchange
    if exchange is None or event.ref not in ("reoffer", "reanswer", "reterminate"):
        return
    source = call.legs[exchange.source]
    target = call.legs.get(exchange.target or "")
    if event.ref == "reoffer" and target is not None and target.dialog is not None:
        before = target.session.sent
        body = target.session.describe(event.reply["sdp"], target.flow.local[0])
        if body == before:
            # The peer's side did not change: it need not hear of it.
            exchange.phase = "answer"
            call.ask("reanswer", mediaplan.reanswer(call.id, source, target, target.session.received))
            return
        exchange.phase = "invite"
        target.dialog, request = target.dialog.request(
            "INVITE",
            contact=target.contact_header(call.house, call.other_number(target)),
            body=body.encode(),
            content_type=SDP,
        )
        target.invite_cseq = target.dialog.local_cseq
        call.do(SendRequest(target.id, "reinvite", request), Save())
        call.timer("exchange", EXCHANGE_SECONDS)
        return
    call.exchange = None
    body = source.session.describe(event.reply["sdp"], source.flow.local[0])
    call.answer_request(source, exchange.key, exchange.request, 200, body=body)
    call.do(Save())


def media_failed(call: Call, event: MediaFailed, now: float) -> None:
    exchange = call.exchange
    call.do(Note("media-failed", None, {"ref": event.ref, "reason": event.reason}))
    if exchange is None or event.ref not in ("reoffer", "reanswer", "reterminate"):
        return
    _refuse(call, exchange, 488)


def replied(call: Call, event: Reply, now: float) -> None:
    """The peer's answer to the re-INVITE that we passed on."""
    target, response = call.legs.get(event.leg), event.response
    if target is None or target.dialog is None or response.status < 200:
        return
    if 200 <= response.status < 300:
        target.dialog = target.dialog.refresh(response)
        call.do(Acknowledge(target.id, target.dialog.ack(target.invite_cseq)))
    exchange = call.exchange
    if exchange is None or exchange.phase != "invite" or exchange.target != target.id:
        return
    call.stop_timer("exchange")
    try:
        body = description(response) if response.status < 300 else None
    except sdp.SdpError:
        body = None
    if body is not None:
        target.session.received = body
        exchange.phase = "answer"
        call.ask("reanswer", mediaplan.reanswer(call.id, call.legs[exchange.source], target, body))
    elif response.status in (408, 481):
        # RFC 3261 12.2.1.2: the dialog is gone.
        end(call, now, _LOST, target.role)
    else:
        _refuse(call, exchange, response.status if response.status in _TOLD else 488)


def silent(call: Call, event: NoReply, now: float) -> None:
    target, exchange = call.legs.get(event.leg), call.exchange
    if target is not None and event.status == 408:
        end(call, now, _LOST, target.role)
    elif exchange is not None and exchange.phase == "invite" and exchange.target == event.leg:
        _refuse(call, exchange, 504)


def overdue(call: Call, event: Timeout, now: float) -> None:
    """The peer took the re-INVITE up and never answered it."""
    if call.exchange is not None and call.exchange.phase == "invite":
        _refuse(call, call.exchange, 504)


def _refuse(call: Call, exchange: Exchange, status: int) -> None:
    """All is as if it had never been asked (RFC 3261 14.1), at the engine too, which had taken the offer."""
    call.exchange = None
    call.stop_timer("exchange")
    source, target = call.legs[exchange.source], call.legs.get(exchange.target or "")
    source.session.received = exchange.received
    _hold(call, source, exchange.held)
    if exchange.phase == "invite" and target is not None:
        target.session.sent, target.session.version = exchange.sent
        call.ask("restore", mediaplan.reoffer(call.id, call.house, source, target, exchange.received))
        call.ask("restore", mediaplan.reanswer(call.id, source, target, target.session.received))
    call.answer_request(source, exchange.key, exchange.request, status)
    call.do(Save())
