"""What one side offers inside a call travels through: hold, resume, a new address, a new codec (RFC 3264 8).

An exchange begins by a re-INVITE or UPDATE of one side, or by an answer of it that said something new; then
nobody waits for the end of it.
"""

from __future__ import annotations

from ucplatform import sdp
from ucplatform.pbx import mediaplan
from ucplatform.pbx.call import Call
from ucplatform.pbx.commands import Acknowledge, CancelInvite, Note, Save, SendRequest
from ucplatform.pbx.ending import end
from ucplatform.pbx.exchange import Exchange
from ucplatform.pbx.features import refresh
from ucplatform.pbx.identity import connected
from ucplatform.pbx.inputs import Cancelled, InDialog, MediaDone, MediaFailed, NoReply, Reply, Timeout
from ucplatform.pbx.invite import SDP, description
from ucplatform.pbx.leg import Leg
from ucplatform.pbx.outcome import PEER_LOST
from ucplatform.sip import fields

#: A peer that said 100 or 180 to a re-INVITE may never say more: no timer of its transaction ends that.
EXCHANGE_SECONDS = 35.0

#: Refusals that mean the same to the side that asked; all else is between the peer and us, or would end the
#: asking side's dialog too (RFC 5057 5.1).
_TOLD = frozenset({488, 491, 500, 503, 504, 600, 603, 606})

QUESTIONS = ("reoffer", "reanswer", "reterminate")


def begin(call: Call, source: Leg, body: str, event: InDialog | None = None) -> None:
    """`source` says `body`: the engine is asked, then the peer. `event` is what waits for the answer."""
    peer = call.peer(source)
    request = event.request if event else None
    by_update = request is not None and request.method == "UPDATE"
    call.exchange = Exchange(
        source.id,
        peer.id if peer else None,
        "offer",
        event.key if event else None,
        request,
        "UPDATE" if by_update and peer is not None and "UPDATE" in peer.methods else "INVITE",
        source.session.received,
        source.held,
        (peer.session.sent, peer.session.version) if peer else ("", 0),
    )
    _hold(call, source, sdp.is_hold(body))
    source.session.received = body
    if peer is None:
        call.ask("reterminate", mediaplan.terminate(call.id, call.house, source, body))
    else:
        call.ask("reoffer", mediaplan.reoffer(call.id, call.house, source, peer, body))


def adopt(call: Call, leg: Leg, body: str) -> None:
    """The answer of `leg` to an offer of ours. When it says something new, the peer has to hear of it."""
    if leg.session.same(body):
        leg.session.received = body
    else:
        begin(call, leg, body)


def finish(call: Call) -> None:
    """The exchange is over; one that had to stand back for it has its turn."""
    call.exchange = None
    owed, call.owed = call.legs.get(call.owed), ""
    if owed is not None and owed.state == "up" and call.state == "talking":
        begin(call, owed, owed.session.received)


def _hold(call: Call, leg: Leg, held: bool) -> None:
    if held != leg.held:
        leg.held = held
        call.do(Note("hold" if held else "resume", leg.id))


# -- the engine ------------------------------------------------------------------------------------


def media_done(call: Call, event: MediaDone, now: float) -> None:
    """The engine's part of an exchange: its offer goes to the peer, its answer back to the source."""
    exchange = call.exchange
    if exchange is None or event.ref not in QUESTIONS:
        return
    source = call.legs[exchange.source]
    target = call.legs.get(exchange.target or "")
    if event.ref == "reoffer" and target is not None and target.dialog is not None:
        _offered(call, exchange, source, target, event.reply["sdp"])
        return
    if exchange.key is not None and exchange.request is not None:
        body = source.session.describe(event.reply["sdp"], source.flow.local[0])
        refresh.answered(call, source, exchange.key, exchange.request, body, now)
    elif exchange.both and target is not None and _turned(source.session.sent, event.reply["sdp"]):
        call.owed = target.id
    finish(call)
    call.do(Save())


def _turned(sent: str, body: str) -> bool:
    """Whether the direction has changed; all else may, from one exchange to the next, without a need."""
    return sdp.media_directions(sent) != sdp.media_directions(body)


def _offered(call: Call, exchange: Exchange, source: Leg, target: Leg, body: str) -> None:
    if exchange.cancelled:
        exchange.phase = "invite"  # the engine has taken the offer, so it has to take it back
        refuse(call, exchange, 487)
        return
    before = target.session.sent
    if target.session.describe(body, target.flow.local[0]) == before:
        # The peer's side did not change: it need not hear of it.
        exchange.phase = "answer"
        call.ask("reanswer", mediaplan.reanswer(call.id, source, target, target.session.received))
        return
    _ask(call, exchange, target)


def _ask(call: Call, exchange: Exchange, target: Leg) -> None:
    """Our re-INVITE or UPDATE with what the engine has written for `target`."""
    assert target.dialog is not None
    exchange.phase = "invite"
    target.dialog, request = target.dialog.request(
        exchange.method,
        contact=target.contact_header(call.house, call.other_number(target)),
        headers=[*refresh.inside(call.house, target), *connected(call.legs[exchange.source], call.house)],
        body=target.session.sent.encode("utf-8", "surrogateescape"),
        content_type=SDP,
    )
    if exchange.method == "INVITE":
        target.invite_cseq = target.dialog.local_cseq
    call.do(SendRequest(target.id, "reinvite", request), Save())
    call.timer("exchange", EXCHANGE_SECONDS)


def media_failed(call: Call, event: MediaFailed, now: float) -> None:
    exchange = call.exchange
    call.do(Note("media-failed", None, {"ref": event.ref, "reason": event.reason}))
    if exchange is not None and event.ref in QUESTIONS:
        refuse(call, exchange, 488)


# -- the peer --------------------------------------------------------------------------------------


def replied(call: Call, event: Reply, now: float) -> None:
    """The peer's answer to the re-INVITE or UPDATE that we sent it."""
    target, response = call.legs.get(event.leg), event.response
    if target is None or target.dialog is None or response.status < 200:
        return
    if response.status < 300:
        acknowledge(call, target, event, now)
    exchange = call.exchange
    if exchange is None or exchange.phase != "invite" or exchange.target != target.id:
        return
    call.stop_timer("exchange")
    if response.status < 300:
        _accepted(call, exchange, target, event)
    elif response.status in (408, 481):
        # RFC 3261 12.2.1.2: the dialog is gone.
        end(call, now, PEER_LOST, target.role)
    elif not _tries_again(call, exchange, target, event):
        refuse(call, exchange, response.status if response.status in _TOLD else 488)


def acknowledge(call: Call, leg: Leg, event: Reply, now: float) -> None:
    """A 2xx to a request of ours: it refreshes target and session, an INVITE wants its ACK."""
    assert leg.dialog is not None
    leg.dialog = leg.dialog.refresh(event.response)
    leg.learn(event.response)
    refresh.taken(call, leg, event.response, now)
    if event.response.method == "INVITE":
        call.do(Acknowledge(leg.id, leg.dialog.ack(event.response.cseq.number)))


def refreshed(call: Call, event: Reply, now: float) -> None:
    """The peer's answer to our refresh of its session (RFC 4028 7.4)."""
    leg, response = call.legs.get(event.leg), event.response
    if leg is None or leg.dialog is None or response.status < 200:
        return
    mine = call.exchange is not None and call.exchange.phase == "refresh" and call.exchange.source == leg.id
    if mine and response.method == "INVITE":
        call.exchange = None
    if response.status < 300:
        acknowledge(call, leg, event, now)
        body = refresh.changed_by(event)
        if body is not None and call.exchange is None:
            adopt(call, leg, body)
        call.do(Save())
    else:
        refresh.refused(call, leg, event, now)
    if mine and call.exchange is None and call.state == "talking":
        finish(call)


def _accepted(call: Call, exchange: Exchange, target: Leg, event: Reply) -> None:
    try:
        body = description(event.response)
    except sdp.SdpError:
        body = None
    if body is None:
        refuse(call, exchange, 488)
        return
    target.session.received = body
    source = call.legs[exchange.source]
    if exchange.cancelled:
        # It crossed our CANCEL: the peer must hear again what held before.
        call.exchange = None
        begin(call, source, exchange.received)
        return
    exchange.phase = "answer"
    call.ask("reanswer", mediaplan.reanswer(call.id, source, target, body))


def _tries_again(call: Call, exchange: Exchange, target: Leg, event: Reply) -> bool:
    """Whether the refusal is between the peer and us: an interval too short (RFC 4028 7.3), an UPDATE it does
    not know, or a glance of its own offer at ours while nobody waits (RFC 3261 14.1)."""
    status = event.response.status
    if exchange.cancelled:
        return False
    if status == 422 and refresh.lengthen(target, fields.min_se(event.response)):
        _ask(call, exchange, target)
    elif status in (405, 501, 504) and exchange.method == "UPDATE":
        target.methods -= {"UPDATE"}
        exchange.method = "INVITE"
        _ask(call, exchange, target)
    elif status == 491 and exchange.key is None:
        exchange.phase = "glare"
        call.timer("glare", refresh.backoff(call, target))
    else:
        return False
    return True


def silent(call: Call, event: NoReply, now: float) -> None:
    target, exchange = call.legs.get(event.leg), call.exchange
    if target is not None and event.status == 408:
        end(call, now, PEER_LOST, target.role)
    elif exchange is not None and exchange.phase == "invite" and exchange.target == event.leg:
        refuse(call, exchange, 504)


# -- time, and second thoughts ---------------------------------------------------------------------


def overdue(call: Call, event: Timeout, now: float) -> None:
    """The peer took the re-INVITE up and never answered it."""
    exchange = call.exchange
    if exchange is not None and exchange.phase == "invite":
        if exchange.method == "INVITE" and exchange.target is not None:
            call.do(CancelInvite(exchange.target))
        refuse(call, exchange, 504)


def glare_over(call: Call, event: Timeout, now: float) -> None:
    """The peer refused our offer because it had one of its own; it has had its time (RFC 3261 14.1)."""
    exchange = call.exchange
    if exchange is not None and exchange.phase == "glare":
        _ask(call, exchange, call.legs[exchange.target or ""])


def gives_way(call: Call, leg: Leg) -> bool:
    """Whether what `leg` asks now goes first, since our own offer to it has just stood back (14.1)."""
    exchange = call.exchange
    if exchange is None or exchange.phase != "glare" or exchange.target != leg.id:
        return False
    call.stop_timer("glare")
    call.owed, call.exchange = exchange.source, None
    leg.session.sent, leg.session.version = exchange.sent
    return True


def cancelled(call: Call, event: Cancelled, now: float) -> None:
    """CANCEL of a re-INVITE: it is over for its side at once, and all becomes as it was (RFC 3261 9.2)."""
    exchange = call.exchange
    if exchange is None or exchange.source != event.leg or exchange.phase not in ("offer", "invite"):
        return  # too late: its 2xx is on the way
    if exchange.key is None or exchange.request is None or exchange.request.method != "INVITE":
        return
    call.answer_request(call.legs[exchange.source], exchange.key, exchange.request, 487)
    exchange.key = exchange.request = None
    exchange.cancelled = True
    if exchange.phase == "invite" and exchange.method == "INVITE" and exchange.target is not None:
        call.do(CancelInvite(exchange.target))


def refuse(call: Call, exchange: Exchange, status: int) -> None:
    """All is as if it had never been asked (RFC 3261 14.1), at the engine too, which had taken the offer."""
    call.exchange = None
    call.stop_timer("exchange")
    source, target = call.legs[exchange.source], call.legs.get(exchange.target or "")
    if exchange.key is not None or exchange.cancelled:
        source.session.received = exchange.received
        _hold(call, source, exchange.held)
    if exchange.phase == "invite" and target is not None:
        target.session.sent, target.session.version = exchange.sent
        call.ask("restore", mediaplan.reoffer(call.id, call.house, source, target, source.session.received))
        call.ask("restore", mediaplan.reanswer(call.id, source, target, target.session.received))
    if exchange.key is not None and exchange.request is not None:
        call.answer_request(source, exchange.key, exchange.request, status)
    finish(call)
    call.do(Save())
