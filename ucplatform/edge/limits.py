"""What a stranger may take from us before being cut, and the count of connections per address."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in octets, times in seconds."""

    max_message: int = 65_536
    max_headers: int = 8_192
    connections_per_address: int = 100
    #: a silent connection, or one whose message stays unfinished, is cut after this
    idle_s: float = 10.0
    connect_s: float = 4.0
    #: a peer that does not read: what is kept for it before it is cut (TCP, TLS, WebSocket)
    output_buffer: int = 262_144
    #: what the kernel keeps of UDP while the loop is busy
    receive_buffer: int = 8 * 1024 * 1024
    #: UDP flows kept at hand; forgetting one costs a look at the routing table
    udp_flows: int = 16_384


class Admission:
    """Counts the open connections of each address and says who is one too many.

    `trusted` are addresses or networks of proxies in front, who speak for many: they are not counted. IPv6
    callers are counted by /64, the least that one subscriber has.
    """

    def __init__(self, per_address: int, trusted: Iterable[str] = ()) -> None:
        self._limit = per_address
        self._trusted = [ipaddress.ip_network(item, strict=False) for item in trusted]
        self._open: dict[str, int] = {}

    def trusts(self, host: str) -> bool:
        """Whether `host` is one of the proxies in front."""
        address = _parse(host)
        return address is not None and any(
            address in network for network in self._trusted if network.version == address.version
        )

    def _key(self, host: str) -> str | None:
        """What `host` is counted under; None when it is not counted."""
        if self._trusted and self.trusts(host):
            return None
        address = _parse(host)
        if isinstance(address, ipaddress.IPv6Address):
            return str(ipaddress.ip_network((address, 64), strict=False))
        return host if address is None else str(address)

    def admit(self, host: str) -> bool:
        """Count one more connection of `host`; False, and not counted, when it has too many."""
        key = self._key(host)
        if key is None:
            return True
        if self._open.get(key, 0) >= self._limit:
            return False
        self._open[key] = self._open.get(key, 0) + 1
        return True

    def release(self, host: str) -> None:
        """A connection that was admitted has ended."""
        key = self._key(host)
        if key is None:
            return
        left = self._open.get(key, 0) - 1
        if left > 0:
            self._open[key] = left
        else:
            self._open.pop(key, None)

    def count(self, host: str) -> int:
        """Open connections that count towards the limit of `host`."""
        key = self._key(host)
        return 0 if key is None else self._open.get(key, 0)


def _parse(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """A numeric address, an IPv4 one undressed of IPv6; None for anything else."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
