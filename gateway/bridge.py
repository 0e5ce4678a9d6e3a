"""Who hears whom: the route tables between terminations, made anew whenever something changes."""

from gateway.negotiate import CODED, events, is_event, speech
from gateway.relay import NOWHERE, Events, Forward, RescaledEvents, Route
from gateway.termination import Termination
from gateway.transcoder import Transcode, TranscodedEvents
from ucplatform.sdp import Codec


def link(first: Termination, second: Termination) -> None:
    """The two hear each other; who heard one of them before hears nothing. A leg with itself is the echo."""
    for leg in (first, second):
        unlink(leg)
    first.peer, second.peer = second, first
    refresh(first)


def unlink(leg: Termination) -> None:
    """The leg hears nobody, and its peer neither."""
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
    table: dict[int, Route] = {}
    clocks: dict[int, int] = {}
    if leg.local is not None and leg.remote is not None and not leg.closed:
        ways = Ways(leg)
        agreed = {codec.key for codec in leg.agreed}
        # Some answer with numbers of their own, and send with them too (RFC 3264 section 5.1 says ours).
        for codec in [*leg.local.codecs, *leg.remote.codecs]:
            if codec.key in agreed and codec.payload not in table:
                table[codec.payload] = ways.way(codec)
                clocks[codec.payload] = codec.clock
        kept = ways.transcodes
    else:
        kept = {}
    for key, transcode in leg.transcodes.items():
        if kept.get(key) is not transcode:
            transcode.close()
    leg.transcodes = kept
    leg.route(table, clocks)


class Ways:
    """Finds the ways from one leg to its peer. `transcodes` are those that go through a worker."""

    def __init__(self, leg: Termination) -> None:
        self._leg = leg
        peer = leg.peer
        self._peer = peer if peer is not None and peer.can_send and leg.may_speak else None
        self.transcodes: dict[tuple[object, ...], Transcode] = {}

    def way(self, codec: Codec) -> Route:
        if is_event(codec):
            return Events(self._leg.detector, self._leg.pressed, self._event_way(codec))
        if self._peer is None:
            return NOWHERE
        shared = self._shared(codec)
        if shared is not None:
            return Forward(self._leg.carrier.key, self._peer.out, shared.payload, codec.clock)
        return self._transcode(codec) or NOWHERE

    def _shared(self, codec: Codec) -> Codec | None:
        if self._peer is None:
            return None
        return next((other for other in speech(self._peer.agreed) if other.key == codec.key), None)

    def _transcode(self, codec: Codec) -> Transcode | None:
        """Through a worker into the peer's own codec; the same one as before, if nothing has changed."""
        peer = self._peer
        target = peer.codec if peer is not None else None
        if peer is None or target is None or codec.key not in CODED or target.key not in CODED:
            return None
        key = (codec.key, target.key, target.payload, peer.out)
        transcode = self.transcodes.get(key) or self._leg.transcodes.get(key)
        if transcode is None:
            transcoder = self._leg.services.transcoder
            transcode = Transcode(transcoder, codec.key, target.key, peer.out, target.payload)
        self.transcodes[key] = transcode
        return transcode

    def _event_way(self, codec: Codec) -> Route:
        """Events go on in the event codec of the peer that shares the clock of its sound, if it has any."""
        peer = self._peer
        sound = peer.codec if peer is not None else None
        choices = events(peer.agreed) if peer is not None else []
        if peer is None or sound is None or not choices:
            return NOWHERE
        chosen = next((other for other in choices if other.clock == sound.clock), choices[0])
        spoken = self._leg.codec
        if spoken is not None and self._shared(spoken) is None:
            transcode = self._transcode(spoken)
            if transcode is not None:
                return TranscodedEvents(transcode, chosen.payload, codec.clock, chosen.clock)
        onward = Forward(self._leg.carrier.key, peer.out, chosen.payload, sound.clock)
        if chosen.clock == codec.clock:
            return onward
        return RescaledEvents(onward, chosen.clock, codec.clock)
