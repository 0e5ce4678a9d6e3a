"""Who hears whom: the route tables between terminations, made anew whenever something changes."""

from gateway.negotiate import events, is_event, speech
from gateway.relay import NOWHERE, Events, Forward, RescaledEvents, Route
from gateway.termination import Termination
from ucplatform.sdp import Codec


def link(first: Termination, second: Termination) -> None:
    """The two hear each other; who heard one of them before hears nothing. A leg with itself is the echo."""
    for leg in (first, second):
        unlink(leg)
    first.peer, second.peer = second, first
    refresh(first)


def unlink(leg: Termination) -> None:
    other, leg.peer = leg.peer, None
    if other is not None and other is not leg:
        other.peer = None
        route(other)
    route(leg)


def refresh(leg: Termination) -> None:
    """A leg can or cannot send now, or its codecs have changed: both directions are affected."""
    route(leg)
    if leg.peer is not None and leg.peer is not leg:
        route(leg.peer)


def route(leg: Termination) -> None:
    """Fill the table of a leg: for each payload type that it may send, the way to its peer."""
    if leg.local is None or leg.remote is None or leg.closed:
        leg.routes = {}
        return
    table: dict[int, Route] = {}
    for codec in leg.local.codecs:
        table[codec.payload] = _route(leg, codec)
    ours = {codec.key for codec in leg.local.codecs}
    for codec in leg.remote.codecs:
        # Some answer with numbers of their own, and send with them too (RFC 3264 section 5.1 says ours).
        if codec.key in ours and codec.payload not in table:
            table[codec.payload] = _route(leg, codec)
    leg.routes = table


def _route(leg: Termination, codec: Codec) -> Route:
    peer = leg.peer
    hears = peer is not None and peer.can_send and leg.may_speak
    if is_event(codec):
        onward = _event_route(leg, codec, peer) if peer is not None and hears else NOWHERE
        return Events(leg.detector, leg.pressed, onward)
    if peer is None or not hears:
        return NOWHERE
    for other in speech(peer.agreed):
        if other.key == codec.key:
            return Forward(leg, peer.out, other.payload, codec.clock)
    return NOWHERE


def _event_route(leg: Termination, codec: Codec, peer: Termination) -> Route:
    """Events go on in the event codec of the peer that shares the clock of its sound, if it has any."""
    sound = peer.codec
    choices = events(peer.agreed)
    if sound is None or not choices:
        return NOWHERE
    chosen = next((other for other in choices if other.clock == sound.clock), choices[0])
    onward = Forward(leg, peer.out, chosen.payload, sound.clock)
    if chosen.clock == codec.clock:
        return onward
    return RescaledEvents(onward, chosen.clock, codec.clock)
