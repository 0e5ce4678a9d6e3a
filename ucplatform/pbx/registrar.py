"""The registrar (RFC 3261 section 10.3): which devices an extension has, and the flow that leads to each."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from ucplatform.pbx.ports import Account, flow_from_json, flow_to_json, is_browser
from ucplatform.sip.errors import ParseError
from ucplatform.sip.flow import Flow
from ucplatform.sip.headers import NameAddr
from ucplatform.sip.message import Request, Response, make_response

DEFAULT_EXPIRES = 3600
MAX_EXPIRES = 7200
MIN_EXPIRES = 30
MAX_BINDINGS = 12


@dataclass(frozen=True, slots=True)
class Binding:
    """One device of an extension. Times are Unix seconds; `session` names the web session of a page's
    credential."""

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

    @property
    def key(self) -> str:
        """A device that names itself (RFC 5626 +sip.instance) replaces its own former binding."""
        return self.instance or self.contact

    @property
    def browser(self) -> bool:
        return is_browser(self.flow)

    def to_json(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "contact": self.contact,
            "instance": self.instance,
            "call_id": self.call_id,
            "cseq": self.cseq,
            "expires_at": self.expires_at,
            "user_agent": self.user_agent,
            "session": self.session,
            "behind_nat": self.behind_nat,
            "lost_at": self.lost_at,
            "flow": flow_to_json(self.flow),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Binding:
        return cls(**{**value, "flow": flow_from_json(value["flow"])})


def _host_is(host: str, address: str) -> bool:
    if host == address:
        return True
    if ":" not in host:
        return False  # IPv4 has one spelling, IPv6 many
    try:
        return ipaddress.ip_address(host.strip("[]")) == ipaddress.ip_address(address)
    except ValueError:
        return False


def reach(contact: NameAddr, request: Request, flow: Flow) -> tuple[Flow, bool]:
    """The flow that leads to `contact`, and whether a NAT stands before it.

    A device whose Contact and Via both show the address that we see is reached where its Contact says; any
    other is reached where its packets come from (the intent of RFC 3581 and RFC 5626 for devices that know
    neither). Only datagrams have that choice: a stream or WebSocket leads to its device by itself.
    """
    if flow.transport != "udp":
        return flow, not _host_is(contact.uri.host, flow.remote[0])
    via = request.via
    seen = flow.remote
    port = contact.uri.port or 5060
    direct = (
        _host_is(contact.uri.host, seen[0]) and _host_is(via.host, seen[0]) and (via.port or 5060) == seen[1]
    )
    if not direct:
        return flow, True
    return flow.with_remote((seen[0], port)), False


class Registrar:
    """Bindings by number, in memory; what changed is returned so that the edge can store it."""

    def __init__(self) -> None:
        self._bindings: dict[str, dict[str, Binding]] = {}
        self._by_flow: dict[str, set[str]] = {}

    def load(self, bindings: Iterable[Binding], now: float) -> None:
        """Take over what an earlier life of the edge stored. Flows of streams and WebSockets are gone by
        then."""
        for binding in bindings:
            if binding.expires_at > now:
                if binding.flow.reliable and binding.lost_at is None:
                    binding = replace(binding, lost_at=now)
                known = self._bindings.get(binding.number, {})
                self._keep(binding.number, {**known, binding.key: binding})

    def devices(self, number: str, now: float) -> tuple[Binding, ...]:
        """The live bindings of `number`, oldest first."""
        return tuple(b for b in self._bindings.get(number, {}).values() if b.expires_at > now)

    def count(self) -> int:
        return sum(len(bindings) for bindings in self._bindings.values())

    def everything(self) -> list[Binding]:
        return [binding for bindings in self._bindings.values() for binding in bindings.values()]

    def register(
        self, request: Request, account: Account, flow: Flow, now: float, *, session: str = ""
    ) -> tuple[Response, list[Binding]]:
        """Answer an authenticated REGISTER. Returns the response and the bindings that came or were
        refreshed.

        Raises ParseError with the status to answer: 400, 403, 423, 500 (order, RFC 3261 10.3 step 7).
        """
        mine = dict(self._bindings.get(account.number, {}))
        fresh: list[Binding] = []
        if request.contact_star:
            if request.expires != 0 or request.contacts:
                raise ParseError("Contact * needs Expires 0 and no other Contact", status=400)
            for binding in mine.values():
                self._in_order(binding, request)
            mine = {}
        for contact in request.contacts:
            self._apply(contact, request, account, flow, now, session, mine, fresh)
        if len(mine) > MAX_BINDINGS:
            raise ParseError("Too many devices for one extension", status=403)
        self._keep(account.number, mine)
        return self._answer(request, account.number, now), fresh

    def _apply(
        self,
        contact: NameAddr,
        request: Request,
        account: Account,
        flow: Flow,
        now: float,
        session: str,
        mine: dict[str, Binding],
        fresh: list[Binding],
    ) -> None:
        seconds = self._expires(contact, request)
        where, nat = reach(contact, request, flow)
        uri = str(contact.uri)
        binding = Binding(
            number=account.number,
            contact=uri,
            flow=where,
            instance=contact.param("+sip.instance") or "",
            call_id=request.call_id,
            cseq=request.cseq.number,
            expires_at=now + seconds,
            user_agent=request.headers.get("User-Agent") or "",
            session=session,
            behind_nat=nat,
        )
        former = mine.get(binding.key) or next((b for b in mine.values() if b.contact == uri), None)
        if former is not None:
            self._in_order(former, request)
            mine.pop(former.key, None)
        if seconds > 0:
            mine[binding.key] = binding
            fresh.append(binding)

    @staticmethod
    def _in_order(former: Binding, request: Request) -> None:
        if former.call_id == request.call_id and request.cseq.number <= former.cseq:
            raise ParseError("CSeq out of order", status=500)

    @staticmethod
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

    def _answer(self, request: Request, number: str, now: float) -> Response:
        response = make_response(request, 200)
        for binding in self.devices(number, now):
            seconds = max(1, round(binding.expires_at - now))
            instance = f";+sip.instance={_quoted(binding.instance)}" if binding.instance else ""
            response.headers.add("Contact", f"<{binding.contact}>;expires={seconds}{instance}")
        return response

    def _keep(self, number: str, bindings: dict[str, Binding]) -> None:
        """Everything that changes a number's bindings ends here: the index by connection follows."""
        before = {b.flow.id for b in self._bindings.get(number, {}).values() if b.flow.reliable}
        after = {b.flow.id for b in bindings.values() if b.flow.reliable}
        for flow_id in after - before:
            self._by_flow.setdefault(flow_id, set()).add(number)
        for flow_id in before - after:
            numbers = self._by_flow[flow_id]
            numbers.discard(number)
            if not numbers:
                del self._by_flow[flow_id]
        if bindings:
            self._bindings[number] = bindings
        else:
            self._bindings.pop(number, None)

    def flow_lost(self, flow_id: str, now: float) -> list[Binding]:
        """Mark the devices of a lost flow; they are waited for, then dropped by `sweep`."""
        lost = []
        for number in self._by_flow.get(flow_id, ()):
            bindings = self._bindings[number]
            for key, binding in bindings.items():
                if binding.flow.id == flow_id and binding.lost_at is None:
                    bindings[key] = replace(binding, lost_at=now)
                    lost.append(bindings[key])
        return lost

    def sweep(self, now: float, reconnect_seconds: float) -> set[str]:
        """Drop what expired, and browsers that did not come back. Returns the numbers that changed."""
        changed = set()
        for number, bindings in list(self._bindings.items()):
            left = {
                key: binding
                for key, binding in bindings.items()
                if binding.expires_at > now
                and not (
                    binding.browser
                    and binding.lost_at is not None
                    and binding.lost_at + reconnect_seconds < now
                )
            }
            if len(left) != len(bindings):
                changed.add(number)
                self._keep(number, left)
        return changed

    def drop(self, binding: Binding) -> None:
        known = self._bindings.get(binding.number, {})
        self._keep(binding.number, {key: kept for key, kept in known.items() if key != binding.key})


def _quoted(text: str) -> str:
    return text if text.startswith('"') else f'"{text}"'
