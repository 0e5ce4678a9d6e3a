"""What calls are told of this edge, read from the settings."""

from __future__ import annotations

from typing import Protocol

from ucplatform.pbx.ports import House


class Settings(Protocol):
    UC_EDGE_ID: str
    UC_DOMAIN: str
    UC_MEDIA_ADDRESSES: str


def _addresses(text: str) -> list[tuple[str, str, str]]:
    """(name, local address, advertised address) of each item of `name=local[!advertised],…`.

    ValueError names the bad item."""
    found = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, equals, addresses = item.partition("=")
        local, _, advertised = (part.strip("[] ") for part in addresses.partition("!"))
        if not equals or not name or not local:
            raise ValueError(f"UC_MEDIA_ADDRESSES: {item!r} is not name=address[!advertised]")
        found.append((name, local, advertised or local))
    return found


def interfaces(text: str) -> dict[str, str]:
    """Address that a peer signals to (local, or what stands before it) -> name of the gateway's interface."""
    found: dict[str, str] = {}
    for name, local, advertised in _addresses(text):
        found.setdefault(local, name)
        found.setdefault(advertised, name)
    return found


def advertised(text: str) -> dict[str, str]:
    """Local address -> the address that a NAT shows for it, where there is one."""
    return {local: shown for _, local, shown in _addresses(text) if shown != local}


def house_of(settings: Settings) -> House:
    """The house as the settings describe it; times are the defaults until the directory's options are
    read."""
    return House(
        edge_id=settings.UC_EDGE_ID,
        domain=settings.UC_DOMAIN,
        interfaces=interfaces(settings.UC_MEDIA_ADDRESSES),
    )
