"""What a stranger may take from us before being cut: sizes, times, connections, requests without
credentials."""

import ipaddress
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache


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
    #: what the kernel keeps of UDP while the loop is busy: a burst, but no more than is served before its
    #: senders send again (the kernel counts twice this, and 2 KiB or more a datagram)
    receive_buffer: int = 4 * 1024 * 1024
    #: UDP flows kept at hand; forgetting one costs a look at the routing table
    udp_flows: int = 16_384
    #: what an address may ask for without being known: so much at once, so much a second from then on. A good
    #: sign-in gives back what it and its challenge took: an office of any size passes behind one address
    strangers_burst: float = 3000.0
    strangers_rate: float = 200.0
    #: addresses whose requests are counted; the one not heard of for the longest time is forgotten
    strangers_kept: int = 16_384


class Admission:
    """Counts the open connections of each address and says who is one too many.

    `trusted` are addresses or networks of proxies in front, who speak for many: they are not counted.
    """

    def __init__(self, per_address: int, trusted: Iterable[str] = ()) -> None:
        self._limit = per_address
        self._trusted = [ipaddress.ip_network(item, strict=False) for item in trusted]
        self._open: dict[str, int] = {}

    def trusts(self, host: str) -> bool:
        """Whether `host` is one of the proxies in front."""
        if not self._trusted:
            return False
        address = _parse(host)
        return address is not None and any(
            address in network for network in self._trusted if network.version == address.version
        )

    def _key(self, host: str) -> str | None:
        """What `host` is counted under; None when it is not counted."""
        return None if self._trusted and self.trusts(host) else subscriber(host)

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


class Strangers:
    """Requests of those who are not known, by address: a bucket of tokens each.

    Datagrams and connections have buckets of their own (`reliable`): anybody can write an address into a
    datagram, and must not be able to shut out those who came by a connection. `now` is monotonic seconds.
    """

    def __init__(self, limits: Limits) -> None:
        self._burst = limits.strangers_burst
        self._rate = limits.strangers_rate
        self._kept = limits.strangers_kept
        #: tokens left and when that was counted; full buckets need not be there
        self._buckets: OrderedDict[tuple[str, bool], tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, host: str, reliable: bool, now: float) -> bool:
        """Count one request; False, and not counted, when `host` has had its share."""
        left = self._left(host, reliable, now)
        if left < 1.0:
            return False
        self._keep(host, reliable, left - 1.0, now)
        return True

    def give_back(self, host: str, reliable: bool) -> None:
        """What a request and the one before it took was well spent: their sender signed in."""
        found = self._buckets.get((host, reliable))
        if found is not None:
            self._buckets[host, reliable] = (min(found[0] + 2.0, self._burst), found[1])

    def _left(self, host: str, reliable: bool, now: float) -> float:
        found = self._buckets.get((host, reliable))
        if found is None:
            return self._burst
        return min(self._burst, found[0] + (now - found[1]) * self._rate)

    def _keep(self, host: str, reliable: bool, left: float, now: float) -> None:
        self._buckets[host, reliable] = (left, now)
        self._buckets.move_to_end((host, reliable))
        if len(self._buckets) > self._kept:
            self._buckets.popitem(last=False)


@lru_cache(maxsize=4096)
def subscriber(host: str) -> str:
    """What everything from `host` is counted under: itself, or the /64 of an IPv6 address, the least that one
    subscriber has."""
    address = _parse(host)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return host if address is None else str(address)


@lru_cache(maxsize=4096)
def _parse(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """A numeric address, an IPv4 one undressed of IPv6; None for anything else."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
