"""What can happen to a call, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ucplatform.pbx.ports import Account
from ucplatform.pbx.registrar import Binding
from ucplatform.pbx.routing import Route
from ucplatform.sip.commands import Key
from ucplatform.sip.flow import Flow
from ucplatform.sip.message import Request, Response


@dataclass(frozen=True, slots=True)
class InviteIn:
    """An authenticated INVITE outside any dialog; `devices` are the callee's bindings at this moment."""

    key: Key
    request: Request
    flow: Flow
    account: Account
    route: Route
    devices: tuple[Binding, ...] = ()


@dataclass(frozen=True, slots=True)
class ReplaceIn:
    """An authenticated INVITE with Replaces for `leg` of this call (RFC 3891), from the leg's own account."""

    key: Key
    request: Request
    flow: Flow
    account: Account
    leg: str


@dataclass(frozen=True, slots=True)
class Reply:
    """A response to a request that the call sent on `leg`."""

    leg: str
    purpose: str
    response: Response


@dataclass(frozen=True, slots=True)
class NoReply:
    """No response came: `status` is 408 (time) or 503 (transport), RFC 3261 8.1.3.1."""

    leg: str
    purpose: str
    status: int


@dataclass(frozen=True, slots=True)
class InDialog:
    """A request inside the leg's dialog, from a peer that may send it."""

    leg: str
    key: Key
    request: Request


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The caller sent CANCEL; its 200 is already out."""

    request: Request


@dataclass(frozen=True, slots=True)
class AckMissing:
    """Our 2xx on `leg` was never acknowledged (RFC 3261 13.3.1.4)."""

    leg: str


@dataclass(frozen=True, slots=True)
class MediaDone:
    ref: str
    reply: dict[str, Any]


@dataclass(frozen=True, slots=True)
class MediaFailed:
    ref: str
    reason: str


@dataclass(frozen=True, slots=True)
class MediaEvent:
    leg: str
    event: str
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Timeout:
    name: str


@dataclass(frozen=True, slots=True)
class FlowLost:
    flow_id: str


@dataclass(frozen=True, slots=True)
class DeviceBack:
    """A device registered (again) while the call may be waiting for it."""

    binding: Binding


@dataclass(frozen=True, slots=True)
class LegMoved:
    """The device of `leg` speaks from another flow, and may."""

    leg: str
    flow: Flow


@dataclass(frozen=True, slots=True)
class HangUp:
    """Somebody of the house ends the call (page of an administrator, shutdown); `cause` goes into the
    record."""

    cause: str


Input = (
    InviteIn
    | ReplaceIn
    | Reply
    | NoReply
    | InDialog
    | Cancelled
    | AckMissing
    | MediaDone
    | MediaFailed
    | MediaEvent
    | Timeout
    | FlowLost
    | DeviceBack
    | LegMoved
    | HangUp
)
