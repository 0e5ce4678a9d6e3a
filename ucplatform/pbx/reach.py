"""Where a registering device can be reached, and what its REGISTER tells of the way: NAT, SIP ALGs, slips."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import NamedTuple

from ucplatform.sip.errors import ParseError
from ucplatform.sip.flow import Address, Flow
from ucplatform.sip.headers import NameAddr, Via
from ucplatform.sip.host import canonical, host_is, is_address
from ucplatform.sip.message import Request

#: Proxies on the way of one device (RFC 3327); each adds a Route to every request that it is sent.
MAX_PATH = 8

# What is noticed of a device; docs/operations.md explains the words to administrators.
NAT = "nat"
ALG_VIA = "alg-via"
ALG_CONTACT = "alg-contact"
ALG_PORT = "alg-port"
ALG_ALL = "alg"
TRANSPORT = "transport"

_INSIDE_NETS = "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 169.254.0.0/16 fc00::/7 fe80::/10"
_INSIDE = [ipaddress.ip_network(net) for net in _INSIDE_NETS.split()]


class Reach(NamedTuple):
    """The flow that leads to a device, whether a NAT stands before it, and what was noticed of it."""

    flow: Flow
    behind_nat: bool
    noticed: tuple[str, ...] = ()


def path_of(request: Request) -> tuple[str, ...]:
    """The Path of a REGISTER as Route values, in sending order (RFC 3327 5.3). ParseError(400) if bad."""
    if "Path" not in request.headers:
        return ()
    path = tuple(request.headers.values("Path"))
    if len(path) > MAX_PATH:
        raise ParseError("Path is too long")
    for hop in path:
        if "<" not in hop or NameAddr.parse(hop).uri.scheme not in ("sip", "sips"):
            raise ParseError("malformed Path")
    return path


def reach(contact: NameAddr, request: Request, flow: Flow, path: tuple[str, ...] = ()) -> Reach:
    """How to reach the device of `contact`.

    A device whose Contact and Via both show the address that we see is reached where its Contact says; any
    other is reached where its packets come from (the intent of RFC 3581 and RFC 5626 for devices that know
    neither). Only datagrams have that choice: a stream or WebSocket leads to its device by itself. What came
    through proxies goes back the way it came, with Path as its Route: a Path may not send us anywhere else.
    """
    if flow.websocket:
        return Reach(flow, True)
    vias = request.vias
    proxied = len(vias) > 1 or bool(path) or flow.source is not None
    seen = _seen(vias[-1], flow, proxied)
    noticed = _noticed(contact, vias[-1], seen, flow, request)
    behind_nat = bool(noticed) and noticed != (TRANSPORT,)
    if flow.reliable:
        return Reach(flow, behind_nat, noticed)
    if proxied:
        return Reach(_to_proxy(flow, path), behind_nat, noticed)
    if noticed:
        return Reach(flow, behind_nat, noticed)
    port = contact.uri.port or 5060
    return Reach(flow if port == seen[1] else flow.with_remote((seen[0], port)), False)


def _seen(via: Via, flow: Flow, proxied: bool) -> Address:
    """Where the device's own request came from, as far as anybody in the chain knows."""
    if not proxied or flow.source is not None:
        return flow.peer
    text = via.rport or ""
    port = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else via.port or 5060
    return via.received or via.host, port


def _to_proxy(flow: Flow, path: tuple[str, ...]) -> Flow:
    """Where the REGISTER came from, at the port of the first Path where that names this address."""
    if path and flow.source is None:
        first = NameAddr.parse(path[0]).uri
        if host_is(first.host, flow.remote[0]):
            return flow.with_remote((flow.remote[0], first.port or 5060))
    return flow


def _noticed(contact: NameAddr, via: Via, seen: Address, flow: Flow, request: Request) -> tuple[str, ...]:
    host = contact.uri.host
    contact_true, via_true = host_is(host, seen[0]), host_is(via.host, seen[0])
    other_transport = (TRANSPORT,) if _names_other_transport(contact, flow) else ()
    if contact_true and via_true:
        if not flow.reliable and (via.port or 5060) != seen[1]:
            return (NAT, ALG_PORT, *other_transport)
        if _rewritten_everywhere(request, seen[0]):
            return (ALG_ALL, *other_transport)
        return other_transport
    if via_true and _inside(host) and not _inside(seen[0]):
        return (NAT, ALG_VIA, *other_transport)
    if not contact_true and _inside(via.host) and is_address(host) and not _inside(host):
        return (NAT, ALG_CONTACT, *other_transport)
    # A true Contact over an untrue Via is mostly the device's own doing: it has read `received`.
    return (NAT, *other_transport)


def _names_other_transport(contact: NameAddr, flow: Flow) -> bool:
    """A Contact that says tcp, or nothing, over a flow that is neither: the flow is right (RFC 5626)."""
    uri = contact.uri
    named = (uri.param("transport") or "").lower()
    if uri.scheme == "sips":
        return flow.transport != "tls"
    return (named or "udp") != flow.transport


def _rewritten_everywhere(request: Request, seen: str) -> bool:
    """A private address in Call-ID alone: a SIP ALG has changed the others."""
    call_id = request.call_id
    inner = call_id.rpartition("@")[2] if "@" in call_id else ""
    return bool(inner) and inner != seen and _inside(inner) and not _inside(seen)


def _inside(host: str) -> bool:
    """Whether `host` is an address that means nothing outside of its network."""
    text = canonical(host)
    return text is not None and _is_inside(text)


@lru_cache(maxsize=4096)
def _is_inside(numeric: str) -> bool:
    address = ipaddress.ip_address(numeric)
    return any(address in net for net in _INSIDE if net.version == address.version)
