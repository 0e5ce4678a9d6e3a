"""What calls are told of this edge, read from the settings."""

from __future__ import annotations

from typing import Protocol

from ucplatform.pbx.ports import House


class Settings(Protocol):
    UC_EDGE_ID: str
    UC_DOMAIN: str
    UC_MEDIA_ADDRESSES: str


def interfaces(text: str) -> dict[str, str]:
    """Local address -> interface name from `name=local[!advertised],…`. ValueError names the bad item."""
    found: dict[str, str] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, equals, addresses = item.partition("=")
        if not equals or not name or not addresses:
            raise ValueError(f"UC_MEDIA_ADDRESSES: {item!r} is not name=address[!advertised]")
        found.setdefault(addresses.partition("!")[0].strip("[]"), name)
    return found


def house_of(settings: Settings) -> House:
    """The house as the settings describe it; times are the defaults until the directory's options are
    read."""
    return House(
        edge_id=settings.UC_EDGE_ID,
        domain=settings.UC_DOMAIN,
        interfaces=interfaces(settings.UC_MEDIA_ADDRESSES),
    )
