"""Dial rules: what a dialled number means to this caller."""

from __future__ import annotations

from dataclasses import dataclass

from ucplatform.pbx.ports import Account, Directory

ECHO = "*43"

#: Emergency numbers of the countries the product is used in, and the ones every phone knows (3GPP TS
#: 22.101 10.1.1).
EMERGENCY = frozenset(
    {"110", "112", "118", "119", "190", "191", "192", "193", "199", "911", "999", "000", "08"}
)


@dataclass(frozen=True, slots=True)
class ToExtension:
    account: Account


@dataclass(frozen=True, slots=True)
class ToApplication:
    """A media application of the gateway, e.g. "echo"."""

    number: str
    name: str
    application: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Nothing rings. `sentence` goes into a Warning header (RFC 3261 20.43), so that a display can show
    it."""

    status: int
    reason: str
    cause: str
    sentence: str


Route = ToExtension | ToApplication | Refusal

UNKNOWN = Refusal(404, "Not Found", "number_unknown", "No one has this number.")
NO_EMERGENCY = Refusal(
    503,
    "Emergency Calls Not Available",
    "emergency",
    "Emergency numbers cannot be called from here yet. Use another telephone.",
)
NO_SUCH_CALL = Refusal(481, "Call Does Not Exist", "no_such_call", "There is no such call.")


def dial(number: str, directory: Directory) -> Route:
    """What `number` (the user part of the Request-URI, unescaped) reaches. Never raises."""
    if number == ECHO:
        return ToApplication(ECHO, "Echo test", "echo")
    account = directory.by_number(number)
    if account is not None and account.enabled:
        return ToExtension(account)
    if number.lstrip("+") in EMERGENCY:
        return NO_EMERGENCY
    return UNKNOWN
