"""What the rules need to know of the world: accounts, the house's own settings, and what a request
arrived on."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ucplatform.sip.flow import Flow

#: How an extension's telephones are spoken to: in the clear, by SRTP where they take it, by nothing else.
SRTP_OFF, SRTP_PREFERRED, SRTP_REQUIRED = "off", "preferred", "required"


def _in_the_clear(number: str) -> str:
    return SRTP_OFF


@dataclass(frozen=True, slots=True)
class Account:
    """An extension as call control sees it; `ha1_*` are hex digests over number:realm:secret (RFC 7616),
    empty where nobody has set a secret since the algorithm is there."""

    number: str
    name: str
    user_id: int | None
    ha1_md5: str
    ha1_sha256: str
    enabled: bool = True
    language: str = "en"
    ha1_sha512_256: str = ""
    srtp: str = SRTP_OFF


class Directory(Protocol):
    """The accounts of the house, held in memory; no look-up waits."""

    def by_number(self, number: str) -> Account | None: ...


@dataclass(frozen=True, slots=True)
class House:
    """What every call is told of this edge. Times in seconds."""

    edge_id: str
    domain: str
    ring_seconds: float = 30.0
    grace_seconds: float = 8.0
    reconnect_seconds: float = 5.0
    #: the session interval that we ask for (RFC 4028); 0: none
    session_expires: int = 1800
    #: local address -> name of the gateway's interface that faces it (UC_MEDIA_ADDRESSES)
    interfaces: Mapping[str, str] = field(default_factory=dict)
    #: a number from 0 to below the given one: what RFC 3261 14 wants by chance
    pick: Callable[[int], int] = secrets.randbelow
    #: number of an extension -> SRTP_OFF, SRTP_PREFERRED or SRTP_REQUIRED
    srtp: Callable[[str], str] = _in_the_clear

    def interface(self, flow: Flow) -> str | None:
        """The gateway's interface for media of a leg that signals over `flow`; None lets the engine
        choose."""
        return self.interfaces.get(flow.local[0])


def is_browser(flow: Flow) -> bool:
    """A device on a WebSocket wants ICE and DTLS-SRTP (RFC 7118, RFC 8827); every other gets plain RTP."""
    return flow.websocket


def flow_to_json(flow: Flow) -> dict[str, Any]:
    value: dict[str, Any] = {
        "id": flow.id,
        "transport": flow.transport,
        "local": list(flow.local),
        "remote": list(flow.remote),
    }
    if flow.edge:
        value["edge"] = flow.edge
    if flow.source:
        value["source"] = list(flow.source)
    return value


def flow_from_json(value: dict[str, Any]) -> Flow:
    local, remote, source = value["local"], value["remote"], value.get("source")
    return Flow(
        value["id"],
        value["transport"],
        (local[0], local[1]),
        (remote[0], remote[1]),
        value.get("edge", ""),
        (source[0], source[1]) if source else None,
    )
