"""An offer and its answer inside a call, as a value. What happens to it stands in `features.reoffer`."""

from __future__ import annotations

from dataclasses import dataclass

from ucplatform.sip.commands import Key
from ucplatform.sip.message import Request


@dataclass(slots=True)
class Exchange:
    """One exchange at a time (RFC 3261 14, RFC 6337): `source` said something new, the engine and `target`
    are asked in turn. `key` and `request` wait for their answer; both are None where nobody does.

    Phases: offer (the engine is asked), invite (`target` is), glare (`target` will be asked again), answer
    (the engine is told); open and ack (an offer of ours was asked for, the ACK brings the answer); delayed
    (the same for a whole call); left (the other side has hung up, the
    ACK releases our BYE); takeover; refresh (ours alone, towards `source`).

    `received`, `held` of the source and `sent` (body, version) of the target hold again when it is refused.
    `method` is what `target` is asked with. `cancelled`: the source has withdrawn it meanwhile. `both`: the
    source is told of the end too, where that says another direction than it has.
    """

    source: str
    target: str | None
    phase: str
    key: Key | None = None
    request: Request | None = None
    method: str = "INVITE"
    received: str = ""
    held: bool = False
    sent: tuple[str, int] = ("", 0)
    cancelled: bool = False
    both: bool = False
