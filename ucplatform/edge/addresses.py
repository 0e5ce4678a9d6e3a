"""Numeric addresses: reading `host:port` settings, and which of our addresses faces a peer."""

import ipaddress
import socket
import time
from collections.abc import Mapping

from ucplatform.sip.flow import Address

ROUTE_SECONDS = 30.0
ROUTES_KEPT = 4096


def parse_listen(text: str) -> list[Address]:
    """`"0.0.0.0:5060"`, `"[::]:5060"` or several joined by commas, as (host, port); '' gives an empty list.

    Raises ValueError with the offending item when host or port is not numeric.
    """
    found = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        host, colon, port = item.rpartition(":")
        try:
            address = ipaddress.ip_address(host.strip("[]"))
            number = int(port)
            if not colon or not 0 <= number <= 65535:
                raise ValueError
        except ValueError:
            raise ValueError(f"not an address with a port: {item!r}") from None
        found.append((str(address), number))
    return found


def family(host: str) -> socket.AddressFamily:
    """AF_INET6 for an IPv6 address, AF_INET otherwise."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def numeric(remote: Address) -> Address:
    """`remote` with brackets off; ValueError unless its host is a numeric address (names are never looked
    up here).
    """
    host = remote[0].strip("[]")
    ipaddress.ip_address(host.partition("%")[0])
    return host, remote[1]


def unmapped(address: tuple) -> Address:
    """A socket's address as (host, port), an IPv4 address in IPv6 clothes undressed. A link-local one names
    its interface behind a `%`, without which nothing could be sent back (RFC 4007 section 11)."""
    host = address[0]
    if host.startswith("::ffff:") and "." in host:
        host = host[7:]
    elif len(address) > 3 and address[3] and "%" not in host:
        host = f"{host}%{socket.if_indextoname(address[3])}"
    return host, address[1]


def sockaddr(address: Address) -> tuple:
    """`address` as a socket takes it: the interface of a link-local one by its number."""
    host, zone, interface = address[0].partition("%")
    return (host, address[1], 0, socket.if_nametoindex(interface)) if zone else address


class Routes:
    """Our own address as each peer sees it, asked of the kernel's routing table and remembered for 30 s.

    `advertised` names what stands before a local address: behind a NAT peers must answer to that one.
    """

    def __init__(self, advertised: Mapping[str, str] | None = None) -> None:
        self._known: dict[str, tuple[float, str]] = {}
        self._advertised = dict(advertised or {})

    def face(self, host: str) -> str:
        """What peers see of our address `host`."""
        return self._advertised.get(host, host)

    def local(self, host: str) -> str:
        """What `host` sees as the source of our packets; OSError when no route leads there."""
        now = time.monotonic()
        known = self._known.get(host)
        if known is not None and known[0] > now:
            return known[1]
        with socket.socket(family(host), socket.SOCK_DGRAM) as probe:
            probe.connect(sockaddr((host, 9)))  # connecting a UDP socket sends nothing
            local = self.face(probe.getsockname()[0])
        if len(self._known) >= ROUTES_KEPT:
            self._known.clear()
        self._known[host] = (now + ROUTE_SECONDS, local)
        return local
