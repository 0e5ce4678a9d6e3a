"""How a call ended, in the words of the record, and which of several failures the caller is told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outcome:
    """`result` and `cause` are the record's keys; `status` and `reason` go to a caller who still waits."""

    result: str
    cause: str
    status: int
    reason: str
    sentence: str = ""


ANSWERED = Outcome("answered", "normal", 200, "OK")
NO_ANSWER = Outcome("missed", "no_answer", 480, "No Answer", "Nobody answered.")  # RFC 3398 7.2.4.1: cause 19
CANCELLED = Outcome("cancelled", "cancelled", 487, "Request Terminated")
OFFLINE = Outcome(
    "unavailable", "callee_offline", 480, "Not Registered", "No device of this number is online."
)
NO_CODEC = Outcome("failed", "no_common_codec", 488, "Not Acceptable Here", "The two sides share no codec.")
NO_PORTS = Outcome("failed", "no_media_ports", 503, "No Media Ports", "The server has no free media port.")
NO_ENGINE = Outcome(
    "failed", "no_media_engine", 503, "Media Engine Not Answering", "The media server does not answer."
)

NO_PRACK = Outcome("failed", "no_prack", 504, "No PRACK", "The telephone does not confirm that it rings.")
PEER_LOST = Outcome(
    "answered", "peer_lost", 481, "Call Does Not Exist", "The other side no longer knows this call."
)
TRANSFERRED = Outcome("answered", "transferred", 200, "Transferred")
SESSION_EXPIRED = Outcome(
    "answered", "session_expired", 408, "Session Expired", "One side gave no sign of life any more."
)


def engine_outcome(reason: str) -> Outcome:
    """What an engine's refusal means for the call."""
    if "port" in reason:
        return NO_PORTS
    return NO_ENGINE if "answer in time" in reason or "timeout" in reason.lower() else NO_CODEC


_BY_STATUS: dict[int, tuple[str, str]] = {
    403: ("forbidden", "forbidden"),
    404: ("unavailable", "callee_offline"),
    408: ("unavailable", "callee_unreachable"),
    415: ("failed", "no_common_codec"),
    480: ("unavailable", "callee_unavailable"),
    486: ("busy", "busy"),
    487: ("cancelled", "cancelled"),
    488: ("failed", "no_common_codec"),
    503: ("unavailable", "callee_unreachable"),
    600: ("busy", "busy"),
    603: ("declined", "declined"),
    606: ("failed", "no_common_codec"),
}

#: Answers of a device that say nothing to the caller: a challenge is between it and us, a loop is our affair.
_INWARD = frozenset({401, 407, 408, 481, 482, 483, 491})


def of_status(status: int, reason: str) -> Outcome:
    """The outcome of a call whose best answer from the devices was `status`."""
    result, cause = _BY_STATUS.get(status, ("failed", f"sip_{status}"))
    if status in _INWARD or 300 <= status < 400:
        return Outcome(result if status == 408 else "failed", cause, 480, "Temporarily Unavailable")
    return Outcome(result, cause, status, reason)


def best(failures: Iterable[tuple[int, str]]) -> tuple[int, str]:
    """The one response to forward (RFC 3261 16.7 step 6): any 6xx, else the lowest class, in it the most
    telling."""
    ranked = sorted(failures, key=_rank)
    return ranked[0] if ranked else (480, "Temporarily Unavailable")


def _rank(failure: tuple[int, str]) -> tuple[int, int]:
    status = failure[0]
    if status >= 600:
        return (0, status)
    # A person who pressed a key (busy, declined) says more than a device that was not there.
    telling = {486: 0, 480: 1, 488: 2, 415: 3}.get(status, 8 if status in _INWARD else 5)
    return (status // 100, telling)
