"""A caller that has its answer before the call is answered may offer anew: in UPDATE or PRACK (RFC 3311 5.2,
RFC 3262 5). Served where the device that rings need not change anything for it."""

from __future__ import annotations

from ucplatform.pbx import mediaplan
from ucplatform.pbx.call import Call
from ucplatform.pbx.exchange import Exchange
from ucplatform.pbx.features import refresh, reoffer
from ucplatform.pbx.inputs import InDialog, MediaDone, MediaFailed
from ucplatform.pbx.leg import Leg

#: What the engine is asked, one after the other.
QUESTIONS = ("early-offer", "early-answer")


def heard(call: Call) -> Leg | None:
    """The device whose description the caller has for good; None where it has none yet."""
    if not call.promised or call.state != "ringing":
        return None
    return next((leg for leg in call.devices if leg.pending and leg.session.received == call.early), None)


def offered(call: Call, leg: Leg, event: InDialog, body: str) -> None:
    device = heard(call)
    if device is None:
        call.answer_request(leg, event.key, event.request, 488)
        return
    call.exchange = Exchange(
        leg.id,
        device.id,
        "offer",
        event.key,
        event.request,
        received=leg.session.received,
        sent=(device.session.sent, device.session.version),
    )
    leg.session.received = body
    call.ask("early-offer", mediaplan.reoffer(call.id, call.house, leg, device, body))


def media_done(call: Call, event: MediaDone, now: float) -> None:
    exchange = call.exchange
    if exchange is None or exchange.key is None or exchange.request is None:
        return
    leg, device = call.legs[exchange.source], call.legs[exchange.target or ""]
    if event.ref == "early-offer":
        if not device.session.same_sent(event.reply["sdp"]):
            _refuse(call, exchange, leg, device)
            return
        answer = mediaplan.reanswer(call.id, leg, device, device.session.received)
        call.ask("early-answer", answer)
        return
    call.exchange = None
    body = leg.session.describe(event.reply["sdp"], leg.flow.local[0])
    refresh.answered(call, leg, exchange.key, exchange.request, body, now)
    if call.state == "talking":
        reoffer.finish(call)


def media_failed(call: Call, event: MediaFailed, now: float) -> None:
    exchange = call.exchange
    if exchange is not None:
        _refuse(call, exchange, call.legs[exchange.source], call.legs[exchange.target or ""])


def _refuse(call: Call, exchange: Exchange, leg: Leg, device: Leg) -> None:
    """The engine takes back what it was told; the answer that the caller has holds on."""
    call.exchange = None
    leg.session.received = exchange.received
    call.ask("restore", mediaplan.reoffer(call.id, call.house, leg, device, exchange.received))
    call.ask("restore", mediaplan.reanswer(call.id, leg, device, device.session.received))
    if exchange.key is not None and exchange.request is not None:
        call.answer_request(leg, exchange.key, exchange.request, 488)
