"""Who calls, as the other side is told: our word at the border, never what the caller wrote (RFC 3325)."""

from __future__ import annotations

from ucplatform.pbx.leg import Leg
from ucplatform.pbx.ports import House
from ucplatform.sip.uri import Uri
from ucplatform.sip.values import Diversion, HistoryInfo

Lines = list[tuple[str, str]]

#: RFC 3323 4.1.1.3.
ANONYMOUS = '"Anonymous" <sip:anonymous@anonymous.invalid>'


def quote(name: str) -> str:
    """A display name as a quoted-string (RFC 3261 25.1); control characters are gone."""
    clean = "".join(c for c in name if c.isprintable())
    return '"' + clean.replace("\\", "\\\\").replace('"', '\\"') + '"'


def address(leg: Leg, house: House) -> str:
    """The account of the leg as a name-addr."""
    name = f"{quote(leg.name)} " if leg.name else ""
    return f"{name}<sip:{leg.number}@{house.domain}>"


def presented(caller: Leg, house: House) -> Lines:
    """From without its tag, and the identity that we vouch for. A caller that hides (RFC 3323, `Privacy: id`)
    is hidden from telephones too: they are no part of our trust domain."""
    if caller.private:
        return [("From", ANONYMOUS), ("Privacy", "id")]
    own = address(caller, house)
    return [("From", own), ("P-Asserted-Identity", own)]


def connected(leg: Leg, house: House) -> Lines:
    """Who is at the other end now, for a display (RFC 3325 9.1)."""
    return [] if leg.private else [("P-Asserted-Identity", address(leg, house))]


def shown(leg: Leg) -> str:
    """The user part of our Contact where it stands for `leg`."""
    return "anonymous" if leg.private else leg.number


def way(domain: str, number: str, history: tuple[tuple[str, int], ...]) -> Lines:
    """How the call came to `number`: every target with why it was left (RFC 7044 10), and who diverted it
    (RFC 5806), the newest first. What others wrote about that is not passed on."""
    found, index = [], "1"
    for left, status in history:
        uri = Uri("sip", left, None, domain, None, (), f"Reason=SIP%3Bcause%3D{status}")
        found.append(("History-Info", str(HistoryInfo(index, uri))))
        index += ".1"
    if history:
        here = HistoryInfo(index, Uri("sip", number, None, domain), (("mp", index[:-2]),))
        found.append(("History-Info", str(here)))
    for left, _ in reversed(history):
        found.append(("Diversion", str(Diversion.of(Uri("sip", left, None, domain), "deflection"))))
    return found
