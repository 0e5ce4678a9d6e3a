"""What stands between this edge and the others, and the proxies in front: one look at each message in a house
that has either, none in any other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from ucplatform.edge import log
from ucplatform.edge.callroom import CallRoom
from ucplatform.edge.devices import Devices
from ucplatform.edge.fleet import Dialog, Fleet
from ucplatform.edge.proxies import Proxies, through
from ucplatform.edge.shared import SharedDevices
from ucplatform.edge.transports import Transports
from ucplatform.pbx.access import Gatekeeper
from ucplatform.pbx.call import Call
from ucplatform.pbx.inputs import DeviceBack
from ucplatform.pbx.ports import House, flow_from_json, flow_to_json
from ucplatform.sip.commands import Key
from ucplatform.sip.flow import Flow
from ucplatform.sip.message import Request, Response, make_response
from ucplatform.sip.tokens import token
from ucplatform.sip.transaction import server_key
from ucplatform.sip.via import way_back

#: an edge that ended is mostly back within a few seconds: so long a request of its calls is kept for it
HELD_SECONDS = 5.0
#: so many for each edge
HELD = 500
#: an edge that is asked for a call answers at once
FETCH_SECONDS = 2.0
#: credentials of pages in one frame
PAGES = 200


class Switchboard(Protocol):
    calls: CallRoom
    devices: Devices
    gatekeeper: Gatekeeper

    def house(self) -> House: ...
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
        self._wanted: dict[str, Callable[[], None]] = {}
        #: calls that another edge has not said yet to have: that edge, and their snapshot
        self._given: dict[str, tuple[str, dict[str, Any]]] = {}
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
        switchboard.gatekeeper.on_bound = self._bound
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

    def _bound(self, username: str, flow: Flow) -> None:
        """A page's credential is good on its own connection alone, at whichever edge that is."""
        if self._fleet.others and not flow.edge:
            self._fleet.tell({"pages": [[username, flow.id]]})

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
        self._remind(edge)
        pages = [page for page in self._switchboard.gatekeeper.pages() if "/" not in page[1]]
        for start in range(0, len(pages), PAGES):
            self._fleet.tell({"pages": pages[start : start + PAGES]}, edge)
        for message, data, origin in self._held.pop(edge, {}).values():
            self._fleet.pass_on(edge, message, data, origin)
        for flow in self._calls_flows(edge):
            self._fleet.ask(flow)

    def edge_down(self, edge: str) -> None:
        """Its connections are lost to us, whether or not they still stand."""
        self._shared.edge_down(edge)
        self._switchboard.gatekeeper.edge_lost(edge)
        for call_id in [call_id for call_id, (taker, _) in self._given.items() if taker == edge]:
            self._take_back(call_id)
        for flow in self._calls_flows(edge):
            self._switchboard.on_flow_lost(flow, f"edge {edge} gone")

    def news(self, edge: str, news: Mapping[str, Any]) -> None:
        if "give" in news:
            self._give(edge, *news["give"])
        elif "call" in news:
            self._take(edge, *news["call"])
        elif "pages" in news:
            for username, flow_id in news["pages"]:
                self._switchboard.gatekeeper.bound_elsewhere(username, f"{edge}/{flow_id}")
        elif "moved" in news:
            call_id, dialogs = news["moved"]
            self._fleet.has_moved([(first, second) for first, second in dialogs], edge)
            self._given.pop(call_id, None)
            self._switchboard.calls.leave(call_id)
        elif "back" in news:
            self._take_back(news["back"])
        else:
            self._shared.news(edge, news)

    # -- calls that move ---------------------------------------------------------------------------

    def fetch(self, call_id: str, local_tag: str, remote_tag: str, done: Callable[[], None]) -> bool:
        """Have the edge that has this dialog give us the call: an attended transfer joins two, and a call is
        at one edge. `done` is called when it is here, or will not be. False when nobody can have it."""
        edge = self._fleet.edge_of_dialog((call_id, local_tag))
        name = token(8)
        if edge is None or not self._fleet.tell({"give": [name, call_id, local_tag, remote_tag]}, edge):
            return False
        self._wanted[name] = done
        asyncio.get_running_loop().call_later(FETCH_SECONDS, self._fetched, name)
        return True

    def _fetched(self, name: str) -> None:
        done = self._wanted.pop(name, None)
        if done is not None:
            done()

    def _give(self, edge: str, name: str, *dialog: str) -> None:
        """From here on what comes for the call goes after it, by the same link; should the other edge not
        take it, it comes back."""
        calls = self._switchboard.calls
        found = calls.dialog(*dialog)
        value = calls.to_give(found[0]) if found else None
        if self._fleet.tell({"call": [name, value]}, edge) and found is not None and value is not None:
            self._given[found[0].id] = (edge, value)
            self._fleet.has_moved(_dialogs(found[0]), edge)
            calls.leave(found[0].id)

    def _take(self, edge: str, name: str, value: dict[str, Any] | None) -> None:
        if value is not None:
            call_id = str(value["id"])
            if name not in self._wanted or not self._adopted(edge, value):
                self._fleet.tell({"back": call_id}, edge)
        self._fetched(name)

    def _adopted(self, edge: str, value: dict[str, Any]) -> bool:
        try:
            for leg in [*value["legs"], *value["gone"]]:
                leg["flow"] = flow_to_json(self._seen_from(edge, flow_from_json(leg["flow"])))
            call = self._switchboard.calls.adopt(value, self._switchboard.house())
        except (KeyError, TypeError, ValueError) as error:
            log.fault("call-not-taken", error, edge=edge)
            return False
        log.info("call-moved", call=call.id, edge=edge)
        self._announce(call)
        return True

    def _take_back(self, call_id: str) -> None:
        given = self._given.pop(call_id, None)
        if given is not None:
            self._announce(self._switchboard.calls.adopt(given[1], self._switchboard.house()))

    def _seen_from(self, edge: str, flow: Flow) -> Flow:
        """A flow as `edge` names it, as we do."""
        if flow.edge:
            return flow.as_own() if flow.edge == self._fleet.edge_id else flow
        way = self._own_way(flow) if flow.source is not None and not flow.reliable else None
        return way or flow.seen_at(edge)

    def _announce(self, call: Call) -> None:
        """Tell all others that this call is here now, whatever its tags say."""
        dialogs = _dialogs(call)
        self._fleet.has_moved(dialogs, self._fleet.edge_id)
        self._fleet.tell({"moved": [call.id, dialogs]})

    def _remind(self, edge: str) -> None:
        """Tell an edge that comes (back) of all dialogs here that have another edge's tag."""
        mine = f"e{self._fleet.edge_id}-"
        for call in self._switchboard.calls.calls.values():
            legs = [leg for leg in call.legs.values() if leg.local_tag and not leg.local_tag.startswith(mine)]
            if legs:
                dialogs = [(leg.sip_call_id, leg.local_tag) for leg in legs]
                self._fleet.has_moved(dialogs, self._fleet.edge_id)
                self._fleet.tell({"moved": ["", dialogs]}, edge)

    def _calls_flows(self, edge: str) -> Iterator[Flow]:
        legs = [leg for call in self._switchboard.calls.calls.values() for leg in call.legs.values()]
        yield from {leg.flow for leg in legs if leg.flow.edge == edge and leg.flow.reliable}


def _dialogs(call: Call) -> list[Dialog]:
    return [(leg.sip_call_id, leg.local_tag) for leg in [*call.legs.values(), *call.gone]]
