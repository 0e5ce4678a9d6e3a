"""The topmost Via: what a server adds to a request, and the way its response goes back (RFC 3261 18.2)."""

from ucplatform.sip.flow import Flow, hostport
from ucplatform.sip.headers import Via
from ucplatform.sip.host import host_is, is_address
from ucplatform.sip.message import Request

DEFAULT_PORT = 5060
_EXTRA = {"udp": ";rport", "tcp": "", "tls": ";alias"}


def own_via(flow: Flow, branch: str, edge_id: str) -> str:
    """The Via of a request that we send over `flow`.

    On WebSocket nobody can connect back by an address, so the name is one that does not resolve (RFC 7118);
    on UDP we ask for the response at the source port (RFC 3581), and over TLS offer the connection for
    requests that come back (RFC 5923 section 5).
    """
    if flow.websocket:
        return f"SIP/2.0/{flow.transport.upper()} edge-{edge_id}.invalid;branch={branch}"
    return f"SIP/2.0/{flow.transport.upper()} {hostport(flow.local)};branch={branch}{_EXTRA[flow.transport]}"


def stamped(request: Request, via: Via, flow: Flow) -> Via:
    """Write `received` and `rport` into the topmost Via as RFC 3261 18.2.1 and RFC 3581 section 4 ask.

    A `received` that the peer wrote itself is replaced: only we know where it came from.
    """
    host, port = flow.remote
    if via.rport is None and via.received is None and host_is(via.host, host):
        return via
    params = [pair for pair in via.params if pair[0].lower() not in ("received", "rport")]
    params.append(("received", host.strip("[]").partition("%")[0]))
    if via.rport is not None:
        params.append(("rport", str(port)))
    stamp = Via(via.transport, via.host, via.port, tuple(params))
    headers = request.headers
    below = request.vias[1:]
    values = headers.values("Via")
    values[0] = str(stamp)
    headers.set("Via", ", ".join(values))
    headers.remember("via", (stamp, *below))
    return stamp


def way_back(via: Via, flow: Flow) -> Flow:
    """The flow that a response to a request with this topmost Via takes.

    A connection takes it back (18.2.2). On UDP with rport it is the source; without, the port of sent-by at
    the source's address, but an address in sent-by other than the source means translation on the way, where
    that port would say nothing. `maddr` is not obeyed: it would let a stranger choose whom we send to.
    """
    if flow.reliable or via.rport is not None:
        return flow
    host, port = flow.remote
    if is_address(via.host) and not host_is(via.host, host):
        return flow
    wanted = via.port or DEFAULT_PORT
    return flow if wanted == port else flow.with_remote((host, wanted))
