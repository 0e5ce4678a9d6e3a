"""The gateway's configuration, read once from the environment."""

import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass

import ifaddr

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

DEFAULT_NG = "127.0.0.1:2223"
DEFAULT_PORTS = "20000-20999"
RELAYS = ("auto", "native", "python")


class ConfigError(Exception):
    """A setting is wrong; `str()` is a sentence for the administrator."""


@dataclass(frozen=True, slots=True)
class Interface:
    """A place where media is taken: `local` is bound, `advertised` is written into SDP."""

    name: str
    local: str
    advertised: str

    @property
    def loopback(self) -> bool:
        return ipaddress.ip_address(self.local).is_loopback

    @classmethod
    def parse(cls, text: str) -> "Interface":
        """`name=local[!advertised]`."""
        name, equals, addresses = text.strip().partition("=")
        local, _, advertised = addresses.partition("!")
        if not name or not equals:
            raise ConfigError(f"UC_MEDIA_ADDRESSES: {text!r} is not name=address[!advertised address]")
        for address in (local, advertised or local):
            try:
                ipaddress.ip_address(address)
            except ValueError:
                raise ConfigError(f"UC_MEDIA_ADDRESSES: {address!r} is not an IP address") from None
        return cls(name, local, advertised or local)


@dataclass(frozen=True, slots=True)
class Config:
    """Times are seconds. `peers` may use the NG port besides loopback (SECURITY: never open to strangers).
    `dscp` marks what is sent: 46 is expedited forwarding (RFC 4594 section 4.1), 0 leaves it unmarked."""

    ng_host: str
    ng_port: int
    first_port: int
    last_port: int
    interfaces: tuple[Interface, ...]
    peers: tuple[Network, ...] = ()
    media_timeout: float = 30.0
    owner_grace: float = 60.0
    connect_timeout: float = 30.0
    report_interval: float = 5.0
    relay: str = "auto"
    dscp: int = 46

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Config":
        host, port = parse_address(environ.get("UC_GATEWAY_NG") or DEFAULT_NG)
        first, last = parse_ports(environ.get("UC_RTP_PORTS") or DEFAULT_PORTS)
        given = environ.get("UC_MEDIA_ADDRESSES", "")
        interfaces = tuple(Interface.parse(item) for item in given.split(",") if item.strip())
        return cls(
            ng_host=host,
            ng_port=port,
            first_port=first,
            last_port=last,
            interfaces=interfaces or machine_interfaces(),
            peers=parse_peers(environ.get("UC_GATEWAY_PEERS", "")),
            relay=parse_relay(environ.get("UC_RELAY") or "auto"),
            dscp=parse_dscp(environ.get("UC_RTP_DSCP") or "46"),
        )


def parse_address(text: str) -> tuple[str, int]:
    """`host:port` or `[v6]:port`."""
    host, colon, port = text.strip().rpartition(":")
    if not colon or not port.isdecimal() or not 0 <= int(port) < 65536:
        raise ConfigError(f"UC_GATEWAY_NG: {text!r} is not address:port")
    return host.strip("[]") or "127.0.0.1", int(port)


def parse_ports(text: str) -> tuple[int, int]:
    """`first-last`, both included."""
    first, _, last = text.strip().partition("-")
    if not (first.isdecimal() and last.isdecimal()) or not 1024 <= int(first) < int(last) < 65536:
        raise ConfigError(f"UC_RTP_PORTS: {text!r} is not first-last between 1024 and 65535")
    return int(first), int(last)


def parse_peers(text: str) -> tuple[Network, ...]:
    """Comma-separated addresses or networks that may use the NG port."""
    try:
        return tuple(
            ipaddress.ip_network(item.strip(), strict=False) for item in text.split(",") if item.strip()
        )
    except ValueError as error:
        raise ConfigError(f"UC_GATEWAY_PEERS: {error}") from None


def parse_relay(text: str) -> str:
    """`auto` is native where it was built."""
    if text not in RELAYS:
        raise ConfigError(f"UC_RELAY: {text!r} is not one of {', '.join(RELAYS)}")
    return text


def parse_dscp(text: str) -> int:
    """A code point of six bits (RFC 2474)."""
    if not text.isdecimal() or int(text) > 63:
        raise ConfigError(f"UC_RTP_DSCP: {text!r} is not a number from 0 to 63")
    return int(text)


def machine_interfaces() -> tuple[Interface, ...]:
    """Every IPv4 address of this machine: the one of the default route is `lan`, then lan2, …, and `loop`."""
    addresses = [ip.ip for adapter in ifaddr.get_adapters() for ip in adapter.ips if isinstance(ip.ip, str)]
    outside = [address for address in addresses if not ipaddress.ip_address(address).is_loopback]
    primary = primary_address()
    outside.sort(key=lambda address: address != primary)
    named = [
        Interface("lan" if index == 0 else f"lan{index + 1}", address, address)
        for index, address in enumerate(outside)
    ]
    return (*named, Interface("loop", "127.0.0.1", "127.0.0.1"))


def primary_address() -> str | None:
    """The address of the default route; nothing is sent, connecting a UDP socket only asks the kernel."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))
        except OSError:
            return None
        address = probe.getsockname()[0]
        return str(address)
