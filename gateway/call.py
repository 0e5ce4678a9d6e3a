"""One call: its legs, which are branches of which, and the offers that wait for an answer."""

import time
from dataclasses import dataclass

from gateway import bridge, description, negotiate, writer
from gateway.config import Interface
from gateway.description import SRTP, WEBRTC, Description
from gateway.errors import GatewayError
from gateway.plain import RtpTermination
from gateway.profile import Profile
from gateway.sdes import SdesTermination
from gateway.termination import Services, Statistics, Termination
from gateway.webrtc import WebRtcTermination


@dataclass(frozen=True, slots=True)
class Exchange:
    """An offer on its way: what the offerer sent, and what the answerer was given for it."""

    offer: Description
    given: Description


class Call:
    """`legs` by leg id. Methods are called one after the other (the server queues a call's requests)."""

    def __init__(self, call_id: str, services: Services) -> None:
        self.id = call_id
        self.created = time.time()
        self.legs: dict[str, Termination] = {}
        self._services = services
        self._callers: dict[str, str] = {}  # leg of a callee to the leg whose offer made it
        self._exchanges: dict[tuple[str, str], Exchange] = {}
        self._own_offers: dict[str, Description] = {}

    # NG's offer and answer: two terminations and the bridge between them.

    async def offer(self, sender: str, target: str, text: str, profile: Profile) -> str:
        """An offer of `sender`, to be passed on to `target` in that leg's manner; makes the legs it needs."""
        offer = description.read(text)
        known = set(self.legs)
        try:
            first = await self._leg(sender, offer.kind, profile, controlling=False, own=False)
            proto = profile.protocol(offer.proto)
            second = await self._leg(target, description.kind_of(proto), profile, controlling=True)
            codecs = negotiate.filtered(offer.codecs, profile.strip)
            _heard_from(first, profile)
            first.payloads.learn(offer.codecs)
            first.lines, first.mid = offer.lines, offer.mid
            chosen = negotiate.offer_for(second.kind, codecs, second.payloads.number)
            if negotiate.may_transcode(codecs, chosen):
                self._services.transcoder.prepare()
            given = writer.our_offer(second, profile, proto, chosen, offer)
        except GatewayError:
            for leg_id in set(self.legs) - known:
                await self.legs.pop(leg_id).close()
            raise
        if target not in known:
            self._callers[target] = sender
        self._exchanges[sender, target] = Exchange(offer, given)
        return writer.write(second, given)

    async def answer(self, sender: str, target: str, text: str, profile: Profile) -> str:
        """The answer of `target` to the last offer of `sender`; both begin to hear each other."""
        first, second = self.leg(sender), self.leg(target)
        exchange = self._exchanges.get((sender, target))
        if exchange is None:
            raise GatewayError(f"no offer from {sender} to {target} to be answered")
        answer = description.read(text)
        if answer.kind != second.kind:
            raise GatewayError("the answer changes the media transport")
        offered = {codec.key for codec in exchange.given.codecs}
        taken = [codec for codec in answer.codecs if codec.key in offered]
        chosen = negotiate.answer_for(exchange.offer.codecs, taken)
        local = writer.our_answer(first, profile, exchange.offer, chosen, answer.direction, answer.ptime)
        _heard_from(second, profile)
        await second.apply(exchange.given, answer)
        await first.apply(local, exchange.offer)
        if first.peer is second:
            bridge.refresh(first)
        else:
            bridge.link(first, second)
        return writer.write(first, local)

    # Our own verbs: one termination at a time.

    async def terminate(self, leg_id: str, text: str | None, profile: Profile) -> str:
        """SDP in: an answer out. None in: an offer out, to be completed by `accept`."""
        if text is None:
            return await self._open_offer(leg_id, profile)
        offer = description.read(text)
        leg = await self._leg(leg_id, offer.kind, profile, controlling=False)
        try:
            prefer = profile.prefer or ((leg.codec.name,) if leg.codec is not None else ())
            chosen = negotiate.own_answer(negotiate.filtered(offer.codecs, profile.strip), prefer)
        except GatewayError:
            if leg.remote is None:
                await self._drop(leg)
            raise
        leg.payloads.learn(offer.codecs)
        leg.lines, leg.mid = offer.lines, offer.mid
        local = writer.our_answer(leg, profile, offer, chosen, writer.MIRRORED[offer.direction])
        _heard_from(leg, profile)
        await leg.apply(local, offer)
        bridge.refresh(leg)
        return writer.write(leg, local)

    async def _open_offer(self, leg_id: str, profile: Profile) -> str:
        proto = profile.protocol("RTP/AVP")
        leg = await self._leg(leg_id, description.kind_of(proto), profile, controlling=True)
        codecs = negotiate.full_offer(leg.kind, leg.payloads.number, profile.prefer)
        local = writer.our_offer(leg, profile, proto, negotiate.filtered(codecs, profile.strip))
        self._own_offers[leg_id] = local
        return writer.write(leg, local)

    async def accept(self, leg_id: str, text: str, profile: Profile) -> None:
        """The answer to what `terminate` offered."""
        leg = self.leg(leg_id)
        local = self._own_offers.get(leg_id)
        if local is None:
            raise GatewayError(f"nothing was offered to {leg_id}")
        answer = description.read(text)
        if answer.kind != leg.kind:
            raise GatewayError("the answer changes the media transport")
        _heard_from(leg, profile)
        await leg.apply(local, answer)
        bridge.refresh(leg)

    def attach(self, leg_id: str, other_id: str) -> None:
        """Two legs hear each other from now on; what they heard before is cut off."""
        leg, other = self.leg(leg_id), self.leg(other_id)
        for one in (leg, other):
            if one.peer is not None:
                self._part(one.id, one.peer.id)
        bridge.link(leg, other)

    def adopt(self, other: "Call", other_id: str, leg_id: str) -> None:
        """Take a leg out of another call, as it is: its ports, its keys, what was agreed with it."""
        if leg_id in self.legs:
            raise GatewayError(f"leg {leg_id} is there already")
        leg = other.leg(other_id)
        other._let_go(leg)
        leg.call_id, leg.id = self.id, leg_id
        self.legs[leg_id] = leg

    def detach(self, leg_id: str) -> None:
        bridge.unlink(self.leg(leg_id))

    # Legs.

    def leg(self, leg_id: str) -> Termination:
        leg = self.legs.get(leg_id)
        if leg is None:
            raise GatewayError(f"unknown leg {leg_id}")
        return leg

    async def _leg(
        self, leg_id: str, kind: str, profile: Profile, *, controlling: bool, own: bool = True
    ) -> Termination:
        """The leg, opened if it is new. `own`: the profile's interface is meant for this leg."""
        leg = self.legs.get(leg_id)
        if leg is not None:
            if leg.kind != kind:
                raise GatewayError(f"leg {leg_id} changes its media transport")
            return leg
        interface = self._interface(profile.interface if own else profile.other_interface)
        if kind == WEBRTC:
            leg = WebRtcTermination(self.id, leg_id, interface, self._services, controlling=controlling)
        else:
            made = SdesTermination if kind == SRTP else RtpTermination
            leg = made(self.id, leg_id, interface, self._services)
        try:
            await leg.open()
        except GatewayError:
            await leg.close()
            raise
        leg.on_ready = bridge.refresh
        self.legs[leg_id] = leg
        return leg

    def _interface(self, name: str | None) -> Interface:
        interfaces = self._services.config.interfaces
        if name is None:
            return interfaces[0]
        for interface in interfaces:
            if interface.name == name:
                return interface
        raise GatewayError(f"unknown media interface {name}")

    def _part(self, one: str, other: str) -> None:
        """Two legs have nothing to do with each other any more."""
        for callee, caller in ((one, other), (other, one)):
            if self._callers.get(callee) == caller:
                del self._callers[callee]

    def connected(self, leg_id: str) -> set[str]:
        """The leg, its peer, its branches or its caller, and so on: what one `delete` means."""
        found: set[str] = set()
        waiting = [leg_id]
        while waiting:
            current = waiting.pop()
            leg = self.legs.get(current)
            if current in found or leg is None:
                continue
            found.add(current)
            waiting += [callee for callee, caller in self._callers.items() if caller == current]
            waiting += [self._callers[current]] if current in self._callers else []
            waiting += [leg.peer.id] if leg.peer is not None else []
        return found

    async def remove(self, leg_ids: set[str]) -> None:
        """End these legs; their ports are free when this returns."""
        for leg in [leg for leg_id, leg in self.legs.items() if leg_id in leg_ids]:
            await self._drop(leg)

    async def _drop(self, leg: Termination) -> None:
        self._let_go(leg)
        await leg.close()
        bridge.route(leg)

    def _let_go(self, leg: Termination) -> None:
        self.legs.pop(leg.id, None)
        self._own_offers.pop(leg.id, None)
        self._callers.pop(leg.id, None)
        for callee in [callee for callee, caller in self._callers.items() if caller == leg.id]:
            del self._callers[callee]
        for pair in [pair for pair in self._exchanges if leg.id in pair]:
            del self._exchanges[pair]
        bridge.unlink(leg)

    def statistics(self) -> dict[str, Statistics]:
        return {leg_id: leg.statistics() for leg_id, leg in self.legs.items()}


def _heard_from(leg: Termination, profile: Profile) -> None:
    """The request carries this leg's description, so its received-from speaks of this leg."""
    if isinstance(leg, RtpTermination) and profile.hosts:
        leg.hosts = profile.hosts
