"""What can happen to a call, as values."""

from __future__ import annotations

from typing import Any, NamedTuple

from ucplatform.pbx.leg import Leg
from ucplatform.pbx.ports import Account
from ucplatform.pbx.registrar import Binding
from ucplatform.pbx.routing import Route
from ucplatform.sip.commands import Key
from ucplatform.sip.flow import Flow
from ucplatform.sip.message import Request, Response


class InviteIn(NamedTuple):
    """An authenticated INVITE outside any dialog; `devices` are the callee's bindings at this moment."""

    key: Key
    request: Request
    flow: Flow
    account: Account
    route: Route
    devices: tuple[Binding, ...] = ()


class ReplaceIn(NamedTuple):
    """An authenticated INVITE with Replaces for `leg` of this call (RFC 3891), from the leg's own account."""

    key: Key
    request: Request
    flow: Flow
    account: Account
    leg: str


class ReferIn(NamedTuple):
    """REFER of `leg`, whose account may call `number` (RFC 3515): with its devices at this moment, or with a
    copy of the leg that the account talks to `elsewhere` (call id, leg id) and hands over (RFC 5589 7)."""

    leg: str
    key: Key
    request: Request
    number: str
    route: Route | None
    devices: tuple[Binding, ...] = ()
    guest: Leg | None = None
    elsewhere: tuple[str, str] = ("", "")


class NumberFound(NamedTuple):
    """The answer to FindNumber."""

    leg: str
    route: Route
    devices: tuple[Binding, ...]


class GivenAway(NamedTuple):
    """`leg` of this call belongs to another call from now on."""

    leg: str


class Reply(NamedTuple):
    """A response to a request that the call sent on `leg`."""

    leg: str
    purpose: str
    response: Response


class NoReply(NamedTuple):
    """No response came: `status` is 408 (time) or 503 (transport), RFC 3261 8.1.3.1."""

    leg: str
    purpose: str
    status: int


class InDialog(NamedTuple):
    """A request inside the leg's dialog, from a peer that may send it."""

    leg: str
    key: Key
    request: Request


class Cancelled(NamedTuple):
    """`leg` sent CANCEL for its INVITE or re-INVITE; its 200 is already out."""

    request: Request
    leg: str = "leg1"


class AckIn(NamedTuple):
    """The ACK of our 2xx to an INVITE of `leg`, once; it may carry the answer to our offer (RFC 3264)."""

    leg: str
    request: Request


class PrackMissing(NamedTuple):
    """Our reliable provisional response to the INVITE of `leg` was never acknowledged (RFC 3262 3)."""

    leg: str


class Restored(NamedTuple):
    """The call comes from the store: an earlier life of the edge ended under it."""


class AckMissing(NamedTuple):
    """Our 2xx on `leg` was never acknowledged (RFC 3261 13.3.1.4)."""

    leg: str


class MediaDone(NamedTuple):
    ref: str
    reply: dict[str, Any]


class MediaFailed(NamedTuple):
    ref: str
    reason: str


class MediaEvent(NamedTuple):
    leg: str
    event: str
    detail: dict[str, Any]


class Timeout(NamedTuple):
    name: str


class FlowLost(NamedTuple):
    flow_id: str


class DeviceBack(NamedTuple):
    """A device registered (again) while the call may be waiting for it."""

    binding: Binding


class LegMoved(NamedTuple):
    """The device of `leg` speaks from another flow, and may."""

    leg: str
    flow: Flow


class HangUp(NamedTuple):
    """Somebody of the house ends the call (page of an administrator, shutdown); `cause` goes into the
    record."""

    cause: str


Input = (
    InviteIn
    | ReplaceIn
    | ReferIn
    | GivenAway
    | NumberFound
    | Reply
    | NoReply
    | InDialog
    | Cancelled
    | AckIn
    | AckMissing
    | PrackMissing
    | Restored
    | MediaDone
    | MediaFailed
    | MediaEvent
    | Timeout
    | FlowLost
    | DeviceBack
    | LegMoved
    | HangUp
)
