"""Offers of ours in a 2xx, whose answers come in the ACK (RFC 3261 13.2.1, RFC 6337 2)."""

from __future__ import annotations

from ucplatform import sdp
from ucplatform.pbx import mediaplan, srtp
from ucplatform.pbx.call import Call
from ucplatform.pbx.commands import Acknowledge, Save
from ucplatform.pbx.ending import end
from ucplatform.pbx.exchange import Exchange
from ucplatform.pbx.features import refresh, reoffer
from ucplatform.pbx.inputs import AckIn, InDialog, MediaDone, MediaFailed
from ucplatform.pbx.invite import description
from ucplatform.pbx.leg import Leg, unheld
from ucplatform.pbx.outcome import ANSWERED, NO_CODEC


def offer_asked(call: Call, leg: Leg, event: InDialog, now: float) -> None:
    """A re-INVITE without an offer: ours goes out in the 200, and the ACK brings the answer."""
    peer = call.peer(leg)
    body = leg.session.sent
    if peer is None or not peer.held:
        body = leg.session.describe(unheld(body), leg.flow.local[0])
    call.exchange = Exchange(leg.id, peer.id if peer else None, "ack")
    refresh.answered(call, leg, event.key, event.request, body, now)
    call.do(Save())


def acknowledged(call: Call, event: AckIn, now: float) -> None:
    """The ACK of an INVITE that was answered with an offer of ours."""
    exchange = call.exchange
    if exchange is None or exchange.source != event.leg or exchange.phase not in ("ack", "delayed", "left"):
        return
    if exchange.phase == "left":
        end(call, now, ANSWERED, "callee")  # RFC 3261 15: not before the ACK
        return
    try:
        body = description(event.request)
    except sdp.SdpError:
        body = None
    leg = call.legs[event.leg]
    if exchange.phase == "delayed":
        _set_up(call, leg, body, now)
        return
    call.exchange = None
    if body is not None:
        reoffer.adopt(call, leg, body)
    if call.exchange is None:
        reoffer.finish(call)


# -- a whole call without an offer in its INVITE ----------------------------------------------------


def answered_with_offer(call: Call, winner: Leg, body: str, now: float) -> None:
    """The device that answered offers; the engine writes the offer for the caller."""
    winner.session.received = body
    if not srtp.allowed(call, winner):
        assert winner.dialog is not None
        call.do(Acknowledge(winner.id, winner.dialog.ack(winner.invite_cseq)))
        end(call, now, srtp.REFUSED, "server")
        return
    call.ask("counter", mediaplan.offer(call.id, call.house, winner, call.caller))


def await_answer(call: Call) -> None:
    """Our 200 with the offer is out; the device's own 200 gets its ACK when the caller's has come."""
    call.exchange = Exchange(call.caller_id, call.callee_id or None, "delayed")


def _set_up(call: Call, caller: Leg, body: str | None, now: float) -> None:
    callee = call.callee
    if body is None:
        # RFC 3261 13.2.1: the answer must be there; without one there is no session.
        end(call, now, NO_CODEC, "server")
        return
    caller.session.received = body
    if callee is None:
        call.exchange = None
        call.ask("accept", mediaplan.accept(call.id, caller, body))
    else:
        call.ask("settle", mediaplan.answer(call.id, callee, caller, body))


def media_done(call: Call, event: MediaDone, now: float) -> None:
    """The answer for the device goes into the ACK of its 200."""
    exchange, callee = call.exchange, call.callee
    if event.ref != "settle" or exchange is None or callee is None or callee.dialog is None:
        return
    body = callee.session.describe(event.reply["sdp"], callee.flow.local[0])
    ack = callee.dialog.ack(
        callee.invite_cseq, body=body.encode("utf-8", "surrogateescape"), content_type="application/sdp"
    )
    call.do(Acknowledge(callee.id, ack), Save())
    reoffer.finish(call)


def media_failed(call: Call, event: MediaFailed, now: float) -> None:
    end(call, now, NO_CODEC, "server")
