"""What the endpoint asks of the shell (commands) and tells its user (events). All of them are values.

The shell carries out the commands of a list in order and never raises back into the endpoint: a message that
could not be sent is reported by `Endpoint.flow_lost`.
"""

from collections.abc import Hashable
from typing import NamedTuple

from ucplatform.sip.flow import Flow
from ucplatform.sip.message import Request, Response

Key = tuple[str, ...]
"""Names a transaction or a timer; only strings, so it survives JSON as a list."""

Context = Hashable
"""The user's own name for a request (call, leg, purpose); the endpoint only hands it back."""


class RequestReceived(NamedTuple):
    """A new request; answer it with `Endpoint.respond(key, …)`. An INVITE has its 100 already."""

    key: Key
    request: Request
    flow: Flow


class AckReceived(NamedTuple):
    """The ACK for a 2xx, once. Ignore one that belongs to no dialog: it acknowledges a stateless answer."""

    request: Request
    flow: Flow


class CancelReceived(NamedTuple):
    """`key` names the INVITE: answer that with 487 unless it is answered. The CANCEL has its 200 already."""

    key: Key
    request: Request
    flow: Flow


class ResponseReceived(NamedTuple):
    """A response to our request. Every 2xx to an INVITE (one per fork) wants `Endpoint.acknowledge`."""

    key: Key
    context: Context
    response: Response
    flow: Flow


class RequestFailed(NamedTuple):
    """Our request has no final response and will get none.

    `status`: 408 nobody answered in time, 503 the flow was lost, 487 cancelled and never answered (9.1).
    """

    key: Key
    context: Context
    request: Request
    status: int


class AckMissing(NamedTuple):
    """No ACK came for our 2xx within 64*T1: the user sends BYE (section 13.3.1.4)."""

    key: Key


class PrackMissing(NamedTuple):
    """No PRACK came for a reliable response to the INVITE `key` within 64*T1: answer the INVITE with a 5xx
    (RFC 3262 section 3). What waited behind that response is dropped.
    """

    key: Key


Event = (
    RequestReceived
    | AckReceived
    | CancelReceived
    | ResponseReceived
    | RequestFailed
    | AckMissing
    | PrackMissing
)


class Send(NamedTuple):
    """Write `message` to `flow`. The message must not be changed any more: it may be sent again."""

    flow: Flow
    message: Request | Response


class SetTimer(NamedTuple):
    """Call `Endpoint.fire(key, now)` at the monotonic second `at`; replaces a timer of the same key."""

    key: Key
    at: float


class CancelTimer(NamedTuple):
    """Forget the timer; unknown keys are no error."""

    key: Key


class PassUp(NamedTuple):
    """Tell the user of the endpoint."""

    event: Event


class Terminated(NamedTuple):
    """The transaction is gone; its key will not be used again."""

    key: Key


class Close(NamedTuple):
    """Close the flow: what came over it is beyond repair."""

    flow_id: str
    reason: str


Command = Send | SetTimer | CancelTimer | PassUp | Terminated | Close
