"""A leg that goes silent: a page has a grace to come back, a telephone without sound is let go."""

from __future__ import annotations

from ucplatform.pbx.call import Call
from ucplatform.pbx.commands import Note, Save
from ucplatform.pbx.ending import end
from ucplatform.pbx.inputs import AckMissing, DeviceBack, FlowLost, LegMoved, MediaEvent, Timeout
from ucplatform.pbx.leg import Leg
from ucplatform.pbx.outcome import Outcome
from ucplatform.sip.flow import Flow

BROWSER_GONE = Outcome("answered", "browser_gone", 480, "Browser Gone", "The browser did not come back.")
NO_ACK = Outcome("answered", "no_ack", 408, "No ACK", "The answer was never confirmed.")
MEDIA_LOST = Outcome("answered", "media_lost", 408, "No Sound", "No sound came any more.")


def flow_lost(call: Call, event: FlowLost, now: float) -> None:
    """The page's WebSocket is gone: the call is kept for the grace (a reload, another network).

    A leg that still waits was about to take another's place; its INVITE is gone with the flow, its lost
    predecessor's grace runs on.
    """
    for leg in call.legs.values():
        if leg.flow.id != event.flow_id or not leg.browser or leg.lost or leg.state not in ("up", "waiting"):
            continue
        leg.lost = True
        if leg.state == "up":
            call.timer(f"grace:{leg.id}", call.house.grace_seconds)
            call.do(Note("flow-lost", leg.id, {"grace": call.house.grace_seconds}), Save())


def device_back(call: Call, event: DeviceBack, now: float) -> None:
    """The same page on a new connection (same Contact): its dialog moves to the new flow, the grace ends.

    On another network the new connection is there before the old one is found to be gone.
    """
    binding = event.binding
    for leg in call.legs.values():
        mine = leg.browser and leg.state == "up" and leg.extension == binding.number
        if mine and binding.flow.id != leg.flow.id and _same_page(leg, binding.contact):
            _move(call, leg, binding.flow)


def leg_moved(call: Call, event: LegMoved, now: float) -> None:
    """A request in the leg's dialog came by another flow, after its account was proved."""
    leg = call.legs.get(event.leg)
    if leg is not None:
        _move(call, leg, event.flow)


def _move(call: Call, leg: Leg, flow: Flow) -> None:
    leg.flow = flow
    if leg.lost:
        leg.lost = False
        call.stop_timer(f"grace:{leg.id}")
    call.do(Note("flow-back", leg.id), Save())


def _same_page(leg: Leg, contact: str) -> bool:
    target = leg.dialog.remote_target if leg.dialog else leg.contact
    return target.partition("@")[0] == contact.partition("@")[0]


def timeout(call: Call, event: Timeout, now: float) -> None:
    verb, _, tag = event.name.partition(":")
    leg = call.legs.get(tag)
    if verb == "grace" and leg is not None and leg.lost:
        end(call, now, BROWSER_GONE, leg.role, spared=leg)


def ack_missing(call: Call, event: AckMissing, now: float) -> None:
    """RFC 3261 13.3.1.4: without an ACK the dialog is confirmed all the same, and then ended. Not the call
    with it, when another leg has taken the place of this one since."""
    if event.leg in call.legs:
        end(call, now, NO_ACK, "server")


def media_event(call: Call, event: MediaEvent, now: float) -> None:
    """What the gateway saw. A telephone that sends nothing, though nobody holds, is gone; so is a leg whose
    connection failed, and a call that the gateway has no more."""
    if event.event == "closed" and not event.leg:
        call.do(Note(event.event, None, event.detail))
        end(call, now, MEDIA_LOST, "server")
        return
    leg = call.legs.get(event.leg)
    if leg is None:
        return
    call.do(Note(event.event, leg.id, event.detail))
    peer = call.peer(leg)
    held = leg.held or (peer is not None and peer.held)
    failed = event.event in ("ice", "dtls") and event.detail.get("state") == "failed"
    silent = event.event == "media-timeout" and not held
    if (failed or silent) and leg.state == "up" and not leg.lost:
        end(call, now, MEDIA_LOST, leg.role)
