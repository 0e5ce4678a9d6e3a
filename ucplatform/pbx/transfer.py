"""A transfer under way as a value (RFC 3515, RFC 5589). What happens to it stands in `features.transfer`."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Transfer:
    """`referrer` sent REFER, `kept` is the leg that gets a new peer; `number` is where it is to go.

    `event` is the value of the Event header of its NOTIFYs, "" where it wants none (RFC 4488). `targets` are
    the legs that are asked, `failures` what they said. `gone`: the referrer has hung up and trusts that it
    works. `elsewhere` names the call and leg that the target has been talking on (attended transfer).
    """

    referrer: str
    kept: str
    number: str
    event: str
    targets: list[str] = field(default_factory=list)
    failures: list[tuple[int, str]] = field(default_factory=list)
    rang: bool = False
    gone: bool = False
    elsewhere: tuple[str, str] = ("", "")
