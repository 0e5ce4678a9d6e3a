"""Registrations that several edges share: each tells the others what is registered with it, so that an INVITE
finds the devices of all edges in memory.

News of an edge is {"numbers": {number: [bindings]}}, the whole truth for each number named; {"all": true}
ends the list that a new link begins with, so that numbers not in it are none of that edge's; {"drop":
[number, key]} takes a device out that has unregistered at another edge.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from ucplatform.edge.devices import Devices
from ucplatform.pbx.registrar import Binding
from ucplatform.sip.flow import Flow

#: numbers in one frame of a whole list
CHUNK = 50


class Teller(Protocol):
    """The fleet, as news needs it."""

    others: Mapping[str, object]

    def tell(self, news: Mapping[str, Any], edge: str | None = None) -> bool: ...


class SharedDevices:
    """Between `devices` and the fleet. `back(binding)` is told of a device that has come to another edge;
    `own_way(flow)` is our flow to where a flow of another edge leads, None when there is no way."""

    def __init__(
        self,
        devices: Devices,
        fleet: Teller,
        *,
        back: Callable[[Binding], None],
        own_way: Callable[[Flow], Flow | None],
    ) -> None:
        self._devices = devices
        self._fleet = fleet
        self._back = back
        self._own_way = own_way
        self._listed: dict[str, set[str]] = {}
        self._telling: dict[str, asyncio.Task[None]] = {}
        devices.on_change = self._changed
        devices.on_drop = self._dropped

    def start(self) -> None:
        """What was read from the store is of edges that are not linked yet."""
        for edge in {binding.edge for binding in self._devices.registrar.everything()} - {""}:
            self.edge_down(edge)

    def stop(self) -> None:
        for task in self._telling.values():
            task.cancel()

    # -- what happens here -------------------------------------------------------------------------

    def _changed(self, number: str, bindings: Iterable[Binding]) -> None:
        if self._fleet.others:
            self._fleet.tell({"numbers": {number: [binding.to_json() for binding in bindings]}})

    def _dropped(self, binding: Binding) -> None:
        """A device of another edge has unregistered here; of one that is away the stored list is ours to
        correct."""
        if not self._fleet.tell({"drop": [binding.number, binding.key]}, binding.edge):
            self._devices.save(binding.number, binding.edge)

    # -- what happens to links ---------------------------------------------------------------------

    def edge_up(self, edge: str) -> None:
        """Tell a new neighbour everything, in pieces: there may be thousands."""
        self._listed[edge] = set()
        self._telling[edge] = asyncio.get_running_loop().create_task(self._tell_all(edge))

    async def _tell_all(self, edge: str) -> None:
        registrar = self._devices.registrar
        numbers = registrar.numbers_of("")
        for start in range(0, len(numbers), CHUNK):
            now = time.time()
            chunk = {n: [b.to_json() for b in registrar.held(n, now)] for n in numbers[start : start + CHUNK]}
            if not self._fleet.tell({"numbers": chunk}, edge):
                return
            await asyncio.sleep(0)  # messages first
        self._fleet.tell({"all": True}, edge)

    def edge_down(self, edge: str) -> None:
        """Its devices are reached by a way of our own where there is one; those on its connections are waited
        for as after any lost connection."""
        telling = self._telling.pop(edge, None)
        if telling is not None:
            telling.cancel()
        now, registrar = time.time(), self._devices.registrar
        for number in registrar.numbers_of(edge):
            left = [self._orphan(binding, now) for binding in registrar.held(number, now, edge)]
            registrar.merge(number, edge, left)

    def _orphan(self, binding: Binding, now: float) -> Binding:
        flow = binding.flow
        if flow.reliable:
            return binding if binding.lost_at is not None else binding._replace(lost_at=now)
        way = None if binding.behind_nat and flow.source is None else self._own_way(flow)
        return binding if way is None else binding._replace(flow=way)

    # -- what other edges tell ---------------------------------------------------------------------

    def news(self, edge: str, news: Mapping[str, Any]) -> None:
        """See the module. ValueError, KeyError, TypeError for what no edge sends."""
        listed = self._listed.get(edge)
        for number, values in news.get("numbers", {}).items():
            if listed is not None:
                listed.add(number)
            self._take(number, edge, [self._theirs(edge, value) for value in values])
        if news.get("all") and listed is not None:
            del self._listed[edge]
            for number in self._devices.registrar.numbers_of(edge):
                if number not in listed:
                    self._take(number, edge, [])
        if "drop" in news:
            number, key = news["drop"]
            for binding in self._devices.registrar.held(number, time.time()):
                if binding.key == key:
                    self._devices.registrar.drop(binding)
                    self._devices.save(number)

    def _theirs(self, edge: str, value: dict[str, Any]) -> Binding:
        """A proxy in front leads to its devices from every edge; any other flow is the holder's."""
        binding = Binding.from_json(value)
        flow = binding.flow.seen_at(edge)
        way = self._own_way(flow) if flow.source is not None and not flow.reliable else None
        return binding._replace(edge=edge, flow=way or flow)

    def _take(self, number: str, edge: str, bindings: list[Binding]) -> None:
        known = {(binding.key, binding.flow.id) for binding in self._devices.of(number)}
        if self._devices.registrar.merge(number, edge, bindings):
            self._devices.save(number)
        for binding in self._devices.registrar.held(number, time.time(), edge):
            if binding.lost_at is None and (binding.key, binding.flow.id) not in known:
                self._back(binding)
