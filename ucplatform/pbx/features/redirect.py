"""A device that sends the call on (3xx, RFC 3261 8.1.3.4): followed when it names an extension of ours.

The call is retargeted under the caller's own name; who sent it on stands beside it (`identity.way`).
"""

from __future__ import annotations

from ucplatform.pbx import branch
from ucplatform.pbx.call import Call
from ucplatform.pbx.commands import FindNumber, Note
from ucplatform.pbx.inputs import NumberFound
from ucplatform.pbx.leg import Leg
from ucplatform.pbx.registrar import by_device
from ucplatform.pbx.routing import ToExtension
from ucplatform.sip.message import Response

#: How often a call may be sent on; phones that forward to each other are not followed round and round.
MOST = 5


def follow(call: Call, leg: Leg, response: Response) -> bool:
    """Whether the number it names is going to be asked; what is not ours is nobody's business of a device."""
    contact = response.contact
    if contact is None or not 300 <= response.status < 400 or contact.uri.scheme not in ("sip", "sips"):
        return False
    number, ours = contact.uri.username, (call.house.domain, leg.flow.local[0])
    asked = {call.caller.number, *(other.number for other in call.devices)}
    hops = call.caller.request.max_forwards if call.caller.request else None
    limit = MOST if hops is None else min(MOST, hops - 1)
    if contact.uri.host.strip("[]") not in ours or not number or number in asked:
        return False
    if len(leg.history) >= limit:
        return False
    leg.failure = (response.status, response.reason)
    call.set_leg(leg, "over")
    branch.drop(call, leg)
    call.do(Note("redirected", leg.id, {"to": number}), FindNumber(leg.id, number))
    return True


def found(call: Call, event: NumberFound, now: float) -> None:
    """Its devices ring beside those that still do."""
    leg, route = call.legs[event.leg], event.route
    if isinstance(route, ToExtension):
        status = leg.failure[0] if leg.failure else 302
        for binding, *spares in by_device(event.devices):
            branch.ring(call, binding, route.account.name, spares, (*leg.history, (leg.number, status)))
    if not any(other.pending for other in call.devices):
        branch.failed(call, leg, *(leg.failure or (480, "Temporarily Unavailable")), now)
