"""The registered devices: the registrar, the storing of those that registered here, and the keep-alive of
devices behind a NAT. Those of other edges are there too (`shared.py`)."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable

from redis.exceptions import RedisError

from ucplatform.edge import log
from ucplatform.edge.store import Store
from ucplatform.pbx.ports import Account, House
from ucplatform.pbx.registrar import Binding, Registrar
from ucplatform.sip.flow import Flow
from ucplatform.sip.headers import Headers
from ucplatform.sip.message import Request, Response
from ucplatform.sip.tokens import token
from ucplatform.sip.uri import Uri

#: followed by <number>@<edge>: each edge writes what it holds, so that no key has two writers
KEY = "uc:reg:"
SWEEP_SECONDS = 1.0
#: NATs forget a UDP binding after 30 s and more (RFC 4787 REQ-5 asks for two minutes, few obey).
KEEP_ALIVE_SECONDS = 25.0
#: A device that has answered OPTIONS before and misses this many is taken for gone.
MISSES = 3


class Devices:
    """Bindings in memory and in the store. `probe(binding, request)` sends an OPTIONS; see `probed`."""

    def __init__(
        self, store: Store, house: Callable[[], House], probe: Callable[[Binding, Request], None]
    ) -> None:
        self.registrar = Registrar()
        self._store = store
        self._house = house
        self._probe = probe
        self._missed: dict[tuple[str, str], int] = {}
        self._next_probe: dict[tuple[str, str], float] = {}
        self._sweeper: asyncio.Task[None] | None = None
        #: told (number, the bindings of it that are held here now) at every change
        self.on_change: Callable[[str, tuple[Binding, ...]], None] = lambda number, bindings: None
        #: told of a binding of another edge whose device has unregistered here
        self.on_drop: Callable[[Binding], None] = lambda binding: None

    async def start(self) -> None:
        """Read what an earlier life stored, and the other edges, then sweep every second."""
        try:
            stored = await self._store.load(KEY)
        except (RedisError, OSError) as error:
            log.warning("registrations-not-loaded", error=error)
            stored = {}
        now, mine = time.time(), self._house().edge_id
        for key, text in stored.items():
            number, _, edge = key.removeprefix(KEY).rpartition("@")
            bindings = [Binding.from_json(item) for item in json.loads(text)]
            if edge == mine:
                self.registrar.load(bindings, now)
            else:
                self.registrar.merge(number, edge, (binding._replace(edge=edge) for binding in bindings))
        self._sweeper = asyncio.get_running_loop().create_task(self._sweep(), name="registrations")

    async def stop(self) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)

    def of(self, number: str) -> tuple[Binding, ...]:
        return self.registrar.devices(number, time.time())

    def register(
        self, request: Request, account: Account, flow: Flow, session: str
    ) -> tuple[Response, list[Binding]]:
        """Answer an authenticated REGISTER and store the outcome. Raises sip.ParseError as the registrar
        does."""
        before = self.of(account.number)
        known = {(binding.key, binding.flow.id) for binding in before}
        response, fresh = self.registrar.register(request, account, flow, time.time(), session=session)
        self.save(account.number)
        for binding in before:
            if binding.edge and not any(b.key == binding.key for b in self.of(account.number)):
                self.on_drop(binding)
        for binding in fresh:
            if (binding.key, binding.flow.id) in known:
                continue  # a line for each refresh would drown all others
            log.info(
                "registered",
                number=binding.number,
                device=binding.contact,
                flow=flow.id,
                user_agent=binding.user_agent,
            )
        if not fresh and (request.contacts or request.contact_star):
            log.info("unregistered", number=account.number, flow=flow.id)
        return response, fresh

    def flow_lost(self, flow_id: str) -> None:
        for binding in self.registrar.flow_lost(flow_id, time.time()):
            if not binding.edge:
                self.save(binding.number)

    def save(self, number: str, edge: str = "") -> None:
        """Store what is held here of `number`, or in the place of an `edge` that is gone."""
        bindings = self.registrar.held(number, time.time(), edge)
        key = f"{KEY}{number}@{edge or self._house().edge_id}"
        if bindings:
            left = max(binding.expires_at for binding in bindings) - time.time()
            self._store.put(key, lambda: json.dumps([b.to_json() for b in bindings]), ttl=left)
        else:
            self._store.delete(key)
        if not edge:
            self.on_change(number, bindings)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now = time.time()
            for number in self.registrar.sweep(now, self._house().reconnect_seconds):
                self.save(number)
                log.info("registration-ended", number=number)
            bindings = self.registrar.everything()
            self._forget_but({(binding.number, binding.key) for binding in bindings})
            for binding in bindings:
                if binding.behind_nat and binding.flow.transport == "udp" and not binding.edge:
                    self._keep_alive(binding, now)

    def _forget_but(self, there: set[tuple[str, str]]) -> None:
        """What is noted of devices that are registered no more goes with them."""
        for notes in (self._missed, self._next_probe):
            for name in notes.keys() - there:
                del notes[name]

    def _keep_alive(self, binding: Binding, now: float) -> None:
        """An OPTIONS now and then holds the NAT's hole open, and tells whether the device is there."""
        name = (binding.number, binding.key)
        due = self._next_probe.setdefault(name, now + KEEP_ALIVE_SECONDS)
        if due <= now:
            self._next_probe[name] = now + KEEP_ALIVE_SECONDS
            self._probe(binding, options(self._house(), binding))

    def probed(self, number: str, key: str, answered: bool) -> None:
        """The outcome of an OPTIONS. Only a device that ever answered one is dropped for silence."""
        name = (number, key)
        binding = next((b for b in self.of(number) if b.key == key), None)
        if binding is None:
            return
        if answered:
            self._missed[name] = 0
        elif name in self._missed:
            self._missed[name] += 1
            if self._missed[name] >= MISSES:
                self._missed.pop(name)
                self._next_probe.pop(name, None)
                self.registrar.drop(binding)
                self.save(number)
                log.warning("device-unreachable", number=number, device=binding.contact)


def options(house: House, binding: Binding) -> Request:
    """OPTIONS for a device (RFC 3261 11), sent outside any dialog."""
    headers = Headers()
    headers.add("From", f"<sip:{house.domain}>;tag={token(6)}")
    headers.add("To", f"<{binding.contact}>")
    headers.add("Call-ID", token(12))
    headers.add("CSeq", "1 OPTIONS")
    headers.add("Accept", "application/sdp")
    return Request("OPTIONS", Uri.parse(binding.contact), headers)
