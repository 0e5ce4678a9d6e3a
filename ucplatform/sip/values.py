"""Typed values of the headers beyond those that every message has. `fields` reads them from messages.

`parse` takes one header value, in linear time, and raises ParseError(400) when it is malformed; `str` writes
it back.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from ucplatform.sip.errors import ParseError
from ucplatform.sip.grammar import (
    BLANK,
    Params,
    format_params,
    get_param,
    is_token,
    number,
    parse_params,
    percent_decode,
    quote,
    set_param,
)
from ucplatform.sip.headers import NameAddr, Replaces, header_key
from ucplatform.sip.uri import Uri

MAX_SECONDS = 2**32 - 1
MAX_INDEX = 128
"""Characters of a History-Info index; what is deeper than that is no history any more."""

DEFAULT_BREADTH = 60
"""What a request without Max-Breadth begins with (RFC 5393 section 5.3.3)."""

_NOT_INDEX = re.compile(r"[^0-9.]")
_NOT_DECIMAL = re.compile(r"[^0-9.]")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


# ---- session timers (RFC 4028) and reliable provisional responses (RFC 3262)


@dataclass(frozen=True, slots=True)
class SessionExpires:
    """The session interval (RFC 4028 section 4). `refresher`: 'uac', 'uas' or None."""

    seconds: int
    refresher: str | None = None

    @classmethod
    def parse(cls, text: str) -> SessionExpires:
        value, params = _split(text)
        refresher = get_param(params, "refresher")
        if refresher is not None:
            refresher = refresher.lower()
            if refresher not in ("uac", "uas"):
                raise ParseError("malformed refresher")
        return cls(number(value, MAX_SECONDS, "Session-Expires"), refresher)

    def __str__(self) -> str:
        return f"{self.seconds};refresher={self.refresher}" if self.refresher else str(self.seconds)


@dataclass(frozen=True, slots=True)
class MinSE:
    """The shortest session interval a party takes, in seconds (RFC 4028 section 5)."""

    seconds: int

    @classmethod
    def parse(cls, text: str) -> MinSE:
        return cls(number(_split(text)[0], MAX_SECONDS, "Min-SE"))

    def __str__(self) -> str:
        return str(self.seconds)


@dataclass(frozen=True, slots=True)
class RAck:
    """Which reliable provisional response a PRACK acknowledges (RFC 3262 section 7.2)."""

    rseq: int
    cseq: int
    method: str

    @classmethod
    def parse(cls, text: str) -> RAck:
        words = text.split()
        if len(words) != 3 or not is_token(words[2]):
            raise ParseError("malformed RAck")
        return cls(parse_rseq(words[0]), number(words[1], 2**31 - 1, "RAck"), words[2])

    def __str__(self) -> str:
        return f"{self.rseq} {self.cseq} {self.method}"


def parse_rseq(text: str) -> int:
    """An RSeq value, 1 to 2**32-1 (RFC 3262 section 7.1)."""
    value = number(text, 2**32 - 1, "RSeq")
    if value == 0:
        raise ParseError("RSeq is out of range")
    return value


# ---- transfer (RFC 3515, 3892, 3911, 4488, 4538)


@dataclass(frozen=True, slots=True)
class ReferTo:
    """Where a REFER sends its recipient (RFC 3515 section 2.1), and the dialog to be replaced there."""

    address: NameAddr
    replaces: Replaces | None = None

    @classmethod
    def parse(cls, text: str) -> ReferTo:
        address = NameAddr.parse(text)
        found = embedded(address.uri, "Replaces")
        if len(found) > 1:
            raise ParseError("more than one Replaces in Refer-To")
        return cls(address, Replaces.parse(found[0]) if found else None)

    @property
    def method(self) -> str:
        """What to send there: INVITE unless the URI says otherwise (RFC 3261 section 19.1.1)."""
        return self.address.uri.param("method") or "INVITE"

    @property
    def target(self) -> Uri:
        """The URI as a Request-URI may carry it: without method and embedded headers."""
        uri = self.address.uri
        if uri.opaque:
            return uri
        bare = uri.without_param("method")
        return Uri(bare.scheme, bare.user, bare.password, bare.host, bare.port, bare.params)

    def __str__(self) -> str:
        return str(self.address)


@dataclass(frozen=True, slots=True)
class ReferredBy:
    """Who refers (RFC 3892 section 3). `cid` names the body part that proves it, None without one."""

    address: NameAddr

    @classmethod
    def parse(cls, text: str) -> ReferredBy:
        return cls(NameAddr.parse(text))

    @property
    def cid(self) -> str | None:
        return self.address.param("cid")

    def __str__(self) -> str:
        return str(self.address)


@dataclass(frozen=True, slots=True)
class Join:
    """The dialog that an INVITE wants to become part of (RFC 3911 section 7.1)."""

    call_id: str
    to_tag: str
    from_tag: str

    @classmethod
    def parse(cls, text: str) -> Join:
        return cls(*_dialog(text, "to-tag", "from-tag", "Join"))

    def __str__(self) -> str:
        return f"{self.call_id};to-tag={self.to_tag};from-tag={self.from_tag}"


@dataclass(frozen=True, slots=True)
class TargetDialog:
    """The dialog whose knowledge authorises a request (RFC 4538 section 7), as its sender names it."""

    call_id: str
    local_tag: str
    remote_tag: str

    @classmethod
    def parse(cls, text: str) -> TargetDialog:
        return cls(*_dialog(text, "local-tag", "remote-tag", "Target-Dialog"))

    def __str__(self) -> str:
        return f"{self.call_id};local-tag={self.local_tag};remote-tag={self.remote_tag}"


def _dialog(text: str, first: str, second: str, what: str) -> tuple[str, str, str]:
    """A Call-ID and the two tags of that name."""
    call_id, params = _split(text)
    one, other = get_param(params, first) or "", get_param(params, second) or ""
    if not call_id or " " in call_id or "\t" in call_id or not is_token(one) or not is_token(other):
        raise ParseError(f"malformed {what}")
    return call_id, one, other


def parse_flag(text: str) -> bool:
    """A Refer-Sub value: `true` or `false` (RFC 4488 section 4)."""
    value = _split(text)[0].lower()
    if value not in ("true", "false"):
        raise ParseError("neither true nor false")
    return value == "true"


def embedded(uri: Uri, name: str) -> list[str]:
    """The values of one header that a URI carries behind `?` (RFC 3261 section 19.1.1), decoded.

    ParseError(400) when decoding brings a line break to light: it would become a header of its own.
    """
    wanted, found = header_key(name), []
    for pair in uri.headers.split("&") if uri.headers else ():
        key, _, value = pair.partition("=")
        if header_key(percent_decode(key)) == wanted:
            value = percent_decode(value)
            if "\r" in value or "\n" in value or "\x00" in value:
                raise ParseError("line break in a header of a URI")
            found.append(value)
    return found


# ---- why and by which way (RFC 3326, 5806, 7044)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a request was sent (RFC 3326). `protocol` is 'SIP', 'Q.850' or another; `cause` its code."""

    protocol: str
    cause: int | None = None
    text: str = ""

    @classmethod
    def parse(cls, text: str) -> Reason:
        protocol, params = _split(text)
        if not is_token(protocol):
            raise ParseError("malformed Reason")
        cause = get_param(params, "cause")
        code = None if cause is None else number(cause, 2**31 - 1, "cause")
        return cls(protocol, code, get_param(params, "text") or "")

    def __str__(self) -> str:
        cause = "" if self.cause is None else f";cause={self.cause}"
        return f"{self.protocol}{cause};text={quote(self.text)}" if self.text else f"{self.protocol}{cause}"


@dataclass(frozen=True, slots=True)
class Diversion:
    """Who diverted a call and why (RFC 5806): the newest diversion stands first."""

    address: NameAddr

    @classmethod
    def parse(cls, text: str) -> Diversion:
        return cls(NameAddr.parse(text))

    @classmethod
    def of(cls, uri: Uri, reason: str, *, display: str = "", counter: int = 1) -> Diversion:
        """One of ours. `reason`: unconditional, user-busy, no-answer, deflection …"""
        return cls(NameAddr(display, uri, (("reason", reason), ("counter", str(counter)))))

    @property
    def reason(self) -> str:
        """In lower case; 'unknown' where none is given."""
        return (self.address.param("reason") or "unknown").lower()

    @property
    def counter(self) -> int:
        """How many diversions this entry stands for, at least 1; a counter that is no number counts 1."""
        value = self.address.param("counter") or ""
        return max(1, int(value)) if value.isascii() and value.isdigit() and len(value) < 4 else 1

    def __str__(self) -> str:
        return str(self.address)


@dataclass(frozen=True, slots=True)
class HistoryInfo:
    """One target that a request has had (RFC 7044 section 5), the oldest first.

    `uri` may carry a Reason and a Privacy of its own (`embedded`); `params` are rc, mp, np and the like.
    """

    index: str
    uri: Uri
    params: Params = ()
    display: str = ""

    @classmethod
    def parse(cls, text: str) -> HistoryInfo:
        address = NameAddr.parse(text)
        index = address.param("index") or ""
        wrong = len(index) > MAX_INDEX or _NOT_INDEX.search(index)
        if wrong or not all(index.split(".")):
            raise ParseError("malformed History-Info index")
        return cls(index, address.uri, address.without_param("index").params, address.display)

    @property
    def reason(self) -> Reason | None:
        """Why this target did not take the request, None where nobody says."""
        try:
            found = embedded(self.uri, "Reason")
            return Reason.parse(found[0]) if found else None
        except ParseError:
            return None

    def __str__(self) -> str:
        return str(NameAddr(self.display, self.uri, (("index", self.index), *self.params)))


# ---- event packages (RFC 6665)


@dataclass(frozen=True, slots=True)
class Event:
    """An event package with its template, such as `presence.winfo`, and the subscription's id."""

    package: str
    id: str | None = None
    params: Params = ()

    @classmethod
    def parse(cls, text: str) -> Event:
        package, params = _split(text)
        if not is_token(package):
            raise ParseError("malformed Event")
        rest = tuple(pair for pair in params if pair[0].lower() != "id")
        return cls(package.lower(), get_param(params, "id"), rest)

    def __str__(self) -> str:
        own = () if self.id is None else set_param((), "id", self.id)
        return f"{self.package}{format_params((*own, *self.params))}"


@dataclass(frozen=True, slots=True)
class SubscriptionState:
    """`state`: active, pending, terminated or another; times in seconds, `reason` in lower case."""

    state: str
    expires: int | None = None
    reason: str | None = None
    retry_after: int | None = None

    @classmethod
    def parse(cls, text: str) -> SubscriptionState:
        state, params = _split(text)
        if not is_token(state):
            raise ParseError("malformed Subscription-State")
        reason = get_param(params, "reason")
        return cls(
            state.lower(),
            _seconds(params, "expires"),
            None if reason is None else reason.lower(),
            _seconds(params, "retry-after"),
        )

    def __str__(self) -> str:
        expires = "" if self.expires is None else f";expires={self.expires}"
        reason = "" if self.reason is None else format_params(set_param((), "reason", self.reason))
        retry = "" if self.retry_after is None else f";retry-after={self.retry_after}"
        return f"{self.state}{reason}{expires}{retry}"


# ---- for any request or response


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """When to try again (RFC 3261 section 20.33). `duration`: how long it will work then, in seconds."""

    seconds: int
    duration: int | None = None
    comment: str = ""

    @classmethod
    def parse(cls, text: str) -> RetryAfter:
        opening, closing = text.find("("), text.rfind(")")
        comment = ""
        if opening >= 0:
            if closing < opening:
                raise ParseError("malformed Retry-After")
            comment = text[opening + 1 : closing]
            text = text[:opening] + text[closing + 1 :]
        value, params = _split(text)
        return cls(number(value, MAX_SECONDS, "Retry-After"), _seconds(params, "duration"), comment)

    def __str__(self) -> str:
        duration = "" if self.duration is None else f";duration={self.duration}"
        return f"{self.seconds} ({self.comment}){duration}" if self.comment else f"{self.seconds}{duration}"


@dataclass(frozen=True, slots=True)
class MaxBreadth:
    """How many branches a request may have at a time, all copies of it together (RFC 5393 section 5)."""

    value: int = DEFAULT_BREADTH

    @classmethod
    def parse(cls, text: str) -> MaxBreadth:
        return cls(number(text, 2**31 - 1, "Max-Breadth"))

    def shares(self, branches: int) -> tuple[MaxBreadth, ...]:
        """What each of so many parallel branches gets: together no more than this, none less than 1.

        Fewer than asked for come back when there is too little; then the rest has to wait for its turn.
        """
        count = min(branches, self.value)
        if count == 0:
            return ()
        each, more = divmod(self.value, count)
        return tuple(MaxBreadth(each + (place < more)) for place in range(count))

    def __str__(self) -> str:
        return str(self.value)


@dataclass(frozen=True, slots=True)
class Privacy:
    """What is to be hidden (RFC 3323 section 4.2), in lower case."""

    values: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Privacy:
        values = [part.strip(BLANK).lower() for part in text.replace(",", ";").split(";")]
        values = [value for value in values if value]
        if not all(map(is_token, values)):
            raise ParseError("malformed Privacy")
        return cls(tuple(values))

    @property
    def hides_identity(self) -> bool:
        """Whether the far end must not learn who calls (RFC 3325 section 7, RFC 3323 section 5)."""
        return not {"id", "user", "header", "full"}.isdisjoint(self.values)

    def __str__(self) -> str:
        return ";".join(self.values)


@dataclass(frozen=True, slots=True)
class Timestamp:
    """When a request was sent by its sender's clock, and how long its answer took (RFC 3261 20.38)."""

    sent: str
    delay: str = ""

    @classmethod
    def parse(cls, text: str) -> Timestamp:
        words = text.split()
        if len(words) not in (1, 2) or not all(map(_is_decimal, words)):
            raise ParseError("malformed Timestamp")
        return cls(*words)

    def __str__(self) -> str:
        return f"{self.sent} {self.delay}" if self.delay else self.sent


def format_date(unix: float) -> str:
    """A Date value (RFC 3261 section 20.17): `Sat, 13 Nov 2010 23:29:00 GMT`."""
    at = time.gmtime(unix)
    clock = f"{at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02}"
    return f"{_DAYS[at.tm_wday]}, {at.tm_mday:02} {_MONTHS[at.tm_mon - 1]} {at.tm_year:04} {clock} GMT"


# ---- what the parsers share


def _split(text: str) -> tuple[str, Params]:
    """A value and its parameters."""
    value, semicolon, params = text.partition(";")
    return value.strip(BLANK), parse_params(params) if semicolon else ()


def _seconds(params: Params, name: str) -> int | None:
    text = get_param(params, name)
    return None if text is None else number(text, MAX_SECONDS, name)


def _is_decimal(text: str) -> bool:
    return bool(text) and len(text) < 40 and not _NOT_DECIMAL.search(text) and text.count(".") < 2
