"""Which names and addresses a browser may call this install by.

A telephone system on a LAN is opened by whatever its people type: an address, the machine's name, a `.local`
or router name nobody told us. Asking for a list first would make the first start fail on every second
computer. So while no public name is set (UC_ALLOWED_HOSTS), any name that cannot exist on the public internet
and any address that is not public is accepted, and so is the very address the connection came in on. A public
name that is not ours is always refused: that is what DNS rebinding and poisoned reset links need. With
UC_ALLOWED_HOSTS set, only those names, the SIP domain, loopback and the machine's own name and addresses
remain."""

import socket
from functools import cache
from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest
from django.http.request import split_domain_port

# Top labels that the public DNS does not delegate (RFC 6761, 6762, 8375, ICANN's .internal; .lan and .home by
# use).
LAN_SUFFIXES = (".local", ".localhost", ".localdomain", ".home.arpa", ".internal", ".lan", ".home")


@cache
def own_names() -> frozenset[str]:
    """Names and addresses that are this machine without doubt."""
    machine = socket.gethostname().lower()
    media = [item.partition("=")[2] for item in settings.UC_MEDIA_ADDRESSES.split(",")]
    addresses = {part for item in media for part in item.split("!") if part}
    return frozenset(
        addresses | {"localhost", "127.0.0.1", "::1", machine, f"{machine}.local", settings.UC_DOMAIN}
    )


def host_name(request: HttpRequest) -> str:
    """The Host header's name without port, brackets, case and final dot; '' when it is malformed."""
    name, _port = split_domain_port(request.META.get("HTTP_HOST", ""))
    return name.rstrip(".").strip("[]")


def is_listed(name: str) -> bool:
    """Is the name in UC_ALLOWED_HOSTS? `.example.org` there means every name below it too."""
    return any(
        name == item.lstrip(".") or (item.startswith(".") and name.endswith(item))
        for item in (item.lower() for item in settings.UC_ALLOWED_HOSTS)
    )


def is_ours(name: str, arrived_at: str = "") -> bool:
    """Surely this install: listed, the machine's own, or the address the connection arrived at."""
    return bool(name) and (name in own_names() or name == arrived_at or is_listed(name))


def is_accepted(name: str, arrived_at: str = "") -> bool:
    """May a request carry this Host?"""
    if is_ours(name, arrived_at):
        return True
    if not name or settings.UC_ALLOWED_HOSTS:
        return False
    try:
        return not ip_address(name).is_global
    except ValueError:
        return "." not in name or name.endswith(LAN_SUFFIXES)


def mail_origin(request: HttpRequest) -> str:
    """scheme://host[:port] for links in mails. A neighbour on the LAN may send any accepted Host, so a mail
    names only hosts that are ours without doubt: else the first listed one, else the SIP domain."""
    arrived_at = request.META.get("HTTP_X_UC_LOCAL", "")
    if is_ours(host_name(request), arrived_at):
        return f"{request.scheme}://{request.get_host()}"
    if settings.UC_ALLOWED_HOSTS:
        return f"{request.scheme}://{settings.UC_ALLOWED_HOSTS[0].lstrip('.')}"
    port = split_domain_port(request.get_host())[1]
    return f"{request.scheme}://{settings.UC_DOMAIN}{':' + port if port else ''}"
