"""What the screen says when everything is ready: where to go, who may come in, what to type into a phone."""

from typing import Any

from ucplatform.embedded.address import Address
from ucplatform.machine import own_addresses

EVERY_ADDRESS = ("0.0.0.0", "::")


def text(settings: Any, public_name: str = "") -> str:
    """The whole announcement; it names passwords only of demo accounts, whose file the same user can read."""
    lines = ["", "Ready.", *(f"  {label:<22}{url}" for label, url in urls(settings, public_name))]
    lines += ["", "SIP phone:", *(f"  {line}" for line in phone(settings))]
    demo = settings.UC_DATA_DIR / "demo-accounts.txt"
    if settings.UC_DEMO and demo.is_file():
        lines += [
            "",
            f"Demo accounts ({demo}):",
            *(f"  {line}" for line in demo.read_text().rstrip().split("\n")),
        ]
    lines += ["", "Ctrl-C stops everything.", ""]
    return "\n".join(lines)


def urls(settings: Any, public_name: str) -> list[tuple[str, str]]:
    """(where from, URL): browsers give a page the microphone on localhost and on HTTPS only."""
    http, https = Address.parse(settings.UC_HTTP), Address.parse(settings.UC_HTTPS)
    local = "localhost" if http.host in (*EVERY_ADDRESS, "127.0.0.1") else http.host
    found = [("on this machine", f"http://{local}:{http.port}/")]
    if public_name:
        found.append(("from anywhere", f"https://{public_name}:{https.port}/"))
    for host in lan_hosts(https):
        found.append(("from the network", f"https://{host}:{https.port}/"))
    return found


def lan_hosts(address: Address) -> list[str]:
    """By which addresses a listener is reached from other machines (the primary one first, at most three)."""
    return own_addresses()[:3] if address.host in EVERY_ADDRESS else [address.host]


def phone(settings: Any) -> list[str]:
    udp, tls = Address.parse(settings.UC_SIP_UDP), Address.parse(settings.UC_SIP_TLS)
    server = (lan_hosts(udp) or ["127.0.0.1"])[0]
    return [
        f"domain (realm)  {settings.UC_DOMAIN}",
        f"server, proxy   {server}:{udp.port} (UDP or TCP), {server}:{tls.port} (TLS)",
        "user            the extension's number; password: its SIP secret",
        "test call       *43 (echo)",
    ]
