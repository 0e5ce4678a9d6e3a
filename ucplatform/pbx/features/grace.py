"""A leg that goes silent: a page has a grace to come back, a telephone without sound is let go."""

from __future__ import annotations

from ucplatform.pbx.call import Call
from ucplatform.pbx.commands import Note, Save
from ucplatform.pbx.ending import end
from ucplatform.pbx.inputs import AckMissing, DeviceBack, FlowLost, MediaEvent, Timeout
from ucplatform.pbx.leg import Leg
from ucplatform.pbx.outcome import Outcome

BROWSER_GONE = Outcome("answered", "browser_gone", 480, "Browser Gone", "The browser did not come back.")
NO_ACK = Outcome("answered", "no_ack", 408, "No ACK", "The answer was never confirmed.")
MEDIA_LOST = Outcome("answered", "media_lost", 408, "No Sound", "No sound came any more.")


def flow_lost(call: Call, event: FlowLost, now: float) -> None:
    """The page's WebSocket is gone: the call is kept for the grace (a reload, another network)."""
    for leg in call.legs.values():
        if leg.flow.id == event.flow_id and leg.browser and leg.state == "up" and not leg.lost:
            leg.lost = True
            call.timer(f"grace:{leg.id}", call.house.grace_seconds)
            call.do(Note("flow-lost", leg.id, {"grace": call.house.grace_seconds}), Save())


def device_back(call: Call, event: DeviceBack, now: float) -> None:
    """The same page on a new connection (same Contact): its dialog moves to the new flow, the grace ends."""
    binding = event.binding
    for leg in call.legs.values():
        if leg.lost and leg.extension == binding.number and _same_page(leg, binding.contact):
            leg.lost, leg.flow = False, binding.flow
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
    """RFC 3261 13.3.1.4: without an ACK the dialog is confirmed all the same, and then ended."""
    end(call, now, NO_ACK, "server")


def media_event(call: Call, event: MediaEvent, now: float) -> None:
    """What the gateway saw. A telephone that sends nothing, though nobody holds, is gone."""
    leg = call.legs.get(event.leg)
    if leg is None:
        return
    call.do(Note(event.event, leg.id, event.detail))
    peer = call.peer(leg)
    held = leg.held or (peer is not None and peer.held)
    if event.event == "media-timeout" and leg.state == "up" and not held and not leg.lost:
        end(call, now, MEDIA_LOST, leg.role)
