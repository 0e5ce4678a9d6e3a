"""Several edges on one machine (UC_EDGES): each has an id, and ports of its own.

The first has the addresses of the settings. The ports of each further one are 10 higher: 5060 and 5061, then
5070 and 5071, then 5080 and 5081. A unix socket gets the edge's number into its name.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ucplatform.embedded.address import AddressError

STEP = 10
#: what each edge listens on; the link may be left to its default, which has the id in it
LISTENS = ("UC_SIP_UDP", "UC_SIP_TCP", "UC_SIP_TLS", "UC_EDGE_SOCKET")
LINK = "UC_EDGE_LINK"


def numbered(text: str, place: int) -> str:
    """An address setting (`host:port`, several with commas, or `unix:<path>`) for the edge at `place` from 0.

    AddressError when its port would be none.
    """
    if not place:
        return text
    if text.startswith("unix:"):
        path = Path(text.removeprefix("unix:"))
        return f"unix:{path.with_name(f'{path.stem}-{place + 1}{path.suffix}')}"
    return ",".join(_moved(item.strip(), place * STEP) for item in text.split(",") if item.strip())


def _moved(item: str, by: int) -> str:
    host, _, port = item.rpartition(":")
    if not (port.isascii() and port.isdecimal()) or int(port) + by > 65535:
        raise AddressError(f"{item!r} leaves no port for a further edge ({by} higher)")
    return f"{host}:{int(port) + by}"


def ids(settings: Any) -> list[str]:
    """The edges of this machine: UC_EDGE_ID, and the numbers that follow it. AddressError when those cannot
    be."""
    first, count = settings.UC_EDGE_ID, settings.UC_EDGES
    if count == 1:
        return [first]
    if not first.isdecimal():
        raise AddressError(f"UC_EDGES={count} wants a number as UC_EDGE_ID, not {first!r}")
    return [str(int(first) + place) for place in range(count)]


def environment(settings: Any, place: int, given: Mapping[str, str]) -> dict[str, str]:
    """The settings of the edge at `place`, for its process; `given` is the environment of all."""
    own = {name: numbered(getattr(settings, name), place) for name in LISTENS}
    if given.get(LINK, "").strip():
        own[LINK] = numbered(given[LINK], place)
    return {**own, "UC_EDGE_ID": ids(settings)[place], "UC_EDGES": "1"}
