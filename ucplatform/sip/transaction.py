"""The four transaction machines of RFC 3261 section 17 as corrected by RFC 6026: one table each.

A row reads (state, input) → (next state, actions in order). **An absent row means: the input is absorbed**,
which is what section 17 wants of retransmissions, late timers and second final responses. TERMINATED stops
all timers and says so with `Terminated`.
"""

import logging
from collections.abc import Callable, Iterable
from enum import StrEnum

from ucplatform.sip.commands import (
    CancelTimer,
    Command,
    Context,
    Key,
    PassUp,
    RequestFailed,
    ResponseReceived,
    Send,
    SetTimer,
    Terminated,
)
from ucplatform.sip.flow import Flow
from ucplatform.sip.headers import Headers, Via
from ucplatform.sip.message import Request, Response
from ucplatform.sip.timers import Timing

logger = logging.getLogger(__name__)

MAGIC_COOKIE = "z9hG4bK"
"""Begins every branch of RFC 3261 (section 8.1.1.7); other branches are of RFC 2543."""


CLIENT, SERVER = "c", "s"
"""First in the key of a transaction."""


class State(StrEnum):
    """All states; each machine uses some."""

    CALLING = "calling"
    TRYING = "trying"
    PROCEEDING = "proceeding"
    ACCEPTED = "accepted"  # RFC 6026
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"


class Input(StrEnum):
    """What can happen to a transaction. Timers are named as in RFC 3261 table 4; their keys begin so."""

    START = "start"
    REQUEST = "request"  # the request again
    ACK = "ack"
    PROVISIONAL = "1xx"  # responses: from the peer for a client, from the user for a server
    SUCCESS = "2xx"
    FAILURE = "3xx-6xx"
    CANCELLED = "cancelled"  # a CANCEL has been sent
    LOST = "lost"  # the flow is gone
    TIMER_A = "A"
    TIMER_B = "B"
    TIMER_D = "D"
    TIMER_E = "E"
    TIMER_F = "F"
    TIMER_G = "G"
    TIMER_H = "H"
    TIMER_I = "I"
    TIMER_J = "J"
    TIMER_K = "K"
    TIMER_L = "L"
    TIMER_M = "M"
    TIMER_X = "X"  # ours: the wait for the end of a cancelled INVITE (section 9.1)


TIMERS = {member.value: member for member in Input if len(member.value) == 1}


def kind_of(status: int) -> Input:
    """The input that a response is."""
    if status < 200:
        return Input.PROVISIONAL
    return Input.SUCCESS if status < 300 else Input.FAILURE


class Transaction:
    """One transaction.

    `last`: what a retransmission sends (the request, our last response, the ACK). `interval`: seconds until
    the next one. `running`: the timers set. `cancelled`: a client wants to send CANCEL (with
    `cancel_headers`), a server has got one.
    """

    __slots__ = (
        "cancel_headers",
        "cancelled",
        "context",
        "flow",
        "interval",
        "key",
        "last",
        "request",
        "running",
        "state",
        "table",
        "timing",
        "ttl",
    )

    def __init__(
        self,
        table: "Table",
        state: State,
        key: Key,
        request: Request,
        flow: Flow,
        timing: Timing,
        context: Context = None,
        ttl: float | None = None,
    ) -> None:
        self.table = table
        self.state = state
        self.key = key
        self.request = request
        self.flow = flow
        self.timing = timing
        self.context = context
        self.ttl = timing.timeout if ttl is None else ttl
        self.last: Request | Response | None = None
        self.interval = timing.t1
        self.running: set[str] = set()
        self.cancelled = False
        self.cancel_headers: Iterable[tuple[str, str]] = ()

    @property
    def serves(self) -> bool:
        """True for a request that came in."""
        return self.key[0] == SERVER

    def feed(self, what: Input, message: Request | Response | None, now: float, out: list[Command]) -> None:
        """Apply one input; the commands are appended to `out`."""
        row = self.table.get((self.state, what))
        if row is None:
            return
        state, actions = row
        if state is not self.state:
            self._set_state(state)
        for action in actions:
            action(self, message, now, out)
        if state is State.TERMINATED:
            stop(self, None, now, out)
            out.append(Terminated(self.key))

    def set_timer(self, name: str, at: float, out: list[Command]) -> None:
        """Start or move a timer of this transaction."""
        self.running.add(name)
        out.append(SetTimer((name, *self.key), at))

    def _set_state(self, state: State) -> None:
        logger.debug("%s %s -> %s", self.key, self.state, state)
        self.state = state


Action = Callable[[Transaction, Request | Response | None, float, list[Command]], None]
Table = dict[tuple[State, Input], tuple[State, tuple[Action, ...]]]


def stop(tx: Transaction, message: Request | Response | None, now: float, out: list[Command]) -> None:
    """Stop every timer that runs."""
    for name in tx.running:
        out.append(CancelTimer((name, *tx.key)))
    tx.running.clear()


def resend(tx: Transaction, message: Request | Response | None, now: float, out: list[Command]) -> None:
    """Send what was sent last, if anything was."""
    if tx.last is not None:
        out.append(Send(tx.flow, tx.last))


def ask(tx: Transaction, message: Request | Response | None, now: float, out: list[Command]) -> None:
    """Send the request for the first time."""
    tx.last = tx.request
    out.append(Send(tx.flow, tx.request))


def answer(tx: Transaction, message: Request | Response | None, now: float, out: list[Command]) -> None:
    """Send the user's response and keep it for retransmissions."""
    if message is not None:
        tx.last = message
        out.append(Send(tx.flow, message))


def pass_up(tx: Transaction, message: Request | Response | None, now: float, out: list[Command]) -> None:
    """Give the response to the user."""
    if isinstance(message, Response):
        out.append(PassUp(ResponseReceived(tx.key, tx.context, message, tx.flow)))


def refuse_ack(tx: Transaction, message: Request | Response | None, now: float, out: list[Command]) -> None:
    """Send the ACK for a final response that is no 2xx (section 17.1.1.3)."""
    if isinstance(message, Response):
        tx.last = hop_request(tx.request, "ACK", message.headers.get("To"))
        out.append(Send(tx.flow, tx.last))


def fail(status: int) -> Action:
    """Tell the user that no response will come."""

    def action(tx: Transaction, message: Request | Response | None, now: float, out: list[Command]) -> None:
        out.append(PassUp(RequestFailed(tx.key, tx.context, tx.request, status)))

    return action


def repeat(timer: Input, capped: bool) -> Action:
    """Retransmit after T1, then doubling, `capped` at T2; never over a reliable transport (17.1.1.2)."""

    def action(tx: Transaction, message: Request | Response | None, now: float, out: list[Command]) -> None:
        if not tx.flow.reliable:
            tx.set_timer(timer, now + tx.interval, out)
            tx.interval = min(2 * tx.interval, tx.timing.t2) if capped else 2 * tx.interval

    return action


def slow(tx: Transaction, message: Request | Response | None, now: float, out: list[Command]) -> None:
    """A provisional response has come: the running retransmissions go on at T2 (17.1.2.2)."""
    tx.interval = tx.timing.t2


def limit(timer: Input) -> Action:
    """Stay 64*T1 over any transport."""

    def action(tx: Transaction, message: Request | Response | None, now: float, out: list[Command]) -> None:
        tx.set_timer(timer, now + tx.timing.timeout, out)

    return action


def patience(timer: Input) -> Action:
    """Wait for the first response as long as the user said, 64*T1 unless told otherwise."""

    def action(tx: Transaction, message: Request | Response | None, now: float, out: list[Command]) -> None:
        tx.set_timer(timer, now + tx.ttl, out)

    return action


def linger(timer: Input, seconds: Callable[[Timing], float]) -> Action:
    """Absorb retransmissions for a while; a reliable transport has none, so there the timer fires at once."""

    def action(tx: Transaction, message: Request | Response | None, now: float, out: list[Command]) -> None:
        if tx.flow.reliable:
            tx.feed(timer, None, now, out)
        else:
            tx.set_timer(timer, now + seconds(tx.timing), out)

    return action


def t4(timing: Timing) -> float:
    """How long a message may stay in the network."""
    return timing.t4


def t1x64(timing: Timing) -> float:
    """How long a peer retransmits."""
    return timing.timeout


S = State
I = Input  # noqa: E741 - short names keep a row on a line

# RFC 3261 figure 5, RFC 6026 section 7.2.
INVITE_CLIENT: Table = {
    (S.CALLING, I.START): (S.CALLING, (ask, repeat(I.TIMER_A, False), patience(I.TIMER_B))),
    (S.CALLING, I.TIMER_A): (S.CALLING, (resend, repeat(I.TIMER_A, False))),
    (S.CALLING, I.TIMER_B): (S.TERMINATED, (fail(408),)),
    (S.CALLING, I.LOST): (S.TERMINATED, (fail(503),)),
    (S.CALLING, I.PROVISIONAL): (S.PROCEEDING, (stop, pass_up)),
    (S.CALLING, I.SUCCESS): (S.ACCEPTED, (stop, pass_up, limit(I.TIMER_M))),
    (S.CALLING, I.FAILURE): (S.COMPLETED, (stop, refuse_ack, pass_up, linger(I.TIMER_D, t1x64))),
    (S.PROCEEDING, I.PROVISIONAL): (S.PROCEEDING, (pass_up,)),
    (S.PROCEEDING, I.SUCCESS): (S.ACCEPTED, (stop, pass_up, limit(I.TIMER_M))),
    (S.PROCEEDING, I.FAILURE): (S.COMPLETED, (stop, refuse_ack, pass_up, linger(I.TIMER_D, t1x64))),
    (S.PROCEEDING, I.LOST): (S.TERMINATED, (fail(503),)),
    (S.PROCEEDING, I.CANCELLED): (S.PROCEEDING, (limit(I.TIMER_X),)),
    (S.PROCEEDING, I.TIMER_X): (S.TERMINATED, (fail(487),)),
    (S.ACCEPTED, I.SUCCESS): (
        S.ACCEPTED,
        (pass_up,),
    ),  # another fork's; the endpoint knows the same one again
    (S.ACCEPTED, I.TIMER_M): (S.TERMINATED, ()),
    (S.ACCEPTED, I.LOST): (S.TERMINATED, ()),
    (S.COMPLETED, I.FAILURE): (S.COMPLETED, (resend,)),
    (S.COMPLETED, I.TIMER_D): (S.TERMINATED, ()),
    (S.COMPLETED, I.LOST): (S.TERMINATED, ()),
}

# RFC 3261 figure 6.
OTHER_CLIENT: Table = {
    (S.TRYING, I.START): (S.TRYING, (ask, repeat(I.TIMER_E, True), patience(I.TIMER_F))),
    (S.TRYING, I.TIMER_E): (S.TRYING, (resend, repeat(I.TIMER_E, True))),
    (S.TRYING, I.TIMER_F): (S.TERMINATED, (fail(408),)),
    (S.TRYING, I.LOST): (S.TERMINATED, (fail(503),)),
    (S.TRYING, I.PROVISIONAL): (S.PROCEEDING, (slow, pass_up)),
    (S.TRYING, I.SUCCESS): (S.COMPLETED, (stop, pass_up, linger(I.TIMER_K, t4))),
    (S.TRYING, I.FAILURE): (S.COMPLETED, (stop, pass_up, linger(I.TIMER_K, t4))),
    (S.PROCEEDING, I.TIMER_E): (S.PROCEEDING, (resend, repeat(I.TIMER_E, True))),
    (S.PROCEEDING, I.TIMER_F): (S.TERMINATED, (fail(408),)),
    (S.PROCEEDING, I.LOST): (S.TERMINATED, (fail(503),)),
    (S.PROCEEDING, I.PROVISIONAL): (S.PROCEEDING, (pass_up,)),
    (S.PROCEEDING, I.SUCCESS): (S.COMPLETED, (stop, pass_up, linger(I.TIMER_K, t4))),
    (S.PROCEEDING, I.FAILURE): (S.COMPLETED, (stop, pass_up, linger(I.TIMER_K, t4))),
    (S.COMPLETED, I.TIMER_K): (S.TERMINATED, ()),
    (S.COMPLETED, I.LOST): (S.TERMINATED, ()),
}

# RFC 3261 figure 7, RFC 6026 section 7.1. An ACK for a 2xx is the endpoint's, whatever branch it has.
INVITE_SERVER: Table = {
    (S.PROCEEDING, I.REQUEST): (S.PROCEEDING, (resend,)),
    (S.PROCEEDING, I.PROVISIONAL): (S.PROCEEDING, (answer,)),
    (S.PROCEEDING, I.SUCCESS): (S.ACCEPTED, (answer, limit(I.TIMER_L))),
    (S.PROCEEDING, I.FAILURE): (S.COMPLETED, (answer, repeat(I.TIMER_G, True), limit(I.TIMER_H))),
    (S.PROCEEDING, I.LOST): (S.TERMINATED, ()),
    (S.ACCEPTED, I.SUCCESS): (S.ACCEPTED, (answer,)),
    (S.ACCEPTED, I.TIMER_L): (S.TERMINATED, ()),
    (S.ACCEPTED, I.LOST): (S.TERMINATED, ()),
    (S.COMPLETED, I.REQUEST): (S.COMPLETED, (resend,)),
    (S.COMPLETED, I.TIMER_G): (S.COMPLETED, (resend, repeat(I.TIMER_G, True))),
    (S.COMPLETED, I.ACK): (S.CONFIRMED, (stop, linger(I.TIMER_I, t4))),
    (S.COMPLETED, I.TIMER_H): (S.TERMINATED, ()),
    (S.COMPLETED, I.LOST): (S.TERMINATED, ()),
    (S.CONFIRMED, I.TIMER_I): (S.TERMINATED, ()),
    (S.CONFIRMED, I.LOST): (S.TERMINATED, ()),
}

# RFC 3261 figure 8. Timer J runs from the start: the peer has given up by then (RFC 4320), answered or not.
OTHER_SERVER: Table = {
    (S.TRYING, I.START): (S.TRYING, (limit(I.TIMER_J),)),
    (S.TRYING, I.TIMER_J): (S.TERMINATED, ()),
    (S.TRYING, I.LOST): (S.TERMINATED, ()),
    (S.TRYING, I.PROVISIONAL): (S.PROCEEDING, (answer,)),
    (S.TRYING, I.SUCCESS): (S.COMPLETED, (stop, answer, linger(I.TIMER_J, t1x64))),
    (S.TRYING, I.FAILURE): (S.COMPLETED, (stop, answer, linger(I.TIMER_J, t1x64))),
    (S.PROCEEDING, I.REQUEST): (S.PROCEEDING, (resend,)),
    (S.PROCEEDING, I.TIMER_J): (S.TERMINATED, ()),
    (S.PROCEEDING, I.LOST): (S.TERMINATED, ()),
    (S.PROCEEDING, I.PROVISIONAL): (S.PROCEEDING, (answer,)),
    (S.PROCEEDING, I.SUCCESS): (S.COMPLETED, (stop, answer, linger(I.TIMER_J, t1x64))),
    (S.PROCEEDING, I.FAILURE): (S.COMPLETED, (stop, answer, linger(I.TIMER_J, t1x64))),
    (S.COMPLETED, I.REQUEST): (S.COMPLETED, (resend,)),
    (S.COMPLETED, I.TIMER_J): (S.TERMINATED, ()),
    (S.COMPLETED, I.LOST): (S.TERMINATED, ()),
}


def client_key(branch: str, method: str) -> Key:
    """The client transaction a response belongs to (17.1.3)."""
    return CLIENT, branch, method


def server_key(request: Request, via: Via) -> Key:
    """The server transaction a request belongs to (17.2.3); ACK and CANCEL give the one of their INVITE.

    `via` is the topmost as it came. A branch of RFC 2543 is no name: there the request itself is.
    """
    method = "INVITE" if request.method in ("ACK", "CANCEL") else request.method
    branch = via.branch
    if branch and branch.startswith(MAGIC_COOKIE):
        return SERVER, branch, f"{via.host}:{via.port or ''}", method
    cseq = request.cseq.number
    return SERVER, str(via), f"{request.uri} {request.from_tag or ''} {request.call_id} {cseq}", method


def hop_request(request: Request, method: str, to: str | None = None) -> Request:
    """The CANCEL (9.1) of our request, or the ACK of a failure (17.1.1.3, with the response's To)."""
    source = request.headers
    lines = [
        ("Via", source.get("Via") or "")
    ]  # the endpoint wrote it, on a line of its own: same branch, only that one
    lines += [("Route", route) for route in source.all("Route")]
    lines += [
        ("Max-Forwards", "70"),
        ("From", source.get("From") or ""),
        ("To", to or source.get("To") or ""),
        ("Call-ID", request.call_id),
        ("CSeq", f"{request.cseq.number} {method}"),
    ]
    return Request(method, request.uri, Headers(lines))
