"""What stands between this edge and the others, and the proxies in front: one look at each message in a house
that has either, none in any other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from ucplatform.edge.callroom import CallRoom
from ucplatform.edge.devices import Devices
from ucplatform.edge.fleet import Fleet
from ucplatform.edge.proxies import Proxies, through
from ucplatform.edge.shared import SharedDevices
from ucplatform.edge.transports import Transports
from ucplatform.pbx.inputs import DeviceBack
from ucplatform.sip.commands import Key
from ucplatform.sip.flow import Flow
from ucplatform.sip.message import Request, Response, make_response
from ucplatform.sip.transaction import server_key
from ucplatform.sip.via import way_back

#: an edge that ended is mostly back within a few seconds: so long a request of its calls is kept for it
HELD_SECONDS = 5.0
#: so many for each edge
HELD = 500


class Switchboard(Protocol):
    calls: CallRoom
    devices: Devices

    def on_flow_lost(self, flow: Flow, reason: str) -> None: ...


class Neighbours:
    """The fleet's user. `needed` says whether messages want a look at all."""

    def __init__(self, fleet: Fleet, transports: Transports, *, proxied: bool) -> None:
        self._fleet = fleet
        self._transports = transports
        self._proxies = Proxies(transports.admission.trusts) if proxied else None
        self._switchboard: Switchboard
        self._shared: SharedDevices
        self.needed = proxied
        self._held: dict[str, dict[Key, tuple[Request, bytes, Flow]]] = {}
        transports.away = fleet

    async def start(self, switchboard: Switchboard, listening: Mapping[str, str]) -> None:
        """Meet the others: what is stored is read, the listeners are open."""
        self._switchboard = switchboard
        self._shared = SharedDevices(
            switchboard.devices,
            self._fleet,
            back=lambda binding: switchboard.calls.device_back(DeviceBack(binding)),
            own_way=self._own_way,
        )
        self._shared.start()
        await self._fleet.start(self, listening)

    async def stop(self) -> None:
        await self._fleet.stop()
        self._shared.stop()

    def _own_way(self, flow: Flow) -> Flow | None:
        try:
            way = self._transports.udp_flow(flow.remote)
        except (OSError, ValueError):
            return None
        return way if flow.source is None else through(way, flow.source)

    # -- what the switchboard asks -----------------------------------------------------------------

    def look(self, message: Request | Response, data: bytes, flow: Flow) -> Flow | None:
        """The flow of a message that came to us, its true sender with it; None for what belonged to another
        edge and is done with here."""
        if self._proxies is not None:
            flow = self._proxies.flow(message, flow)
        owner = self._fleet.owner(message) if self._fleet.others else None
        if owner is None:
            return flow
        if not self._fleet.pass_on(owner, message, data, flow):
            self._hold(owner, message, data, flow)
        return None

    def _hold(self, owner: str, message: Request | Response, data: bytes, flow: Flow) -> None:
        """The owner has just ended, and its supervisor starts it again: a request waits for that, once
        however often it is sent. Nobody waits for a response or an ACK any more."""
        if not isinstance(message, Request) or message.method == "ACK":
            return
        held, key = self._held.setdefault(owner, {}), server_key(message, message.via)
        if key in held:
            return
        if len(held) >= HELD:
            self._excuse(message, flow)
            return
        held[key] = (message, data, flow)
        asyncio.get_running_loop().call_later(HELD_SECONDS, self._give_up, owner, key)

    def _give_up(self, owner: str, key: Key) -> None:
        found = self._held.get(owner, {}).pop(key, None)
        if found is not None:
            self._excuse(found[0], found[2])

    def _excuse(self, message: Request, flow: Flow) -> None:
        """503 leaves the dialog as it is, where 481 would end it (RFC 5057 5.1)."""
        response = make_response(message, 503, headers=(("Retry-After", str(int(HELD_SECONDS))),))
        self._transports.send(way_back(response.via, flow), response.to_bytes())

    def flow_lost(self, flow: Flow, reason: str) -> None:
        """One of our own connections has ended: calls elsewhere may use it."""
        if self._fleet.others:
            self._fleet.flow_lost(flow, reason)

    def health(self) -> dict[str, Any]:
        """{"edges": {id: "linked" | "away"}, "lacks": […]}."""
        return {"edges": self._fleet.states(), "lacks": self._fleet.missing()}

    # -- what the fleet says (fleet.User) ----------------------------------------------------------

    def passed_on(self, data: bytes, flow: Flow) -> None:
        self._transports.deliver(data, flow)

    def send_own(self, flow: Flow, data: bytes) -> bool:
        return self._transports.send(flow, data)

    def is_open(self, flow: Flow) -> bool:
        return self._transports.is_open(flow)

    def on_flow_lost(self, flow: Flow, reason: str) -> None:
        self._switchboard.on_flow_lost(flow, reason)

    def edge_up(self, edge: str) -> None:
        """Exchange what is registered; ask which connections our calls still have there."""
        self.needed = True
        self._shared.edge_up(edge)
        for message, data, origin in self._held.pop(edge, {}).values():
            self._fleet.pass_on(edge, message, data, origin)
        for flow in self._calls_flows(edge):
            self._fleet.ask(flow)

    def edge_down(self, edge: str) -> None:
        """Its connections are lost to us, whether or not they still stand."""
        self._shared.edge_down(edge)
        for flow in self._calls_flows(edge):
            self._switchboard.on_flow_lost(flow, f"edge {edge} gone")

    def devices_of(self, edge: str, news: Mapping[str, Any]) -> None:
        self._shared.news(edge, news)

    def _calls_flows(self, edge: str) -> Iterator[Flow]:
        legs = [leg for call in self._switchboard.calls.calls.values() for leg in call.legs.values()]
        yield from {leg.flow for leg in legs if leg.flow.edge == edge and leg.flow.reliable}
