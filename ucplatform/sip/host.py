"""Hosts as headers write them, held against the numeric addresses that packets come from."""

import ipaddress
from functools import lru_cache

#: characters of the longest numeric address, with brackets and a zone
LONGEST_ADDRESS = 80


def canonical(host: str) -> str | None:
    """The one spelling of a numeric address, without brackets and zone; None for a name."""
    return _canonical(host) if len(host) <= LONGEST_ADDRESS else None


@lru_cache(maxsize=4096)
def _canonical(host: str) -> str | None:
    try:
        return str(ipaddress.ip_address(host.strip("[]").partition("%")[0]))
    except ValueError:
        return None


def host_is(host: str, address: str) -> bool:
    """Whether a host of a header is the numeric `address`: IPv4 has one spelling, IPv6 many."""
    return host == address or (":" in host and canonical(host) == canonical(address))


def is_address(host: str) -> bool:
    """Whether `host` is numeric."""
    return canonical(host) is not None
