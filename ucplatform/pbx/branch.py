"""One device that is asked: its leg, its offer, its INVITE, and what is left when it says no."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ucplatform.pbx import mediaplan, srtp
from ucplatform.pbx.call import Call
from ucplatform.pbx.commands import Note, SendRequest
from ucplatform.pbx.ending import close, devices_failed
from ucplatform.pbx.features import refresh
from ucplatform.pbx.identity import way
from ucplatform.pbx.invite import invite
from ucplatform.pbx.leg import Leg, Session
from ucplatform.pbx.outcome import of_status
from ucplatform.pbx.registrar import Binding
from ucplatform.pbx.session_timer import SessionTimer
from ucplatform.sip import fields
from ucplatform.sip.message import Response

#: What says that a flow leads nowhere, so that the device is tried by its next one (RFC 5626 5.3).
FLOW_FAILED = frozenset({408, 430, 503})


def ring(
    call: Call,
    binding: Binding,
    name: str,
    spares: Iterable[Binding] = (),
    history: tuple[tuple[str, int], ...] = (),
) -> None:
    leg = leg_of(call, binding, name, "callee", spares)
    leg.history = history
    if binding.browser and binding.lost_at is not None:
        call.set_leg(leg, "awaiting")
        call.timer(f"reconnect:{leg.id}", call.house.reconnect_seconds)
        return
    ask(call, leg)


def leg_of(call: Call, binding: Binding, name: str, role: str, spares: Iterable[Binding] = ()) -> Leg:
    """The leg of a device that is going to be asked."""
    leg = Leg(
        id=call.next_leg_id(),
        role=role,
        number=binding.number,
        name=name,
        flow=binding.flow,
        extension=binding.number,
        contact=binding.contact,
        instance=binding.instance,
        user_agent=binding.user_agent,
        web_session=binding.session,
        state="offering",
        path=binding.path,
        spares=tuple(spares),
        srtp=srtp.wanted(call, binding),
    )
    call.legs[leg.id] = leg
    return leg


def ask(call: Call, leg: Leg) -> None:
    """The engine writes its offer; where the caller made none, the device is asked for its own."""
    if call.delayed:
        send(call, leg, "")
        return
    call.set_leg(leg, "offering")
    call.ask(f"offer:{leg.id}", mediaplan.offer(call.id, call.house, call.caller, leg))


def send(call: Call, leg: Leg, body: str) -> None:
    """Its INVITE."""
    call.set_leg(leg, "calling")
    extra = [*refresh.wishes(call.house, leg), *way(call.house.domain, leg.number, leg.history)]
    leg.request = invite(call, leg, body, extra)
    call.do(SendRequest(leg.id, "invite", leg.request))


def longer(call: Call, leg: Leg, response: Response, purpose: str = "invite") -> bool:
    """A device that wants a longer session interval is asked again with it (RFC 4028 7.3)."""
    if response.status != 422 or leg.request is None or leg.state != "calling":
        return False
    if not refresh.lengthen(leg, fields.min_se(response)):
        return False
    again = leg.request.copy()
    leg.invite_cseq += 1
    again.headers.remove("Via")
    again.headers.set("CSeq", f"{leg.invite_cseq} INVITE")
    for name, value in refresh.wishes(call.house, leg):
        again.headers.set(name, value)
    leg.request = again
    call.do(SendRequest(leg.id, purpose, again))
    return True


def in_the_clear(call: Call, leg: Leg, response: Response) -> bool:
    """A telephone that takes no SRTP is asked again without, where its number does not demand it. It is told
    of: nothing falls back silently."""
    if not leg.srtp or leg.role != "callee" or response.status not in srtp.REFUSALS:
        return False
    if call.delayed:  # it was offered nothing that it could have refused
        return False
    if srtp.demanded(call, leg):
        leg.refusal = srtp.REFUSED
        return False
    again = replace(
        leg,
        id=call.next_leg_id(),
        srtp=False,
        session=Session(),
        timer=SessionTimer(),
        dialog=None,
        ring_tag="",
        early={},
        stats={},
    )
    leg.failure = (response.status, response.reason)
    call.set_leg(leg, "over")
    drop(call, leg)
    call.do(Note("srtp-refused", leg.id, {"status": response.status}))
    call.legs[again.id] = again
    ask(call, again)
    return True


def failed(call: Call, leg: Leg, status: int, reason: str, now: float) -> None:
    """One device less. A 6xx speaks for all of them (RFC 3261 16.7 step 5)."""
    leg.failure = (status, reason)
    asked, unheard = leg.state != "awaiting", leg.state == "calling"
    call.set_leg(leg, "over")
    if leg.spares and unheard and status in FLOW_FAILED:
        ring(call, leg.spares[0], leg.name, leg.spares[1:], leg.history)
    if status >= 600:
        for other in call.devices:
            if other.state == "awaiting":
                call.stop_timer(f"reconnect:{other.id}")
            close(call, other, of_status(status, reason))
    if any(other.pending for other in call.devices):
        if asked:
            drop(call, leg)
        return
    devices_failed(call, now)


def await_back(call: Call, leg: Leg) -> None:
    """A page that was ringing lost its connection: it has the time to come back that any page has."""
    drop(call, leg)
    leg.session = Session()
    call.set_leg(leg, "awaiting")
    call.timer(f"reconnect:{leg.id}", call.house.reconnect_seconds)


def drop(call: Call, leg: Leg) -> None:
    """Its ports are free at once; a device without an offer of the engine's has none."""
    if not call.delayed:
        call.ask(f"drop:{leg.id}", mediaplan.drop(call.id, call.caller, leg))


def rings_anew(call: Call, leg: Leg) -> bool:
    """The page of `leg` has registered again before its old connection was found to be gone."""
    others = [other for other in call.devices if other is not leg and other.pending]
    return bool(leg.instance) and any(other.instance == leg.instance for other in others)


def asked(leg: Leg, binding: Binding) -> bool:
    """Whether the device has been asked: by this Contact, or by another of its flows (RFC 5626 5.3)."""
    if leg.contact == binding.contact:
        return True
    other_flow = binding.reg_id and not binding.browser and leg.instance == binding.instance
    return bool(other_flow) and (leg.failure is None or leg.failure[0] not in FLOW_FAILED)


def same(leg: Leg, binding: Binding) -> bool:
    return leg.instance == binding.instance if leg.instance else leg.contact == binding.contact
