"""Where a URI leads (RFC 3263): which questions to ask of DNS, and what their answers mean. No I/O.

`locate` is a generator: it yields questions that may be asked at once, is sent their answers in the same
order, and returns the targets, best first. The caller tries them in turn (section 4.3).
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Callable, Generator, Iterable
from typing import Any, NamedTuple

from ucplatform.sip.flow import Address
from ucplatform.sip.uri import Uri

#: What one URI may cost: services of NAPTR that are looked into, servers of SRV, targets that are returned.
MAX_SERVICES, MAX_SERVERS, MAX_TARGETS = 4, 8, 8
#: Records of one answer that are looked at.
MAX_RECORDS = 32

TRANSPORTS = ("udp", "tcp", "tls")
FAMILIES = ("AAAA", "A")

_PORTS = {"udp": 5060, "tcp": 5060, "tls": 5061}
_SERVICES = {"SIP+D2U": "udp", "SIP+D2T": "tcp", "SIPS+D2T": "tls"}
_PREFIXES = {"udp": "_sip._udp.", "tcp": "_sip._tcp.", "tls": "_sips._tcp."}


class Target(NamedTuple):
    """One server to try. `name` is the domain that its certificate has to show (RFC 5922 section 7.2)."""

    transport: str
    address: Address
    name: str


class Question(NamedTuple):
    """`kind` is NAPTR, SRV, A or AAAA; the answers are Naptr, Srv, or addresses as text."""

    name: str
    kind: str


class Naptr(NamedTuple):
    """RFC 3403 section 4.1; the replacement without its last dot."""

    order: int
    preference: int
    flags: str
    service: str
    regexp: str
    replacement: str


class Srv(NamedTuple):
    """RFC 2782; the target without its last dot, "" where the service is decidedly not there."""

    priority: int
    weight: int
    port: int
    target: str


Questions = tuple[Question, ...]
Answers = list[tuple[Any, ...]]
"""For each question its records; none for a name without them, or that could not be asked."""

Search = Generator[Questions, Answers, list[Target]]


def numeric(uri: Uri, transport: str | None = None) -> Target | None:
    """The target of a URI that needs no DNS; None for a name, or where no way of ours leads."""
    chosen = _transport(uri, transport)
    host = _host(uri)
    if chosen is None or not _is_address(host):
        return None
    return Target(chosen, (host, uri.port or _PORTS[chosen]), host)


def locate(
    uri: Uri,
    transport: str | None = None,
    *,
    transports: Iterable[str] = TRANSPORTS,
    families: tuple[str, ...] = FAMILIES,
    pick: Callable[[int], int] = secrets.randbelow,
) -> Search:
    """The targets of `uri`, best first, at most MAX_TARGETS; none when there is no way.

    `transport`, where given, stands for the URI's own. `transports` are ours in our order of preference,
    `families` the kinds of address that we can reach. `pick(n)` gives a number from 0 to below n by chance.
    """
    ours = tuple(transports)
    chosen, host = _transport(uri, transport), _host(uri)
    if chosen is None or chosen not in ours:
        return []
    found = numeric(uri, transport)
    if found is not None:
        return [found]
    named = bool(transport or uri.has_param("transport"))
    if uri.port is not None:  # 4.2: an explicit port asks for no SRV
        servers = [(chosen, Srv(0, 0, uri.port, host))]
    else:
        if named:
            services = [(chosen, _PREFIXES[chosen] + host)]
        else:
            services = yield from _services(host, ours, secure=uri.scheme == "sips")
        servers = yield from _servers(services, pick)
        if not servers:
            servers = [(chosen, Srv(0, 0, _PORTS[chosen], host))]
    return (yield from _targets(servers, families, host))


def _transport(uri: Uri, wished: str | None) -> str | None:
    """The transport to use unless DNS knows better (4.1); None where only the peer can open a way."""
    named = (wished or uri.param("transport") or "").lower()
    if uri.scheme == "sips":
        return "tls" if named in ("", "tcp", "tls") else None
    if uri.scheme != "sip":
        return None
    return named if named in TRANSPORTS else None if named else "udp"


def _host(uri: Uri) -> str:
    host = (uri.param("maddr") or uri.host).strip("[]").rstrip(".").lower()
    return str(ipaddress.ip_address(host)) if _is_address(host) else host


def _services(
    host: str, ours: tuple[str, ...], secure: bool
) -> Generator[Questions, Answers, list[tuple[str, str]]]:
    """(transport, name to ask SRV of), best first: by NAPTR, or without any by what we speak (4.1)."""
    usable = [transport for transport in ours if not secure or transport == "tls"]
    (records,) = yield (Question(host, "NAPTR"),)
    chosen = []
    for record in sorted(records)[:MAX_RECORDS]:
        transport = _SERVICES.get(record.service.upper())
        plain = record.flags.lower() == "s" and not record.regexp and record.replacement
        if transport in usable and plain:
            chosen.append((transport, record.replacement))
    return chosen[:MAX_SERVICES] or [(transport, _PREFIXES[transport] + host) for transport in usable]


def _servers(
    services: list[tuple[str, str]], pick: Callable[[int], int]
) -> Generator[Questions, Answers, list[tuple[str, Srv]]]:
    """The servers of all services in the order to be tried. One without target says that there is none."""
    answers = yield tuple(Question(name, "SRV") for _, name in services)
    servers = []
    for (transport, _), records in zip(services, answers, strict=True):
        servers += [(transport, record) for record in by_weight(records, pick)]
    return servers[:MAX_SERVERS]


def by_weight(records: Iterable[Srv], pick: Callable[[int], int]) -> list[Srv]:
    """RFC 2782, "Weight": lower priorities first; among equals by chance, in proportion to their weights."""
    ordered: list[Srv] = []
    # Those without weight stand in front: so they have a small chance.
    left = sorted(records, key=lambda record: (record.priority, record.weight > 0))[:MAX_RECORDS]
    while left:
        peers = [record for record in left if record.priority == left[0].priority]
        point = pick(sum(record.weight for record in peers) + 1)
        for record in peers:
            point -= record.weight
            if point <= 0:
                break
        ordered.append(record)
        left.remove(record)
    return ordered


def _targets(servers: list[tuple[str, Srv]], families: tuple[str, ...], domain: str) -> Search:
    """The addresses of the servers. Those of the first server come first: the others stand in for it."""
    names = [server.target for _, server in servers]
    asked = [
        Question(name, kind)
        for name in dict.fromkeys(names)
        if name and not _is_address(name)
        for kind in families
    ]
    answers = yield tuple(asked)
    known: dict[str, list[str]] = {}
    for question, addresses in zip(asked, answers, strict=True):
        known.setdefault(question.name, []).extend(addresses)
    targets: dict[Target, None] = {}
    for transport, server in servers:
        for address in known.get(server.target, ()):
            targets[Target(transport, (address, server.port), domain)] = None
    return list(targets)[:MAX_TARGETS]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
