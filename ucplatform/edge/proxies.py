"""Behind a proxy that is trusted (UC_SIP_TRUSTED): who sent a request is what the proxy says."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from functools import lru_cache

from ucplatform.sip.errors import ParseError
from ucplatform.sip.flow import Address, Flow
from ucplatform.sip.headers import Via
from ucplatform.sip.message import Request, Response


class Proxies:
    """`trusts(host)` says whether an address is one of the proxies in front."""

    def __init__(self, trusts: Callable[[str], bool]) -> None:
        self._trusts = lru_cache(maxsize=4096)(trusts)

    def flow(self, message: Request | Response, flow: Flow) -> Flow:
        """`flow` with the sender as its source, where a trusted proxy names one.

        A proxy writes into the Via below its own where that request came from (RFC 3261 18.2.1, RFC 3581);
        below a chain of trusted ones it is the first address that is none of them.
        """
        if not isinstance(message, Request) or flow.websocket or not self._trusts(flow.remote[0]):
            return flow
        try:
            vias = message.vias
        except ParseError:
            return flow
        source = None
        for via in vias[1:]:
            source = sent_from(via)
            if source is None or not self._trusts(source[0]):
                break
        return flow if source is None else through(flow, source)


def sent_from(via: Via) -> Address | None:
    """Where the request of this Via came from, as its receiver wrote; None for a name that was left as it
    is."""
    host = (via.received or via.host).strip("[]")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return None
    port = via.rport or ""
    return host, int(port) if port.isascii() and port.isdigit() and len(port) < 6 else via.port or 5060


@lru_cache(maxsize=16_384)
def through(flow: Flow, source: Address) -> Flow:
    """Made once for each sender: flows are compared and kept."""
    return flow.sent_by(source)
