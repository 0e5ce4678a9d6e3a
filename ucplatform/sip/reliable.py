"""Reliable provisional responses (RFC 3262): ours until their PRACK has come, the peer's in their order."""

import random
from dataclasses import dataclass, field

from ucplatform.sip import fields
from ucplatform.sip.commands import CancelTimer, Command, Key, PassUp, PrackMissing, Send, SetTimer
from ucplatform.sip.errors import ParseError
from ucplatform.sip.message import Request, Response
from ucplatform.sip.timers import Timing
from ucplatform.sip.transaction import State, Transaction

RETRY_1XX = "1xx"  # the timer beside those of RFC 3261: our reliable response again until its PRACK comes
MAX_WAITING = 16  # responses to one INVITE that wait for the PRACK of the one before
MAX_FORKS = 64  # dialogs of one INVITE whose order is watched

RAckKey = tuple[str, str, str, int, int]
"""Call-ID, From tag, To tag, the INVITE's CSeq number and RSeq: what ties a PRACK to its response (3)."""


@dataclass(slots=True)
class Offered:
    """The reliable responses to one INVITE. `sent` is the one without a PRACK, `waiting` what comes after."""

    tx: Transaction
    rseq: int
    sent: Response | None = None
    deadline: float = 0.0
    interval: float = 0.0
    waiting: list[Response] = field(default_factory=list)
    rack_keys: list[RAckKey] = field(default_factory=list)

    @property
    def answered(self) -> bool:
        """Whether the 2xx is among those that wait; nothing comes behind it."""
        return bool(self.waiting) and self.waiting[-1].status >= 200


class Reliable:
    """Both sides of RFC 3262 beside the INVITE transactions of one endpoint, whose keys it uses."""

    def __init__(self, timing: Timing, rng: random.Random) -> None:
        self._timing = timing
        self._random = rng
        self._offered: dict[Key, Offered] = {}
        self._by_rack: dict[RAckKey, Key] = {}
        self._heard: dict[Key, dict[str, int]] = {}  # our INVITE → To tag → the last RSeq

    # ---- ours

    def admit(self, tx: Transaction, response: Response, now: float, out: list[Command]) -> bool:
        """Whether the answer to an INVITE may be sent now; if not, it is kept until a PRACK releases it.

        A 2xx has to wait for the PRACK of a description (3), a second reliable response for that of the
        first. Failures never wait. A reliable response gets its RSeq here, and is sent again until its PRACK.
        """
        offered = self._offered.get(tx.key)
        reliable = _is_reliable(response)
        if tx.state is not State.PROCEEDING or (offered is None and not reliable):
            return True
        if offered is None:
            offered = self._offered[tx.key] = Offered(tx, self._random.randrange(1, 2**31))
        if response.status < 300 and self._must_wait(offered, response, reliable):
            if not offered.answered and (response.status >= 200 or len(offered.waiting) < MAX_WAITING):
                offered.waiting.append(response)
            return False
        if reliable:
            self._sent(offered, response, now, out)
        elif response.status >= 200:  # nothing is repeated behind a final response, but its PRACK may come
            self._stop(offered, out)
        return True

    @staticmethod
    def _must_wait(offered: Offered, response: Response, reliable: bool) -> bool:
        if offered.sent is None:
            return False
        if response.status >= 200:
            return bool(offered.sent.body) or any(response.body for response in offered.waiting)
        return reliable or offered.answered  # unreliable ones may overtake, until the call is answered

    def _sent(self, offered: Offered, response: Response, now: float, out: list[Command]) -> None:
        tx, request = offered.tx, offered.tx.request
        if "RSeq" not in response.headers:
            response.headers.add("RSeq", str(offered.rseq))
        number = fields.rseq(response) or offered.rseq
        offered.rseq = number + 1
        key = (
            request.call_id,
            request.from_tag or "",
            response.to_tag or "",
            request.cseq.number,
            number,
        )
        self._by_rack[key] = tx.key
        offered.rack_keys.append(key)
        offered.sent = response
        offered.deadline = now + self._timing.timeout
        offered.interval = self._timing.t1
        out.append(SetTimer((RETRY_1XX, *tx.key), now + offered.interval))

    @staticmethod
    def _stop(offered: Offered, out: list[Command]) -> None:
        if offered.sent is not None:
            out.append(CancelTimer((RETRY_1XX, *offered.tx.key)))
        offered.sent = None
        offered.waiting.clear()

    def awaits(self, prack: Request) -> bool:
        """Whether there is a response without a PRACK that this one acknowledges; else it gets 481 (3)."""
        return _rack_key(prack) in self._by_rack

    def acknowledge(self, prack: Request, out: list[Command]) -> tuple[Key, list[Response]]:
        """Take a PRACK that is awaited: the INVITE's key, and the responses that no longer wait for it."""
        rack_key = _rack_key(prack)
        key = self._by_rack.pop(rack_key)
        offered = self._offered[key]
        last = rack_key == offered.rack_keys[-1]
        offered.rack_keys.remove(rack_key)
        if not last:  # of one that was given up; the newer one is still without a PRACK
            return key, []
        waiting = offered.waiting.copy()
        self._stop(offered, out)
        return key, waiting

    def fire(self, key: Key, now: float, out: list[Command]) -> Response | None:
        """Send it again: after T1, then doubling, for 64*T1 over any transport (3). Comes back with the 2xx
        that has waited in vain: somebody else has to answer the INVITE then."""
        offered = self._offered.get(key)
        if offered is None or offered.sent is None:
            return None
        if now >= offered.deadline:
            given_up = offered.waiting[-1] if offered.answered else None
            offered.sent = None
            offered.waiting.clear()
            out.append(PassUp(PrackMissing(key)))
            return given_up
        offered.interval *= 2
        again = min(now + offered.interval, offered.deadline)
        out += [Send(offered.tx.flow, offered.sent), SetTimer((RETRY_1XX, *key), again)]
        return None

    # ---- the peer's

    def is_news(self, tx: Transaction, response: Response) -> bool:
        """False for a reliable response that came before, or before its turn (4): it is not passed up.

        Nothing else is needed: a PRACK repeats itself, and so does the response that was out of turn.
        """
        if not fields.reliable(response):
            return True
        heard = self._heard.setdefault(tx.key, {})
        tag, number = response.to_tag or "", fields.rseq(response) or 0
        last = heard.get(tag)
        if number != last + 1 if last is not None else len(heard) >= MAX_FORKS:
            return False
        heard[tag] = number
        return True

    # ---- both

    def forget(self, key: Key) -> None:
        """The INVITE's transaction is gone. A timer that still runs will find nothing to do."""
        self._heard.pop(key, None)
        offered = self._offered.pop(key, None)
        if offered is not None:
            for rack_key in offered.rack_keys:
                self._by_rack.pop(rack_key, None)


def _is_reliable(response: Response) -> bool:
    return 100 < response.status < 200 and "require" in response.headers and "100rel" in response.require


def _rack_key(prack: Request) -> RAckKey:
    """ParseError(400) without RAck."""
    rack = fields.rack(prack)
    if rack is None:
        raise ParseError("RAck is missing")
    # The response went to the peer's INVITE: From and To stand here as they stood there.
    return prack.call_id, prack.from_tag or "", prack.to_tag or "", rack.cseq, rack.rseq
