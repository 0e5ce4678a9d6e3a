"""The SIP endpoint: transactions of one edge, and the duties of RFC 3261 that need no knowledge of calls."""

import logging
import random
from collections.abc import Iterable
from dataclasses import dataclass

from ucplatform.sip import fields
from ucplatform.sip.commands import (
    AckMissing,
    AckReceived,
    CancelReceived,
    CancelTimer,
    Command,
    Context,
    Key,
    PassUp,
    RequestReceived,
    Send,
    SetTimer,
)
from ucplatform.sip.errors import ParseError, SipError, UsageError
from ucplatform.sip.flow import Flow
from ucplatform.sip.message import Request, Response, make_response, parse_message, validate
from ucplatform.sip.reliable import RETRY_1XX, Reliable
from ucplatform.sip.timers import Timing
from ucplatform.sip.tokens import POOL
from ucplatform.sip.transaction import (
    INVITE_CLIENT,
    INVITE_SERVER,
    MAGIC_COOKIE,
    OTHER_CLIENT,
    OTHER_SERVER,
    TIMERS,
    Input,
    State,
    Transaction,
    client_key,
    hop_request,
    kind_of,
    server_key,
)
from ucplatform.sip.via import own_via, stamped, way_back

logger = logging.getLogger(__name__)

RETRY_2XX = "2xx"  # the timer beside those of RFC 3261: our 2xx again until its ACK comes
LIMIT = 65536
MAX_FORKS = 64  # dialogs that one INVITE may make; a hostile far end could send 2xx with ever new tags
DEFAULT_TIMING = Timing()

_CANCEL = object()  # the context of a CANCEL, whose responses are nobody's business

DialogKey = tuple[str, str, str, int]
"""Call-ID, From tag, To tag and CSeq number: what ties an ACK to its 2xx (section 13.3.1.4)."""


@dataclass(slots=True)
class Answered:
    """A 2xx of ours that waits for its ACK; kept on as `acked` while the peer may repeat the ACK."""

    response: Response
    flow: Flow | None
    deadline: float
    interval: float
    ack_key: DialogKey
    acked: bool = False


class Endpoint:
    """All transactions of one edge. Methods return the commands to carry out; `now` is monotonic seconds.

    Messages given to it belong to it: they may be sent again, so nobody changes them afterwards.
    """

    def __init__(
        self,
        edge_id: str,
        *,
        timing: Timing = DEFAULT_TIMING,
        rng: random.Random | None = None,
        limit: int = LIMIT,
    ) -> None:
        """`edge_id` goes into every branch; beyond `limit` transactions requests get a 503, those of dialogs
        beyond twice as many."""
        self.edge_id = edge_id
        self.timing = timing
        self.limit = limit
        self._random = rng or POOL
        self._transactions: dict[Key, Transaction] = {}
        self._by_flow: dict[str, set[Key]] = {}
        self._merged: dict[Key, Key] = {}  # 8.2.2.2: the request's identity without its branch → transaction
        self._answered: dict[Key, Answered] = {}  # INVITE server transaction → its 2xx
        self._answered_by: dict[DialogKey, Key] = {}
        self._invites: dict[Key, Key] = {}  # Call-ID, From tag, CSeq of our INVITE → its transaction
        self._acks: dict[Key, dict[str, Send | None]] = {}  # that transaction → To tag of a 2xx → its ACK
        self._reliable = Reliable(timing, self._random)

    def __len__(self) -> int:
        """The number of transactions alive."""
        return len(self._transactions)

    # ---- what peers send

    def receive(self, data: bytes, flow: Flow, now: float) -> list[Command]:
        """One datagram, WebSocket message or framed stream message. Never raises on what a peer sent."""
        try:
            message = parse_message(data)
            validate(message)
        except ParseError as error:
            return self._malformed(error, None, flow)
        return self.deliver(message, flow, now)

    def deliver(self, message: Request | Response, flow: Flow, now: float) -> list[Command]:
        """A message that is parsed and validated already (for a shell that traces by Call-ID)."""
        try:
            if isinstance(message, Response):
                return self._response(message, now)
            return self._request(message, flow, now)
        except ParseError as error:  # a header that nobody has looked at so far
            return self._malformed(error, message, flow)

    def _malformed(self, error: ParseError, message: Request | Response | None, flow: Flow) -> list[Command]:
        """Answer a broken request without state, where it can be answered; drop all else (section 8.2)."""
        request = message if isinstance(message, Request) else error.request
        logger.debug("malformed from %s:%s: %s", *flow.remote, error.reason)
        if error.status is None or request is None or request.method == "ACK":
            return []
        try:
            back = way_back(stamped(request, request.via, flow), flow)
        except SipError:  # not even its Via can be read: the way it came (RFC 4475 3.1.2.1, 3.1.2.16)
            back = flow
        return [Send(back, make_response(request, error.status, error.reason or None))]

    def _request(self, request: Request, flow: Flow, now: float) -> list[Command]:
        via, method = request.via, request.method
        key = server_key(request, via)
        tx = self._transactions.get(key)
        if method == "ACK":
            return self._ack(request, tx, flow, now)
        out: list[Command] = []
        if tx is not None and method != "CANCEL":
            self._feed(tx, Input.REQUEST, request, now, out)
            return out
        back = way_back(stamped(request, via, flow), flow)
        if method == "CANCEL":
            return self._cancel(request, tx, flow, back)
        fields.check(request)
        refusal = self._refusal(request)
        if refusal is not None:
            return [Send(back, refusal)]
        self._open_server(key, request, back, now, out)
        out.append(PassUp(RequestReceived(key, request, flow)))
        if method == "PRACK":
            invite, waiting = self._reliable.acknowledge(request, out)
            for response in waiting:
                out += self.respond(invite, response, now)
        return out

    def _refusal(self, request: Request) -> Response | None:
        """The stateless answer to a request that starts no transaction, None for a welcome one."""
        # Dialogs are to go on when newcomers cannot: room is kept for them.
        if len(self._transactions) >= (2 * self.limit if request.to_tag else self.limit):
            return make_response(request, 503, headers=(("Retry-After", "10"),))
        if request.method == "PRACK" and not self._reliable.awaits(request):
            return make_response(request, 481)
        if request.to_tag:
            return None
        if self._is_merged(request) or self._has_looped(request):
            return make_response(request, 482)
        # Only what would travel on ends here; OPTIONS asks the last hop (16.3), REGISTER is for us.
        if request.max_forwards == 0 and request.method not in ("OPTIONS", "REGISTER"):
            return make_response(request, 483)
        breadth = fields.max_breadth(request)
        if breadth is not None and breadth.value == 0 and request.method == "INVITE":  # RFC 5393 5.3.3
            return make_response(request, 440)
        return None

    def serves(self, key: Key) -> bool:
        """Whether a request with this server_key() came before and is still known."""
        return key in self._transactions

    def _is_merged(self, request: Request) -> bool:
        """Whether this request came before by another way (8.2.2.2).

        Not when that one was challenged: some telephones answer a challenge without counting their CSeq on.
        """
        key = self._merged.get(_merge_key(request))
        if key is None:
            return False
        last = self._transactions[key].last
        return not (isinstance(last, Response) and last.status in (401, 407))

    def _has_looped(self, request: Request) -> bool:
        """Whether a request of ours came back for the address that we sent it to (16.3 step 4).

        For another address it is a spiral, which is none of our business.
        """
        vias = request.vias
        if len(vias) == 1:
            return False
        keys = (client_key(via.branch or "", request.method) for via in vias[1:])
        ours = (self._transactions.get(key) for key in keys)
        return any(tx is not None and tx.request.uri == request.uri for tx in ours)

    def _open_server(self, key: Key, request: Request, back: Flow, now: float, out: list[Command]) -> None:
        if request.method == "INVITE":
            tx = Transaction(INVITE_SERVER, State.PROCEEDING, key, request, back, self.timing)
            # 100 at once: the user may take longer than the 200 ms of section 17.2.1.
            tx.feed(Input.PROVISIONAL, make_response(request, 100), now, out)
        else:
            tx = Transaction(OTHER_SERVER, State.TRYING, key, request, back, self.timing)
            tx.feed(Input.START, None, now, out)
        self._add(tx)
        if not request.to_tag:
            self._merged[_merge_key(request)] = key

    def _ack(self, ack: Request, tx: Transaction | None, flow: Flow, now: float) -> list[Command]:
        """An ACK ends the wait of a final response: of a failure by its branch, of a 2xx by its dialog."""
        if tx is not None and tx.state in (State.COMPLETED, State.CONFIRMED):
            out: list[Command] = []
            self._feed(tx, Input.ACK, ack, now, out)
            return out
        key = self._answered_by.get((ack.call_id, ack.from_tag or "", ack.to_tag or "", ack.cseq.number))
        if key is None:
            return [PassUp(AckReceived(ack, flow))]
        answered = self._answered[key]
        if answered.acked:
            return []
        answered.acked = True
        up = PassUp(AckReceived(ack, flow))
        if key not in self._transactions:
            self._forget_answer(key)
        return [CancelTimer((RETRY_2XX, *key)), up]

    def _cancel(self, cancel: Request, tx: Transaction | None, flow: Flow, back: Flow) -> list[Command]:
        """Section 9.2. The answers need no transaction: a repeated CANCEL gets the same one.

        Branches of some phones can be guessed, so only the address that sent the INVITE may take it back.
        """
        if tx is None or flow.peer[0] != tx.flow.peer[0]:
            return [Send(back, make_response(cancel, 481))]
        tag = tx.last.to_tag if isinstance(tx.last, Response) else None
        out: list[Command] = [Send(back, make_response(cancel, 200, to_tag=tag))]
        if tx.state is State.PROCEEDING and not tx.cancelled:
            tx.cancelled = True
            out.append(PassUp(CancelReceived(tx.key, cancel, flow)))
        return out

    def _response(self, response: Response, now: float) -> list[Command]:
        vias = response.vias
        method = response.cseq.method
        tx = self._transactions.get(client_key(vias[0].branch or "", method)) if len(vias) == 1 else None
        if tx is None:  # not ours (8.1.3.3, 18.1.2), or too late
            logger.debug("response %s to %s matches nothing", response.status, method)
            return []
        out: list[Command] = []
        kind = kind_of(response.status)
        if kind is Input.SUCCESS and method == "INVITE" and self._known_2xx(tx, response, out):
            return out
        if kind is not Input.PROVISIONAL or method != "INVITE" or self._reliable.is_news(tx, response):
            self._feed(tx, kind, response, now, out)
        if tx.cancelled and tx.state is State.PROCEEDING:
            self._send_cancel(tx, now, out)
        return out

    def _known_2xx(self, tx: Transaction, response: Response, out: list[Command]) -> bool:
        """True for a 2xx that is no news; one that came before gets its ACK again, if any (13.2.2.4)."""
        acks = self._acks.setdefault(tx.key, {})
        tag = response.to_tag or ""
        if tag in acks:
            ack = acks[tag]
            if ack is not None:
                out.append(ack)
            return True
        if len(acks) >= MAX_FORKS:
            logger.debug("%s has %s answers already", tx.key, MAX_FORKS)
            return True
        acks[tag] = None
        self._invites[_invite_key(tx.request)] = tx.key
        return False

    # ---- what the user sends

    def request(
        self, request: Request, flow: Flow, now: float, *, context: Context, ttl: float | None = None
    ) -> tuple[Key, list[Command]]:
        """Start a client transaction (not for ACK and CANCEL). Adds Via, and Max-Forwards where it lacks.

        `ttl`: seconds to wait for the first response to an INVITE or the final one to others, else 64*T1.
        """
        if request.method in ("ACK", "CANCEL"):
            raise UsageError(f"{request.method} has its own method")
        branch = self._branch()
        request.headers.prepend("Via", own_via(flow, branch, self.edge_id))
        if "Max-Forwards" not in request.headers:
            request.headers.add("Max-Forwards", "70")
        tx = self._open_client(client_key(branch, request.method), request, flow, context, ttl)
        out: list[Command] = []
        tx.feed(Input.START, None, now, out)
        return tx.key, out

    def _open_client(
        self, key: Key, request: Request, flow: Flow, context: Context, ttl: float | None
    ) -> Transaction:
        invite = request.method == "INVITE"
        table, state = (INVITE_CLIENT, State.CALLING) if invite else (OTHER_CLIENT, State.TRYING)
        tx = Transaction(table, state, key, request, flow, self.timing, context, ttl)
        self._add(tx)
        return tx

    def respond(self, key: Key, response: Response, now: float) -> list[Command]:
        """Answer a request; nothing happens when its transaction is over. A 2xx to an INVITE needs a To tag.

        Its retransmission until the ACK comes is the endpoint's work (13.3.1.4), over any transport; so is
        that of a 101-199 with `Require: 100rel` until its PRACK, for which later answers wait (RFC 3262).
        """
        tx = self._transactions.get(key)
        if tx is None:  # its flow was lost, or the peer has given up
            logger.debug("%s is over, %s not sent", key, response.status)
            return []
        if not tx.serves:
            raise UsageError("respond() takes the key of a request that came in")
        out: list[Command] = []
        kind = kind_of(response.status)
        was = tx.state
        if tx.table is INVITE_SERVER and not self._reliable.admit(tx, response, now, out):
            return out
        self._feed(tx, kind, response, now, out)
        if kind is Input.SUCCESS and was is State.PROCEEDING and tx.state is State.ACCEPTED:
            self._await_ack(tx, response, now, out)
        return out

    def _await_ack(self, tx: Transaction, response: Response, now: float, out: list[Command]) -> None:
        request, t1 = tx.request, self.timing.t1
        ack_key = (request.call_id, request.from_tag or "", response.to_tag or "", request.cseq.number)
        self._answered[tx.key] = Answered(response, tx.flow, now + self.timing.timeout, t1, ack_key)
        self._answered_by[ack_key] = tx.key
        out.append(SetTimer((RETRY_2XX, *tx.key), now + t1))

    def cancel(self, key: Key, now: float, headers: Iterable[tuple[str, str]] = ()) -> list[Command]:
        """Cancel our INVITE, as soon as a provisional response allows it (9.1); too late is no error.
        `headers` go into the CANCEL, such as Reason (RFC 3326).

        The user gets the INVITE's own end: mostly 487, a 2xx that crossed (ACK and BYE it), or RequestFailed.
        """
        tx = self._transactions.get(key)
        out: list[Command] = []
        if tx is None or tx.table is not INVITE_CLIENT:
            return out
        tx.cancel_headers = headers
        if tx.state is State.CALLING:
            tx.cancelled = True
        elif tx.state is State.PROCEEDING:
            self._send_cancel(tx, now, out)
        return out

    def _send_cancel(self, invite: Transaction, now: float, out: list[Command]) -> None:
        key = client_key(invite.key[1], "CANCEL")
        invite.cancelled = False
        if Input.TIMER_X in invite.running:  # sent already
            return
        request = hop_request(invite.request, "CANCEL")
        for name, value in invite.cancel_headers:
            request.headers.add(name, value)
        self._open_client(key, request, invite.flow, _CANCEL, None).feed(Input.START, None, now, out)
        invite.feed(Input.CANCELLED, None, now, out)

    def acknowledge(self, ack: Request, flow: Flow, now: float) -> list[Command]:
        """Send the ACK for a 2xx, and again each time that 2xx comes again (13.2.2.4)."""
        ack.headers.prepend("Via", own_via(flow, self._branch(), self.edge_id))
        send = Send(flow, ack)
        key = self._invites.get(_invite_key(ack))
        if key is not None:
            self._acks[key][ack.to_tag or ""] = send
        return [send]

    def stray(self, request: Request, flow: Flow, status: int = 481) -> list[Command]:
        """Answer a request without its transaction; an ACK gets none."""
        if request.method == "ACK":
            return []
        return self.send_stateless(make_response(request, status), flow)

    def send_stateless(self, response: Response, flow: Flow) -> list[Command]:
        """Send a response without a transaction; `flow` is the one its request came by."""
        return [Send(way_back(response.via, flow), response)]

    # ---- what time and transports do

    def fire(self, timer_key: Key, now: float) -> list[Command]:
        """A timer is due; one that is no longer wanted does nothing."""
        name, key = timer_key[0], timer_key[1:]
        if name == RETRY_2XX:
            return self._retry_2xx(key, now)
        if name == RETRY_1XX:
            return self._retry_1xx(key, now)
        out: list[Command] = []
        tx = self._transactions.get(key)
        if tx is not None and name in tx.running:
            tx.running.discard(name)
            self._feed(tx, TIMERS[name], None, now, out)
        return out

    def _retry_1xx(self, key: Key, now: float) -> list[Command]:
        """The user has answered where a 2xx waited for the PRACK, so it is for us to reject the INVITE then
        (RFC 3262 3)."""
        out: list[Command] = []
        unsent = self._reliable.fire(key, now, out)
        if unsent is not None:
            tx = self._transactions[key]
            self._feed(tx, Input.FAILURE, make_response(tx.request, 504, to_tag=unsent.to_tag), now, out)
        return out

    def _retry_2xx(self, key: Key, now: float) -> list[Command]:
        answered = self._answered.get(key)
        if answered is None or answered.acked:
            return []
        if now >= answered.deadline:
            self._forget_answer(key)
            return [PassUp(AckMissing(key))]
        answered.interval = min(2 * answered.interval, self.timing.t2)
        timer = SetTimer((RETRY_2XX, *key), min(now + answered.interval, answered.deadline))
        return [timer] if answered.flow is None else [Send(answered.flow, answered.response), timer]

    def flow_lost(self, flow_id: str, now: float) -> list[Command]:
        """The flow is gone: client transactions fail with 503, server transactions end.

        The wait for the ACK of a 2xx goes on: it may come by the flow that takes this one's place.
        """
        out: list[Command] = []
        for key in sorted(self._by_flow.get(flow_id, ())):
            if key in self._answered:
                self._answered[key].flow = None
            self._feed(self._transactions[key], Input.LOST, None, now, out)
        return out

    # ---- the tables

    def _branch(self) -> str:
        return f"{MAGIC_COOKIE}{self.edge_id}-{self._random.getrandbits(64):016x}"

    def _add(self, tx: Transaction) -> None:
        self._transactions[tx.key] = tx
        self._by_flow.setdefault(tx.flow.id, set()).add(tx.key)

    def _feed(
        self, tx: Transaction, what: Input, message: Request | Response | None, now: float, out: list[Command]
    ) -> None:
        if tx.context is _CANCEL:  # the user hears only of the INVITE's end
            commands: list[Command] = []
            tx.feed(what, message, now, commands)
            out += [command for command in commands if not isinstance(command, PassUp)]
        else:
            tx.feed(what, message, now, out)
        if tx.state is State.TERMINATED:
            self._remove(tx)

    def _remove(self, tx: Transaction) -> None:
        """Forget a transaction that has terminated, and all that hangs on it."""
        key = tx.key
        del self._transactions[key]
        keys = self._by_flow[tx.flow.id]
        keys.discard(key)
        if not keys:
            del self._by_flow[tx.flow.id]
        request = tx.request
        if request.method == "INVITE":
            self._reliable.forget(key)
        if tx.serves:
            merge_key = _merge_key(request)
            if self._merged.get(merge_key) == key:
                del self._merged[merge_key]
            answered = self._answered.get(key)
            if answered is not None and answered.acked:
                self._forget_answer(key)
        elif self._acks.pop(key, None) is not None:
            self._invites.pop(_invite_key(request), None)

    def _forget_answer(self, key: Key) -> None:
        answered = self._answered.pop(key)
        self._answered_by.pop(answered.ack_key, None)


def _merge_key(request: Request) -> Key:
    """What two copies of one request share when they came by different ways (8.2.2.2)."""
    cseq = request.cseq
    return request.call_id, request.from_tag or "", str(cseq.number), cseq.method


def _invite_key(request: Request) -> Key:
    """What ties our ACK for a 2xx to our INVITE; the To tag tells the forks apart."""
    return request.call_id, request.from_tag or "", str(request.cseq.number)
