"""The registrar (RFC 3261 section 10.3): which devices an extension has, and the flows that lead to each.

With Path (RFC 3327), several flows for one device (outbound, RFC 5626) and GRUUs (RFC 5627).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Any, NamedTuple

from ucplatform.pbx.gruu import Gruu, Gruus, mark, same_instance
from ucplatform.pbx.ports import Account, flow_from_json, flow_to_json, is_browser
from ucplatform.pbx.reach import path_of, reach
from ucplatform.sip.errors import ParseError
from ucplatform.sip.flow import Flow
from ucplatform.sip.grammar import quote
from ucplatform.sip.headers import NameAddr
from ucplatform.sip.message import Request, Response, make_response
from ucplatform.sip.tokens import token
from ucplatform.sip.uri import Uri
from ucplatform.sip.values import format_date

DEFAULT_EXPIRES = 3600
MAX_EXPIRES = 7200
MIN_EXPIRES = 30
MAX_BINDINGS = 12

#: Option tags of REGISTER that a device may require.
SUPPORTED = frozenset({"path", "outbound", "gruu"})
#: Seconds within which a device with outbound is to send a keep-alive (RFC 5626 4.4): a NAT keeps a
#: connection far longer than the mapping of datagrams.
FLOW_TIMER, FLOW_TIMER_UDP = 120, 30
MAX_REG_ID = 2**31 - 1


class Binding(NamedTuple):
    """One device of an extension, or one of several flows to it. Times are Unix seconds; `session` names the
    web session of a page's credential, `path` holds Route values in sending order, `reg_id` numbers the flows
    of a device with outbound (0: without), `noticed` are the words of pbx.reach. `edge` names the edge where
    it registered when that is another one."""

    number: str
    contact: str
    flow: Flow
    instance: str
    call_id: str
    cseq: int
    expires_at: float
    user_agent: str = ""
    session: str = ""
    behind_nat: bool = False
    lost_at: float | None = None
    path: tuple[str, ...] = ()
    reg_id: int = 0
    noticed: tuple[str, ...] = ()
    registered_at: float = 0.0
    edge: str = ""

    @property
    def key(self) -> str:
        """A device that names itself replaces its own former binding (RFC 5626 6: of the same flow)."""
        return f"{self.instance};{self.reg_id}" if self.reg_id else self.instance or self.contact

    @property
    def browser(self) -> bool:
        return is_browser(self.flow)

    def to_json(self) -> dict[str, Any]:
        value = self._asdict()
        value["flow"] = flow_to_json(self.flow)
        del value["edge"]  # whoever stores it holds it
        return value

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Binding:
        lists = {name: tuple(value.get(name, ())) for name in ("path", "noticed")}
        return cls(**{**value, **lists, "flow": flow_from_json(value["flow"])})


def by_device(bindings: Iterable[Binding]) -> list[tuple[Binding, ...]]:
    """The flows to each device, the one to try first in front; the others follow it one by one where it fails
    (RFC 5626 section 5.3). A flow that is open comes before one that is lost, a newer before an older."""
    devices: dict[str, list[Binding]] = {}
    for binding in bindings:
        devices.setdefault(binding.instance if binding.reg_id else binding.key, []).append(binding)
    for flows in devices.values():
        if len(flows) > 1:
            flows.reverse()
            flows.sort(key=lambda binding: binding.lost_at is not None)
    return [tuple(flows) for flows in devices.values()]


class Registrar:
    """Bindings by number, in memory; what changed is returned so that the edge can store it."""

    def __init__(self, gruus: Gruus | None = None) -> None:
        """Without `gruus` no GRUU is given or known."""
        self._gruus = gruus
        self._bindings: dict[str, dict[str, Binding]] = {}
        self._by_flow: dict[str, set[str]] = {}
        #: when to look at a number again, for every number that has bindings; and the same as a heap, which
        #: may hold outdated entries besides
        self._due: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        self._date = (0, "")

    def load(self, bindings: Iterable[Binding], now: float) -> None:
        """Take over what an earlier life of the edge stored. Flows of streams and WebSockets are gone by
        then."""
        for binding in bindings:
            if binding.expires_at > now:
                if binding.flow.reliable and binding.lost_at is None:
                    binding = binding._replace(lost_at=now)
                known = self._bindings.get(binding.number, {})
                other = known.get(binding.key)
                if other is None or other.registered_at <= binding.registered_at:
                    self._keep(binding.number, {**known, binding.key: binding})

    def devices(self, number: str, now: float) -> tuple[Binding, ...]:
        """The live bindings of `number`, oldest first."""
        return tuple(b for b in self._bindings.get(number, {}).values() if b.expires_at > now)

    def known(self, number: str, key: str, now: float) -> Binding | None:
        """The live binding of that key."""
        binding = self._bindings.get(number, {}).get(key)
        return binding if binding is not None and binding.expires_at > now else None

    def held(self, number: str, now: float, edge: str = "") -> tuple[Binding, ...]:
        """Those that registered with us, or with `edge`."""
        return tuple(binding for binding in self.devices(number, now) if binding.edge == edge)

    def merge(self, number: str, edge: str, bindings: Iterable[Binding]) -> list[Binding]:
        """All that `edge` has for `number`, as it says. A device that is known from elsewhere belongs to the
        edge where it registered last. Returns the bindings of ours that have gone there."""
        before = self._bindings.get(number, {})
        kept = {key: binding for key, binding in before.items() if binding.edge != edge}
        moved = []
        for binding in bindings:
            known = kept.get(binding.key)
            if known is not None and known.registered_at > binding.registered_at:
                continue
            kept[binding.key] = binding
            if known is not None and not known.edge:
                moved.append(known)
        self._keep(number, kept)
        return moved

    def numbers_of(self, edge: str) -> list[str]:
        """The extensions that have a device at `edge`."""
        return [n for n, found in self._bindings.items() if any(b.edge == edge for b in found.values())]

    def count(self) -> int:
        """The devices that registered with us."""
        return sum(not binding.edge for bindings in self._bindings.values() for binding in bindings.values())

    def everything(self) -> list[Binding]:
        return [binding for bindings in self._bindings.values() for binding in bindings.values()]

    def gruu(self, uri: Uri) -> Gruu | None:
        """What a dialled URI says when it is a GRUU, else None."""
        return self._gruus.read(uri) if self._gruus is not None and uri.params else None

    def named(self, gruu: Gruu, now: float) -> tuple[Binding, ...]:
        """The live bindings of the one device that `gruu` leads to (RFC 5627 section 5.1)."""
        mine = self.devices(gruu.number, now)
        if gruu.mark:
            return tuple(b for b in mine if b.instance and mark(b.instance, b.call_id) == gruu.mark)
        return tuple(b for b in mine if b.instance and same_instance(b.instance, gruu.instance))

    # -- REGISTER ----------------------------------------------------------------------------------

    def register(
        self, request: Request, account: Account, flow: Flow, now: float, *, session: str = ""
    ) -> tuple[Response, list[Binding]]:
        """Answer an authenticated REGISTER. Returns the response and the bindings that came or were
        refreshed.

        Raises ParseError with the status to answer: 400, 403, 423, 439 (RFC 5626 11.6), 500 (order, RFC 3261
        10.3 step 7).
        """
        mine = dict(self._bindings.get(account.number, {}))
        if request.contact_star:
            if request.expires != 0 or request.contacts:
                raise ParseError("Contact * needs Expires 0 and no other Contact", status=400)
            for binding in mine.values():
                _in_order(binding, request)
            mine = {}
        if len(request.contacts) > 2 * MAX_BINDINGS:  # each is held against each: as many new as old ones
            raise ParseError("Too many devices for one extension", status=403)
        supported = request.supported
        path = path_of(request)
        fresh = []
        for contact in request.contacts:
            reg_id = _reg_id(contact, request, supported, path, flow)
            binding = _bind(contact, request, account.number, flow, path, reg_id, now, session)
            _take_over(mine, binding, contact.uri, request)
            if binding.expires_at > now:
                mine[binding.key] = binding
                fresh.append(binding)
        if len(mine) > MAX_BINDINGS:
            raise ParseError("Too many devices for one extension", status=403)
        self._keep(account.number, mine)
        return self._answer(request, mine, supported, now, any(b.reg_id for b in fresh)), fresh

    def _answer(
        self, request: Request, mine: dict[str, Binding], supported: list[str], now: float, outbound: bool
    ) -> Response:
        headers = [("Date", self._now(now)), ("Supported", "path, outbound, gruu")]
        gruus = self._gruus if "gruu" in supported else None
        for binding in mine.values():
            if binding.expires_at > now:
                headers.append(("Contact", _contact(binding, gruus, now)))
        if "path" in supported:
            headers += [("Path", line) for line in request.headers.all("Path")]
        if outbound:
            seconds = FLOW_TIMER if request.via.transport != "UDP" else FLOW_TIMER_UDP
            headers += [("Require", "outbound"), ("Flow-Timer", str(seconds))]
        return make_response(request, 200, to_tag=token(8), headers=headers)

    def _now(self, now: float) -> str:
        """Date (RFC 3261 10.3 step 8), from which telephones set their clock; made once a second."""
        if self._date[0] != int(now):
            self._date = (int(now), format_date(now))
        return self._date[1]

    # -- the tables --------------------------------------------------------------------------------

    def _keep(self, number: str, bindings: dict[str, Binding]) -> None:
        """Everything that changes a number's bindings ends here: the index by connection follows, and the
        time at which to look again."""
        before = {b.flow.id for b in self._bindings.get(number, {}).values() if b.flow.reliable}
        after = {b.flow.id for b in bindings.values() if b.flow.reliable}
        if before != after:
            self._index(number, before, after)
        if bindings:
            self._bindings[number] = bindings
            self._look_at(number, min(b.expires_at for b in bindings.values()))
        else:
            self._bindings.pop(number, None)
            self._due.pop(number, None)

    def _index(self, number: str, before: set[str], after: set[str]) -> None:
        for flow_id in after - before:
            self._by_flow.setdefault(flow_id, set()).add(number)
        for flow_id in before - after:
            numbers = self._by_flow[flow_id]
            numbers.discard(number)
            if not numbers:
                del self._by_flow[flow_id]

    def _look_at(self, number: str, due: float) -> None:
        """A refresh moves the end away, which the next look finds out: so the heap does not grow with it."""
        known = self._due.get(number)
        if known is None or due < known:
            self._due[number] = due
            heapq.heappush(self._heap, (due, number))
            if len(self._heap) > 2 * len(self._due) + 64:  # devices that come and go leave old entries
                self._heap = [(at, name) for name, at in self._due.items()]
                heapq.heapify(self._heap)

    def flow_lost(self, flow_id: str, now: float) -> list[Binding]:
        """Mark the devices of a lost flow; they are waited for, then dropped by `sweep`."""
        lost = []
        for number in self._by_flow.get(flow_id, ()):
            bindings = self._bindings[number]
            for key, binding in bindings.items():
                if binding.flow.id == flow_id and binding.lost_at is None:
                    bindings[key] = binding._replace(lost_at=now)
                    lost.append(bindings[key])
            self._look_at(number, now)
        return lost

    def sweep(self, now: float, reconnect_seconds: float) -> set[str]:
        """Drop what expired, and browsers that did not come back. Returns the numbers of which one of ours
        went. Costs nothing for those of whom nothing is due."""
        changed = set()
        while self._heap and self._heap[0][0] < now:
            due, number = heapq.heappop(self._heap)
            if self._due.get(number) != due:
                continue
            del self._due[number]
            bindings = self._bindings[number]
            ends = {key: _end(binding, reconnect_seconds) for key, binding in bindings.items()}
            left = {key: binding for key, binding in bindings.items() if ends[key] >= now}
            if len(left) != len(bindings):
                if any(not binding.edge for key, binding in bindings.items() if key not in left):
                    changed.add(number)
                self._keep(number, left)
            if left:
                self._look_at(number, min(ends[key] for key in left))
        return changed

    def drop(self, binding: Binding) -> None:
        known = self._bindings.get(binding.number, {})
        self._keep(binding.number, {key: kept for key, kept in known.items() if key != binding.key})


def _bind(
    contact: NameAddr,
    request: Request,
    number: str,
    flow: Flow,
    path: tuple[str, ...],
    reg_id: int,
    now: float,
    session: str,
) -> Binding:
    """The binding that this Contact asks for; one that ends now asks to be removed."""
    where = reach(contact, request, flow, path)
    return Binding(
        number=number,
        contact=str(contact.uri),
        flow=where.flow,
        instance=contact.param("+sip.instance") or "",
        call_id=request.call_id,
        cseq=request.cseq.number,
        expires_at=now + _expires(contact, request),
        user_agent=request.headers.get("User-Agent") or "",
        session=session,
        behind_nat=where.behind_nat,
        path=path,
        reg_id=reg_id,
        noticed=where.noticed,
        registered_at=now,
    )


def _reg_id(
    contact: NameAddr, request: Request, supported: list[str], path: tuple[str, ...], flow: Flow
) -> int:
    """The number of the flow where outbound is asked for, 0 where it is not (RFC 5626 section 6).

    It needs a first hop that keeps the flow: us, or a proxy whose Path says so. 439 where that one does not.
    """
    text = contact.param("reg-id")
    if text is None or "outbound" not in supported or not contact.param("+sip.instance"):
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < 11 and 0 < int(text) <= MAX_REG_ID):
        raise ParseError("malformed reg-id")
    if path:
        if not NameAddr.parse(path[-1]).uri.has_param("ob"):
            raise ParseError("First Hop Lacks Outbound Support", status=439)
    elif flow.source is not None:
        return 0  # a proxy of the house: it passes on, and keeps no flow for the device
    elif len(request.vias) > 1:
        raise ParseError("First Hop Lacks Outbound Support", status=439)
    return int(text)


def _take_over(mine: dict[str, Binding], binding: Binding, uri: Uri, request: Request) -> None:
    """Remove from `mine` what this binding stands for from now on; ParseError(500) when it is older."""
    former = mine.get(binding.key)
    if former is None and not binding.reg_id:
        former = next((b for b in mine.values() if b.contact == binding.contact), None) or next(
            (b for b in mine.values() if not b.instance and Uri.parse(b.contact).equals(uri)), None
        )
    if former is not None:
        _in_order(former, request)
        del mine[former.key]
    if binding.instance:
        # A device that has begun to use outbound, or has ceased to, is still one device.
        stale = [
            key
            for key, b in mine.items()
            if b.instance == binding.instance and bool(b.reg_id) != bool(binding.reg_id)
        ]
        for key in stale:
            del mine[key]


def _in_order(former: Binding, request: Request) -> None:
    if former.call_id == request.call_id and request.cseq.number <= former.cseq:
        raise ParseError("CSeq out of order", status=500)


def _expires(contact: NameAddr, request: Request) -> int:
    text = contact.param("expires")
    if text is None:
        seconds = request.expires if request.expires is not None else DEFAULT_EXPIRES
    elif text.isascii() and text.isdigit() and len(text) < 11:
        seconds = int(text)
    else:
        seconds = DEFAULT_EXPIRES
    if 0 < seconds < MIN_EXPIRES:
        raise ParseError("Interval Too Brief", status=423)
    return min(seconds, MAX_EXPIRES)


def _end(binding: Binding, reconnect_seconds: float) -> float:
    if binding.lost_at is not None and binding.browser:
        return min(binding.expires_at, binding.lost_at + reconnect_seconds)
    return binding.expires_at


def _contact(binding: Binding, gruus: Gruus | None, now: float) -> str:
    """A Contact of the 200 (RFC 3261 10.3 step 8; RFC 5627 section 3.3)."""
    text = f"<{binding.contact}>;expires={max(1, round(binding.expires_at - now))}"
    instance = binding.instance
    if instance:
        text += f";+sip.instance={quote(instance)}"
        if binding.reg_id:
            text += f";reg-id={binding.reg_id}"
        if gruus is not None:
            number = binding.number
            temporary = gruus.temporary(number, instance, binding.call_id)
            text += f';pub-gruu="{gruus.public(number, instance)}";temp-gruu="{temporary}"'
    return text
