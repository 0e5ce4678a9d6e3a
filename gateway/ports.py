"""Media ports: taken from `UC_RTP_PORTS`, bound at once, and free again the moment a leg lets go.

A freed port goes to the end of the queue, so that late packets of the last call do not reach the next one.
"""

import errno
import socket
from collections import OrderedDict
from collections.abc import Sequence

from gateway.errors import GatewayError, PortsExhausted

RECEIVE_BUFFER = 256 * 1024


class Lease:
    """Ports bound for one leg. `sockets` are non-blocking, in the order of the addresses (or RTP, RTCP)."""

    def __init__(self, pool: "PortPool", ports: Sequence[int], sockets: Sequence[socket.socket]) -> None:
        self._pool = pool
        self._ports = list(ports)
        self.sockets = list(sockets)

    @property
    def port(self) -> int:
        return self._ports[0]

    def release_rtcp(self) -> None:
        """Give back the odd port, after rtcp-mux was agreed (RFC 5761). Its socket must be closed already."""
        if len(self._ports) == 2:
            self.sockets.pop().close()
            self._pool.give_back([self._ports.pop()])

    def release(self) -> None:
        """Close what is still open and give the ports back; a second call does nothing."""
        for sock in self.sockets:
            sock.close()
        self.sockets.clear()
        self._pool.give_back(self._ports)
        self._ports.clear()


class PortPool:
    """Ports `first` to `last`: even/odd pairs for RTP with RTCP, single ones for everything multiplexed. What
    leaves by them is marked with `dscp` (RFC 2474)."""

    def __init__(self, first: int, last: int, dscp: int = 0) -> None:
        self._dscp = dscp
        self.total = last - first + 1
        self._pairs: OrderedDict[int, None] = OrderedDict()
        self._singles: OrderedDict[int, None] = OrderedDict()
        self.give_back(range(first, last + 1))

    @property
    def free(self) -> int:
        return 2 * len(self._pairs) + len(self._singles)

    def give_back(self, ports: Sequence[int]) -> None:
        for port in ports:
            if self._singles.pop(port ^ 1, self) is None:
                self._pairs[port & ~1] = None
            else:
                self._singles[port] = None

    def bind_pair(self, address: str) -> Lease:
        """An even port for RTP and the next odd one for RTCP (RFC 3550 section 11)."""
        for _ in range(len(self._pairs)):
            even, _none = self._pairs.popitem(last=False)
            lease = self._bound([even, even + 1], [(address, even), (address, even + 1)])
            if lease is not None:
                return lease
        raise PortsExhausted

    def bind_single(self, addresses: Sequence[str]) -> Lease:
        """One port number, bound on each of the addresses."""
        for _ in range(self.free):
            port = self._take_single()
            lease = self._bound([port], [(address, port) for address in addresses])
            if lease is not None:
                return lease
        raise PortsExhausted

    def _bound(self, ports: list[int], places: Sequence[tuple[str, int]]) -> Lease | None:
        """None, and the ports back at the end of the queue, when another program holds one of them."""
        sockets: list[socket.socket] | None = None
        try:
            sockets = _bind(places, self._dscp)
        finally:
            if sockets is None:
                self.give_back(ports)
        return Lease(self, ports, sockets) if sockets is not None else None

    def _take_single(self) -> int:
        if self._singles:
            return self._singles.popitem(last=False)[0]
        even, _none = self._pairs.popitem(last=False)
        self._singles[even + 1] = None
        return even


def _bind(places: Sequence[tuple[str, int]], dscp: int) -> list[socket.socket] | None:
    """None when another program holds one of the ports."""
    sockets: list[socket.socket] = []
    try:
        for address, port in places:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            sockets.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            _mark(sock, dscp)
            sock.bind((address, port))
    except OSError as error:
        for sock in sockets:
            sock.close()
        if error.errno == errno.EADDRINUSE:
            return None
        raise GatewayError(f"cannot bind media address {address}: {error.strerror}") from error
    return sockets


def _mark(sock: socket.socket, dscp: int) -> None:
    """The six upper bits of the traffic class; the lower two are ECN's."""
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, dscp << 2)
    else:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, dscp << 2)
