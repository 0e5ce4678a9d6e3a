"""Who may open the SIP WebSocket, and who they are: Origin, Host and the headers our front door writes."""

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from ucplatform.sip.flow import Address

Headers = dict[bytes, bytes]
#: an address of the server's scope; None on a unix socket
Client = tuple[str, int] | None

DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


def canonical(origin: str) -> tuple[str, str, int] | None:
    """(scheme, host, port) of an origin such as https://phone.example:8443; None when it is not one."""
    try:
        parts = urlsplit(origin.strip())
        port = parts.port or DEFAULT_PORTS[parts.scheme]
    except (ValueError, KeyError):
        return None
    if not parts.hostname or parts.path not in ("", "/") or parts.query or parts.fragment or parts.username:
        return None
    return parts.scheme, parts.hostname, port


def origin_allowed(headers: Headers, allowed: Iterable[str], *, secure: bool) -> bool:
    """True for our own page, for a page of `allowed`, and without Origin, as native phones come.

    Our own page is the one that came from the host, port and scheme that this request went to. `null` (a
    file, a sandboxed frame) is nobody's page.
    """
    origin = headers.get(b"origin")
    if origin is None:
        return True
    theirs = canonical(origin.decode("latin-1"))
    if theirs is None:
        return False
    own = canonical(f"{'https' if secure else 'http'}://{headers.get(b'host', b'').decode('latin-1')}")
    return theirs == own or any(theirs == canonical(item) for item in allowed)


def peer_address(headers: Headers, client: Client, *, believed: bool) -> Address | None:
    """The true peer: behind our front door the last address of X-Forwarded-For, which is the one it saw
    itself.

    `believed` says that the connection came from the front door. None when the header holds no address.
    """
    if believed and b"x-forwarded-for" in headers:
        last = headers[b"x-forwarded-for"].decode("latin-1").rpartition(",")[2]
        return _address(last)
    return (client[0], client[1]) if client else ("127.0.0.1", 0)


def local_address(headers: Headers, server: Client, *, believed: bool) -> Address:
    """Our address as the peer sees it: X-UC-Local from the front door, else the socket's own."""
    told = _address(headers.get(b"x-uc-local", b"").decode("latin-1")) if believed else None
    if told is not None:
        return told
    return (server[0], server[1]) if server and server[1] is not None else ("127.0.0.1", 0)


def is_secure(headers: Headers, *, believed: bool) -> bool:
    """Whether the peer came over TLS, as the front door says."""
    return believed and headers.get(b"x-forwarded-proto", b"").strip().lower() in (b"https", b"wss")


def _address(text: str) -> Address | None:
    """A numeric address without a port, which HTTP does not tell: 0."""
    try:
        return str(ipaddress.ip_address(text.strip().strip("[]").partition("%")[0])), 0
    except ValueError:
        return None
