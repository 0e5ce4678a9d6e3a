"""What a call wants done, as values. The edge carries them out in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from ucplatform.sip.commands import Key
from ucplatform.sip.message import Request, Response


class SendRequest(NamedTuple):
    """Send `request` in a new client transaction on the leg's flow; answers come back as Reply with
    `purpose`."""

    leg: str
    purpose: str
    request: Request


class Respond(NamedTuple):
    """Answer the server transaction `key`."""

    key: Key
    response: Response


class Acknowledge(NamedTuple):
    """Send the ACK of a 2xx; it is sent again whenever that 2xx comes again (RFC 3261 13.2.2.4)."""

    leg: str
    request: Request


class Claim(NamedTuple):
    """`leg` of this call was `other_leg` of call `other` until now (attended transfer)."""

    leg: str
    other: str
    other_leg: str


class CancelInvite(NamedTuple):
    """CANCEL the leg's INVITE (RFC 3261 9.1), with these Reason values, or the room's own."""

    leg: str
    reasons: tuple[str, ...] = ()


class FindNumber(NamedTuple):
    """Whom does `number` reach, and by what devices? NumberFound says, for `leg`, which has named it."""

    leg: str
    number: str


class AskMedia(NamedTuple):
    """An NG request; the answer comes back as MediaDone or MediaFailed with the same `ref`."""

    ref: str
    command: dict[str, Any]


class StartTimer(NamedTuple):
    name: str
    seconds: float


class StopTimer(NamedTuple):
    name: str


class Note(NamedTuple):
    """One line of the call's trace that is no SIP message."""

    event: str
    leg: str | None = None
    detail: dict[str, Any] = {}  # nobody writes into it


@dataclass(frozen=True, slots=True)
class Save:
    """The call's value changed: write it behind."""


class WriteRecord(NamedTuple):
    """The call is over: its record goes to the journal."""

    record: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Forget:
    """Nothing more can come for this call: drop its value and its snapshot."""


Command = (
    SendRequest
    | Respond
    | Acknowledge
    | CancelInvite
    | FindNumber
    | Claim
    | AskMedia
    | StartTimer
    | StopTimer
    | Note
    | Save
    | WriteRecord
    | Forget
)
