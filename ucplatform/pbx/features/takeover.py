"""A page that was reloaded takes its call over: INVITE with Replaces from the same account (RFC 3891)."""

from __future__ import annotations

from ucplatform import sdp
from ucplatform.pbx import mediaplan, srtp
from ucplatform.pbx.call import Call, new_tag
from ucplatform.pbx.commands import Note, Respond, Save, SendRequest
from ucplatform.pbx.exchange import Exchange
from ucplatform.pbx.features import refresh
from ucplatform.pbx.inputs import MediaDone, MediaFailed, ReplaceIn
from ucplatform.pbx.invite import bye, description
from ucplatform.pbx.leg import Leg, codecs
from ucplatform.pbx.outcome import Outcome
from ucplatform.sip.dialog import Dialog
from ucplatform.sip.errors import ParseError
from ucplatform.sip.message import make_response

REPLACED = Outcome("answered", "replaced", 200, "Replaced")


def take_over(call: Call, event: ReplaceIn, now: float) -> None:
    """A new leg in the place of an old one: the gateway terminates it, then bridges it to the peer."""
    request, old = event.request, call.legs.get(event.leg)
    if call.state != "talking" or old is None or old.state != "up" or call.exchange or call.transfer:
        call.do(Respond(event.key, make_response(request, 481 if old is None else 491)))
        return
    leg = Leg(
        id=call.next_leg_id(),
        role=old.role,
        number=old.number,
        name=old.name,
        flow=event.flow,
        extension=old.extension,
        user_agent=request.headers.get("User-Agent") or "",
        key=event.key,
        request=request,
        local_tag=new_tag(call.house.edge_id),
        sip_call_id=request.call_id,
        contact=old.contact,
        instance=old.instance,
    )
    try:
        leg.dialog = Dialog.from_request(request, leg.local_tag)
        leg.session.received = description(request) or ""
    except (ParseError, sdp.SdpError) as error:
        call.do(Respond(event.key, make_response(request, 400, str(error)[:60])))
        return
    if not leg.session.received or not srtp.allowed(call, leg):
        call.do(Respond(event.key, make_response(request, 488)))
        return
    call.legs[leg.id] = leg
    peer = call.peer(old)
    call.exchange = Exchange(old.id, leg.id, "takeover", event.key, request)
    prefer = codecs(peer.session.received) if peer else None
    call.ask("takeover", mediaplan.terminate(call.id, call.house, leg, leg.session.received, prefer))


def refuse(call: Call, event: ReplaceIn) -> None:
    """Only a call that is up can be taken over (RFC 3891 section 3: an ended or ringing one is a 481)."""
    call.do(Respond(event.key, make_response(event.request, 481)))


def media_done(call: Call, event: MediaDone, now: float) -> None:
    """Its SDP is there: bridge, answer, and let the old leg go."""
    exchange = call.exchange
    if event.ref != "takeover" or exchange is None or exchange.target is None:
        return
    call.exchange = None
    old, leg = call.legs[exchange.source], call.legs[exchange.target]
    if leg.lost:
        # Reloaded once more meanwhile: nobody would hear our 200.
        call.ask(f"release:{leg.id}", mediaplan.release(call.id, leg))
        del call.legs[leg.id]
        return
    peer = call.peer(old)
    body = leg.session.describe(event.reply["sdp"], leg.flow.local[0])
    call.ask(
        "attach",
        mediaplan.attach(call.id, leg, peer)
        if peer
        else mediaplan.attach_application(call.id, leg, call.application),
    )
    if leg.request is not None:
        leg.learn(leg.request)
        headers = tuple(refresh.answer(call, leg, leg.request, now))
        call.respond(leg, 200, body=body, headers=headers)
    call.set_leg(leg, "up")
    leg.confirm()
    if old.lost:
        call.stop_timer(f"grace:{old.id}")
    else:
        call.do(SendRequest(old.id, "bye", bye(call, old, REPLACED)))
    call.set_leg(old, "over")
    if old.timer.seconds:
        call.stop_timer(f"refresh:{old.id}")
    call.ask(f"release:{old.id}", mediaplan.release(call.id, old))
    call.succeed(old, leg)
    call.do(Note("taken-over", leg.id, {"from": old.id}), Save())


def media_failed(call: Call, event: MediaFailed, now: float) -> None:
    """The old leg stays as it was; its grace runs on."""
    exchange = call.exchange
    if event.ref != "takeover" or exchange is None or exchange.target is None:
        return
    call.exchange = None
    leg = call.legs.pop(exchange.target)
    call.respond(leg, 488)


def released(call: Call, event: MediaDone, now: float) -> None:
    """The statistics of a leg that was taken over."""
    verb, _, tag = event.ref.partition(":")
    if verb == "release":
        for leg in call.gone:
            if leg.id == tag:
                leg.stats = event.reply.get("legs", {}).get(tag, {})
