"""Headers beyond those that every message has, read from a message as typed values.

The readers give None (or an empty tuple) where the header is absent, and remember what they read. `check`,
which the endpoint calls for each new request, makes sure that none of them raises afterwards: what decides
how a request is processed must be well-formed, what merely informs is left out when it is not (RFC 3261
8.2.2). In a response, which nobody can refuse, a malformed header counts as absent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ucplatform.sip.errors import ParseError
from ucplatform.sip.headers import Headers, NameAddr
from ucplatform.sip.message import Message, Request, Response
from ucplatform.sip.values import DEFAULT_BREADTH as DEFAULT_BREADTH
from ucplatform.sip.values import Diversion as Diversion
from ucplatform.sip.values import Event as Event
from ucplatform.sip.values import HistoryInfo as HistoryInfo
from ucplatform.sip.values import Join as Join
from ucplatform.sip.values import MaxBreadth as MaxBreadth
from ucplatform.sip.values import MinSE as MinSE
from ucplatform.sip.values import Privacy as Privacy
from ucplatform.sip.values import RAck as RAck
from ucplatform.sip.values import Reason as Reason
from ucplatform.sip.values import ReferredBy as ReferredBy
from ucplatform.sip.values import ReferTo as ReferTo
from ucplatform.sip.values import RetryAfter as RetryAfter
from ucplatform.sip.values import SessionExpires as SessionExpires
from ucplatform.sip.values import SubscriptionState as SubscriptionState
from ucplatform.sip.values import TargetDialog as TargetDialog
from ucplatform.sip.values import Timestamp as Timestamp
from ucplatform.sip.values import embedded as embedded
from ucplatform.sip.values import format_date as format_date
from ucplatform.sip.values import parse_flag, parse_rseq

T = TypeVar("T")

MAX_VALUES = 64
"""Values of one header that are read; History-Info and Diversion of a sane call have a few."""


def _single(key: str, parse: Callable[[str], T], *, strict: bool = True) -> Callable[[Message], T | None]:
    """A reader of a header that stands once. `strict`: malformed, it refuses a request."""

    def read(headers: Headers) -> T:
        return parse(headers.get(key) or "")

    def reader(message: Message) -> T | None:
        headers = message.headers
        if key not in headers:
            return None
        try:
            return headers.typed(key, read)
        except ParseError:
            if strict and isinstance(message, Request):
                raise
            return None

    return reader


def _list(key: str, parse: Callable[[str], T], *, strict: bool = True) -> Callable[[Message], tuple[T, ...]]:
    """A reader of a header with several values; without `strict` the malformed ones are left out."""

    def read(headers: Headers) -> tuple[T, ...]:
        found: list[T] = []
        for text in headers.values(key)[: MAX_VALUES + 1]:
            if len(found) == MAX_VALUES:
                if strict:
                    raise ParseError(f"too many values of {key}")
                break
            try:
                found.append(parse(text))
            except ParseError:
                if strict:
                    raise
        return tuple(found)

    def reader(message: Message) -> tuple[T, ...]:
        headers = message.headers
        if key not in headers:
            return ()
        try:
            return headers.typed(key, read)
        except ParseError:
            if isinstance(message, Request):
                raise
            return ()

    return reader


def _bracketed(text: str) -> NameAddr:
    """A Path or Service-Route value, which wants angle brackets (RFC 3327 section 4, RFC 3608 section 5)."""
    if ">" not in text:
        raise ParseError("a route needs angle brackets")
    return NameAddr.parse(text)


session_expires = _single("session-expires", SessionExpires.parse)
min_se = _single("min-se", MinSE.parse)
rack = _single("rack", RAck.parse)
rseq = _single("rseq", parse_rseq)
refer_to = _single("refer-to", ReferTo.parse)
referred_by = _single("referred-by", ReferredBy.parse)
refer_sub = _single("refer-sub", parse_flag)
join = _single("join", Join.parse)
target_dialog = _single("target-dialog", TargetDialog.parse)
event = _single("event", Event.parse)
subscription_state = _single("subscription-state", SubscriptionState.parse)
max_breadth = _single("max-breadth", MaxBreadth.parse)
privacy = _single("privacy", Privacy.parse)
path = _list("path", _bracketed)
service_route = _list("service-route", _bracketed)

# What merely informs.
timestamp = _single("timestamp", Timestamp.parse, strict=False)
retry_after = _single("retry-after", RetryAfter.parse, strict=False)
reasons = _list("reason", Reason.parse, strict=False)
diversions = _list("diversion", Diversion.parse, strict=False)
history = _list("history-info", HistoryInfo.parse, strict=False)
asserted = _list("p-asserted-identity", NameAddr.parse, strict=False)
preferred = _list("p-preferred-identity", NameAddr.parse, strict=False)

_CHECKED: dict[str, Callable[[Message], object]] = {
    "session-expires": session_expires,
    "min-se": min_se,
    "rack": rack,
    "refer-to": refer_to,
    "referred-by": referred_by,
    "refer-sub": refer_sub,
    "join": join,
    "target-dialog": target_dialog,
    "event": event,
    "subscription-state": subscription_state,
    "max-breadth": max_breadth,
    "privacy": privacy,
    "path": path,
}


def check(request: Request) -> None:
    """Read what decides how a request is processed; afterwards no reader raises. ParseError(400)."""
    for key, _, _ in request.headers.wire_items():
        read = _CHECKED.get(key)
        if read is not None:
            read(request)


def reason(message: Message, protocol: str = "SIP") -> Reason | None:
    """The Reason of one protocol (RFC 3326 section 2), such as 'Q.850'."""
    wanted = protocol.lower()
    return next((found for found in reasons(message) if found.protocol.lower() == wanted), None)


def reliable(response: Response) -> bool:
    """Whether a response is a reliable provisional one (RFC 3262 section 4), which wants a PRACK."""
    if not 100 < response.status < 200 or "require" not in response.headers:
        return False
    return "100rel" in response.require and rseq(response) is not None


def accepts(message: Message, media_type: str) -> bool:
    """Whether an answer may have that media type (RFC 3261 section 20.1); who names none takes it."""
    if "accept" not in message.headers:
        return True
    ranges = {"".join(value.partition(";")[0].split()).lower() for value in message.headers.values("accept")}
    return not ranges.isdisjoint((media_type, f"{media_type.partition('/')[0]}/*", "*/*"))
