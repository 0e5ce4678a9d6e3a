"""REFER: a side of the call is given to somebody else (RFC 3515, RFC 5589), and hears by NOTIFY how it went.

The new peer takes the referrer's place in this call, as a reloaded page takes its own. Blind: its devices
ring. Attended: it has talked to the referrer in another call and is fetched from there.
"""

from __future__ import annotations

from ucplatform.pbx import branch, mediaplan, progress
from ucplatform.pbx.call import Call
from ucplatform.pbx.commands import Acknowledge, Claim, Note, Save, SendRequest
from ucplatform.pbx.ending import close, end
from ucplatform.pbx.features import refresh, reoffer
from ucplatform.pbx.inputs import GivenAway, MediaDone, MediaFailed, NoReply, ReferIn, Reply, Timeout
from ucplatform.pbx.invite import bye, invite
from ucplatform.pbx.leg import Leg
from ucplatform.pbx.outcome import (
    ANSWERED,
    CANCELLED,
    NO_ANSWER,
    OFFLINE,
    TRANSFERRED,
    best,
    engine_outcome,
    of_status,
)
from ucplatform.pbx.registrar import by_device
from ucplatform.pbx.routing import Refusal, ToExtension
from ucplatform.pbx.transfer import Transfer
from ucplatform.sip import fields
from ucplatform.sip.errors import ParseError
from ucplatform.sip.message import Request, Response

SIPFRAG = "message/sipfrag;version=2.0"

#: Longer than any phone rings: the subscription ends with the transfer (RFC 3515 2.4.4).
SUBSCRIBED = 600


def refer(call: Call, event: ReferIn, now: float) -> None:
    """Accepted, the referrer is told step by step; its own right to call the number was asked before."""
    leg, request = call.legs.get(event.leg), event.request
    if leg is None or leg.dialog is None or leg.state != "up":
        refuse(call, event)
        return
    try:
        leg.dialog = leg.dialog.receive(request)
    except ParseError as error:
        call.answer_request(leg, event.key, request, error.status or 500, error.reason)
        return
    kept = call.peer(leg)
    if kept is None or kept.lost or call.exchange is not None or call.transfer is not None:
        call.answer_request(leg, event.key, request, 603 if kept is None else 491)
        return
    quiet = fields.refer_sub(request) is False
    call.transfer = Transfer(leg.id, kept.id, event.number, "" if quiet else _event(call, request))
    # RFC 4488 4: who wants no NOTIFY is told that none will come.
    headers = (("Contact", leg.contact_header(call.house, call.other_number(leg))),)
    call.answer_request(
        leg, event.key, request, 202, headers=(*headers, ("Refer-Sub", "false")) if quiet else headers
    )
    call.do(Note("transfer", leg.id, {"to": event.number}))
    _notify(call, call.transfer, 100, "Trying")
    if event.guest is not None:
        _fetch(call, call.transfer, event.guest, event.elsewhere)
    else:
        _ring(call, call.transfer, event, now)


def refuse(call: Call, event: ReferIn) -> None:
    """Only who is in a call that is up can be transferred."""
    leg = call.known(event.leg)
    if leg is not None:
        call.answer_request(leg, event.key, event.request, 481 if leg.state == "over" else 491)


def _event(call: Call, request: Request) -> str:
    """The first subscription of a dialog needs no id (RFC 3515 2.4.6); later ones are told apart by it."""
    call.transfers += 1
    return "refer" if call.transfers == 1 else f"refer;id={request.cseq.number}"


def _notify(call: Call, transfer: Transfer, status: int, reason: str) -> None:
    """How far it is, as a status line (RFC 3515 2.4.5)."""
    leg = call.legs.get(transfer.referrer)
    if leg is None or leg.dialog is None or leg.state != "up" or not transfer.event:
        return
    state = "terminated;reason=noresource" if status >= 200 else f"active;expires={SUBSCRIBED}"
    leg.dialog, request = leg.dialog.request(
        "NOTIFY",
        contact=leg.contact_header(call.house, call.other_number(leg)),
        headers=[("Event", transfer.event), ("Subscription-State", state)],
        body=f"SIP/2.0 {status} {reason}\r\n".encode("utf-8", "replace"),
        content_type=SIPFRAG,
    )
    call.do(SendRequest(leg.id, "notify", request))


# -- blind: the number rings -----------------------------------------------------------------------


def _ring(call: Call, transfer: Transfer, event: ReferIn, now: float) -> None:
    route = event.route
    if isinstance(route, Refusal):
        transfer.failures.append((route.status, route.reason))
    elif isinstance(route, ToExtension) and event.devices:
        kept = call.legs[transfer.kept]
        for binding, *_ in by_device(event.devices):
            if binding.flow.id == kept.flow.id and binding.number == kept.number:
                continue
            leg = branch.leg_of(call, binding, route.account.name, "target")
            transfer.targets.append(leg.id)
            offer = mediaplan.offer(call.id, call.house, kept, leg)
            call.ask(f"transfer-offer:{leg.id}", {**offer, "sdp": kept.session.resumed(kept.held)})
    else:
        # Nobody is at home, or it is an application, which is nobody to be connected to.
        transfer.failures.append((OFFLINE.status, OFFLINE.reason))
    if transfer.targets:
        call.timer("transfer", call.house.ring_seconds)
    else:
        _failed(call, transfer, now)


def media_done(call: Call, event: MediaDone, now: float) -> None:
    transfer, (verb, _, tag) = call.transfer, event.ref.partition(":")
    leg = call.legs.get(tag)
    if transfer is None or leg is None:
        return
    if verb == "transfer-offer" and leg.state == "offering":
        _invite(call, transfer, leg, event.reply["sdp"])
    elif verb in ("transfer-answer", "adopt") and leg.state == "up":
        _joined(call, transfer, leg, now)


def _invite(call: Call, transfer: Transfer, leg: Leg, body: str) -> None:
    """From who is transferred; by whom stands beside it (RFC 3892), as our account, not as the phone says."""
    referrer = call.legs[transfer.referrer]
    by = ("Referred-By", f"<sip:{referrer.number}@{call.house.domain}>")
    body = leg.session.describe(body, leg.flow.local[0])
    call.set_leg(leg, "calling")
    caller = call.legs[transfer.kept]
    leg.request = invite(call, leg, body, [by, *refresh.wishes(call.house, leg)], caller=caller)
    call.do(SendRequest(leg.id, "transfer", leg.request))


def media_failed(call: Call, event: MediaFailed, now: float) -> None:
    transfer, (verb, _, tag) = call.transfer, event.ref.partition(":")
    leg = call.legs.get(tag)
    call.do(Note("media-failed", tag, {"reason": event.reason}))
    if transfer is None or leg is None:
        return
    outcome = engine_outcome(event.reason)
    if verb == "adopt":
        del call.legs[leg.id]  # it stays in the call that it is in
    else:
        close(call, leg, outcome)
    _one_less(call, transfer, leg, outcome.status, outcome.reason, now)


def replied(call: Call, event: Reply, now: float) -> bool:
    """An answer of a device that is asked; False for one that nobody waits for any more."""
    transfer, leg, response = call.transfer, call.legs.get(event.leg), event.response
    if transfer is None or leg is None or not leg.pending:
        return False
    if response.status < 200:
        _progress(call, transfer, leg, response)
    elif response.status < 300:
        _won(call, transfer, leg, response, now)
    elif not branch.longer(call, leg, response, "transfer"):
        call.set_leg(leg, "over")
        call.ask(f"drop:{leg.id}", mediaplan.drop(call.id, call.legs[transfer.kept], leg))
        _one_less(call, transfer, leg, response.status, response.reason, now)
    return True


def _progress(call: Call, transfer: Transfer, leg: Leg, response: Response) -> None:
    if fields.reliable(response):
        progress.acknowledge(call, leg, response, progress.described(response))
    if response.status == 100:
        return
    call.set_leg(leg, "ringing")
    if not transfer.rang:
        transfer.rang = True
        _notify(call, transfer, 180, "Ringing")


def _won(call: Call, transfer: Transfer, leg: Leg, response: Response, now: float) -> None:
    body = progress.settled(leg, response)
    assert leg.dialog is not None
    call.set_leg(leg, "up")
    call.do(Acknowledge(leg.id, leg.dialog.ack(leg.invite_cseq)))
    call.stop_timer("transfer")
    _close_others(call, transfer, leg)
    if body is None:
        call.do(SendRequest(leg.id, "bye", bye(call, leg, of_status(488, "Not Acceptable Here"))))
        call.set_leg(leg, "over")
        _one_less(call, transfer, leg, 488, "Not Acceptable Here", now)
        return
    leg.session.received = body
    refresh.taken(call, leg, response, now)
    kept = call.legs[transfer.kept]
    call.ask(f"transfer-answer:{leg.id}", mediaplan.answer(call.id, kept, leg, body))


def _close_others(call: Call, transfer: Transfer, winner: Leg | None) -> None:
    kept = call.legs[transfer.kept]
    for tag in transfer.targets:
        leg = call.legs.get(tag)
        if leg is not None and leg is not winner and leg.pending:
            close(call, leg, ANSWERED)
            call.ask(f"drop:{leg.id}", mediaplan.drop(call.id, kept, leg))


def silent(call: Call, event: NoReply, now: float) -> bool:
    transfer, leg = call.transfer, call.legs.get(event.leg)
    if transfer is None or leg is None or not leg.pending:
        return False
    call.set_leg(leg, "over")
    _one_less(call, transfer, leg, event.status, "Unreachable", now)
    return True


def timeout(call: Call, event: Timeout, now: float) -> None:
    """Nobody took it."""
    if call.transfer is not None:
        call.transfer.failures.append((NO_ANSWER.status, NO_ANSWER.reason))
        _close_others(call, call.transfer, None)
        _failed(call, call.transfer, now)


# -- attended: fetched from another call -----------------------------------------------------------


def _fetch(call: Call, transfer: Transfer, guest: Leg, elsewhere: tuple[str, str]) -> None:
    """The engine hands its termination over; only then do the signals follow."""
    guest.id, guest.role = call.next_leg_id(), "target"
    call.legs[guest.id] = guest
    transfer.elsewhere = elsewhere
    transfer.targets.append(guest.id)
    call.ask(f"adopt:{guest.id}", mediaplan.adopt(call.id, guest, *elsewhere))


def given_away(call: Call, event: GivenAway, now: float) -> None:
    """The other side of this call talks to somebody else from now on: what is left of it ends."""
    leg = call.legs.get(event.leg)
    if leg is not None:
        leg.given = True
        end(call, now, TRANSFERRED, leg.role, spared=leg)


# -- how it ends -----------------------------------------------------------------------------------


def _joined(call: Call, transfer: Transfer, leg: Leg, now: float) -> None:
    """The new peer takes the place of the referrer, who is told so and let go."""
    old, kept = call.legs[transfer.referrer], call.legs[transfer.kept]
    fetched = bool(transfer.elsewhere[0])
    if fetched:
        call.ask("attach", mediaplan.attach(call.id, leg, kept))
        call.do(Claim(leg.id, *transfer.elsewhere))
        call.timer(f"refresh:{leg.id}", max(leg.timer.due - now, refresh.AGAIN))
    _notify(call, transfer, 200, "OK")
    call.transfer = None
    if old.state == "up":
        call.do(SendRequest(old.id, "bye", bye(call, old, TRANSFERRED)))
        call.set_leg(old, "over")
    call.stop_timer(f"refresh:{old.id}")
    if old.lost:
        call.stop_timer(f"grace:{old.id}")
    call.ask(f"release:{old.id}", mediaplan.release(call.id, old))
    call.succeed(old, leg)
    call.do(Note("transferred", leg.id, {"from": old.id}), Save())
    # Whatever hold there was ends with who held.
    reoffer.begin(call, leg, leg.session.resumed(leg.held))
    if call.exchange is not None:
        call.exchange.both = True


def _one_less(call: Call, transfer: Transfer, leg: Leg, status: int, reason: str, now: float) -> None:
    transfer.failures.append((status, reason))
    if status >= 600:
        _close_others(call, transfer, leg)
    if not any(other.pending or other.state == "up" for other in _asked(call, transfer)):
        _failed(call, transfer, now)


def _asked(call: Call, transfer: Transfer) -> list[Leg]:
    return [call.legs[tag] for tag in transfer.targets if tag in call.legs]


def _failed(call: Call, transfer: Transfer, now: float) -> None:
    """The referrer still has its call, unless it has hung up already; then nobody is left to talk to."""
    call.stop_timer("transfer")
    outcome = of_status(*best(transfer.failures))
    _notify(call, transfer, outcome.status, outcome.reason)
    call.transfer = None
    call.do(Note("transfer-failed", transfer.referrer, {"status": outcome.status}))
    if transfer.gone:
        end(call, now, ANSWERED, call.legs[transfer.referrer].role)


def referrer_left(call: Call, leg: Leg) -> bool:
    """BYE of who has referred: the transfer goes on without it (RFC 5589 6.1). False for anybody else, whose
    BYE ends the call; then the referrer hears that it came to nothing."""
    transfer = call.transfer
    if transfer is None:
        return False
    if transfer.referrer != leg.id:
        _notify(call, transfer, CANCELLED.status, CANCELLED.reason)
        return False
    transfer.gone = True
    call.stop_timer(f"refresh:{leg.id}")
    call.set_leg(leg, "over")
    call.do(Save())
    return True


def notified(call: Call, event: Reply, now: float) -> None:
    """A referrer that knows no such subscription hears no more of it (RFC 6665 4.2.2)."""
    transfer = call.transfer
    gone = event.response.status in (404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604)
    if transfer is not None and event.leg == transfer.referrer and gone:
        transfer.event = ""
