"""What this machine is called, and by which addresses it is reached."""

import ipaddress
import re
import socket

import ifaddr


def default_domain() -> str:
    """The machine's name as a SIP domain; names without a dot get `.local`, which mDNS resolves on a LAN."""
    name = re.sub(r"[^a-z0-9.-]", "-", socket.gethostname().lower()).strip(".-")
    if not name or name.startswith("localhost"):
        return "phone.local"
    return name if "." in name else f"{name}.local"


def own_addresses() -> list[str]:
    """Every IPv4 address of this machine but loopback, the one with the default route first."""
    found = {ip.ip for adapter in ifaddr.get_adapters() for ip in adapter.ips if ip.is_IPv4}
    addresses = sorted((ip for ip in found if not ip.startswith("127.")), key=ipaddress.ip_address)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # RFC 5737 address: chooses a route, sends nothing
            primary = probe.getsockname()[0]
        except OSError:
            return addresses
    return sorted(addresses, key=lambda ip: ip != primary)


def media_addresses() -> str:
    """Default of UC_MEDIA_ADDRESSES: lan, lan2, … for the machine's addresses, then loop."""
    names = [f"lan{n if n > 1 else ''}={ip}" for n, ip in enumerate(own_addresses(), 1)]
    return ",".join([*names, "loop=127.0.0.1"])
