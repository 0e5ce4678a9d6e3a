"""The registered devices: the registrar, the storing of those that registered here, and the keep-alive of
devices behind a NAT. Those of other edges are there too (`shared.py`)."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable

from redis.exceptions import RedisError

from ucplatform.edge import log
from ucplatform.edge.probes import Name, Probes, wanted
from ucplatform.edge.store import Store
from ucplatform.pbx.gruu import Gruu, Gruus
from ucplatform.pbx.ports import Account, House
from ucplatform.pbx.registrar import Binding, Registrar
from ucplatform.sip.flow import Flow
from ucplatform.sip.headers import Headers
from ucplatform.sip.message import Request, Response
from ucplatform.sip.tokens import token
from ucplatform.sip.uri import Uri

#: followed by <number>@<edge>: each edge writes what it holds, so that no key has two writers
KEY = "uc:reg:"
#: how often is looked at what is due; short, so that little is due at once and no call waits for it
SWEEP_SECONDS = 0.2


class Devices:
    """Bindings in memory and in the store. `probe(binding, request)` sends an OPTIONS; see `probed`. GRUUs
    are sealed with `secret`."""

    def __init__(
        self,
        store: Store,
        house: Callable[[], House],
        probe: Callable[[Binding, Request], None],
        secret: bytes = b"",
    ) -> None:
        self.registrar = Registrar(Gruus(house().domain, secret))
        self._store = store
        self._house = house
        self._probe = probe
        self._probes = Probes()
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
                theirs = (b._replace(edge=edge, flow=b.flow.seen_at(edge)) for b in bindings)
                self.registrar.merge(number, edge, theirs)
        for binding in self.registrar.everything():
            self._watch(binding, now)
        self._sweeper = asyncio.get_running_loop().create_task(self._sweep(), name="registrations")

    async def stop(self) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)

    def of(self, number: str) -> tuple[Binding, ...]:
        return self.registrar.devices(number, time.time())

    def open_flow(
        self, number: str, instance: str, target: str, is_open: Callable[[Flow], bool]
    ) -> Flow | None:
        """A flow by which a device can be reached now, the newest first. It is the device of that instance,
        or of the Contact `target`, which may be a GRUU of it."""
        gruu = self.gruu(Uri.parse(target)) if target else None
        named = self.named(gruu) if gruu is not None else ()
        for binding in reversed(self.of(number)):
            same = binding.instance == instance if instance else binding.contact == target
            if (same or binding in named) and binding.lost_at is None and is_open(binding.flow):
                return binding.flow
        return None

    def gruu(self, uri: Uri) -> Gruu | None:
        """What a Request-URI says when it is a GRUU: its extension and device (RFC 5627), else None."""
        return self.registrar.gruu(uri)

    def named(self, gruu: Gruu) -> tuple[Binding, ...]:
        """The flows to the device that the GRUU leads to; none when it is not there, or the GRUU not ours."""
        return self.registrar.named(gruu, time.time())

    def register(
        self, request: Request, account: Account, flow: Flow, session: str
    ) -> tuple[Response, list[Binding]]:
        """Answer an authenticated REGISTER and store the outcome. Raises sip.ParseError as the registrar
        does."""
        before = self.of(account.number)
        response, fresh = self.registrar.register(request, account, flow, time.time(), session=session)
        self.save(account.number)
        for binding in before:
            if binding.edge and not any(b.key == binding.key for b in self.of(account.number)):
                self.on_drop(binding)
        for binding in fresh:
            self._watch(binding, binding.registered_at)
            if any(b.flow.id == binding.flow.id and b.key == binding.key for b in before):
                continue  # a line for each refresh would drown all others
            log.info(
                "registered",
                number=binding.number,
                device=binding.contact,
                flow=flow.id,
                user_agent=binding.user_agent,
                noticed=",".join(binding.noticed) or None,
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
        if edge:
            bindings = tuple(binding._replace(flow=binding.flow.as_own()) for binding in bindings)
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
            for name in self._probes.due(now):
                self._ask(name, now)

    def _watch(self, binding: Binding, now: float) -> None:
        if wanted(binding):
            self._probes.watch((binding.number, binding.key), now)

    def _ask(self, name: Name, now: float) -> None:
        """An OPTIONS holds the NAT's hole open, and tells whether the device is there."""
        binding = self.registrar.known(*name, now)
        if binding is None or not wanted(binding):
            self._probes.forget(name)
            return
        self._probe(binding, options(self._house(), binding))
        self._probes.asked(name, now)

    def probed(self, number: str, key: str, answered: bool) -> None:
        """The outcome of an OPTIONS."""
        binding = self.registrar.known(number, key, time.time())
        if binding is None:
            return
        if answered:
            self._probes.answered((number, key))
        elif self._probes.silent((number, key)):
            self.registrar.drop(binding)
            self.save(number)
            log.warning("device-unreachable", number=number, device=binding.contact)


def options(house: House, binding: Binding) -> Request:
    """OPTIONS for a device (RFC 3261 11), sent outside any dialog."""
    headers = Headers([("Route", hop) for hop in binding.path])
    headers.add("From", f"<sip:{house.domain}>;tag={token(6)}")
    headers.add("To", f"<{binding.contact}>")
    headers.add("Call-ID", token(12))
    headers.add("CSeq", "1 OPTIONS")
    headers.add("Accept", "application/sdp")
    return Request("OPTIONS", Uri.parse(binding.contact), headers)
