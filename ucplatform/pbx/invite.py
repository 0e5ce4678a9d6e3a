"""The requests that call control writes, and what it reads from a body."""

from __future__ import annotations

from collections.abc import Iterable

from ucplatform import sdp
from ucplatform.pbx.call import ALLOW, PRODUCT, SUPPORTED, Call, new_tag
from ucplatform.pbx.identity import presented, shown
from ucplatform.pbx.leg import Leg
from ucplatform.pbx.outcome import Outcome
from ucplatform.sip import fields, multipart
from ucplatform.sip.errors import ParseError
from ucplatform.sip.headers import Headers
from ucplatform.sip.message import Request, Response
from ucplatform.sip.tokens import token
from ucplatform.sip.uri import Uri

SDP = "application/sdp"

#: A reliable provisional response to an INVITE without an offer would bring one (RFC 3262 5), too early.
_WITHOUT_OFFER = SUPPORTED.replace("100rel, ", "")


def description(message: Request | Response) -> str | None:
    """The SDP body as text; None when there is none. Raises sdp.SdpError when it is no SDP."""
    try:
        body = multipart.part(message, SDP) if message.body else None
    except ParseError as error:
        raise sdp.SdpError(error.reason) from error
    if not body:
        return None
    sdp.parse(body)
    return body.decode("utf-8", "surrogateescape")


def unreadable(request: Request) -> int:
    """415 or 400 for a body that must be understood and is not (RFC 3261 8.2.3, RFC 5621), else 0."""
    try:
        return 415 if multipart.unknown(request, {SDP}) is not None else 0
    except ParseError:
        return 400


def invite(
    call: Call, leg: Leg, body: str, extra: Iterable[tuple[str, str]] = (), *, caller: Leg | None = None
) -> Request:
    """The INVITE for one device, from the caller's account, whatever the caller wrote (SECURITY)."""
    caller, house = caller or call.caller, call.house
    leg.local_tag = new_tag(house.edge_id)
    leg.sip_call_id = f"{token(12)}@{house.domain}"
    leg.invite_cseq, leg.called = 1, True
    headers = Headers([("Route", hop) for hop in leg.path])
    # Counted on through us (RFC 7332), or two forwarding phones would call each other for ever.
    hops = caller.request.max_forwards if caller.request else None
    headers.add("Max-Forwards", str(70 if hops is None else min(max(hops - 1, 0), 70)))
    headers.add("Max-Breadth", str(max(1, breadth(caller.request) // max(1, len(call.devices)))))
    for name, value in presented(caller, house):
        headers.add(name, f"{value};tag={leg.local_tag}" if name == "From" else value)
    headers.add("To", f"<sip:{leg.number}@{house.domain}>")
    headers.add("Call-ID", leg.sip_call_id)
    headers.add("CSeq", "1 INVITE")
    headers.add("Contact", leg.contact_header(house, shown(caller)))
    headers.add("Allow", ALLOW)
    headers.add("Supported", SUPPORTED if body else _WITHOUT_OFFER)
    headers.add("User-Agent", PRODUCT)
    for line in extra:
        headers.add(*line)
    if body:
        headers.add("Content-Type", SDP)
    return Request("INVITE", Uri.parse(leg.contact), headers, body.encode("utf-8", "surrogateescape"))


def breadth(request: Request | None) -> int:
    """How many branches a call may have at a time; each gets its share (RFC 5393 section 5.3.3)."""
    given = fields.max_breadth(request) if request else None
    return given.value if given else fields.DEFAULT_BREADTH


def bye(call: Call, leg: Leg, outcome: Outcome) -> Request:
    """BYE with the reason in it (RFC 3326); the leg's dialog counts on."""
    assert leg.dialog is not None
    text = outcome.sentence or outcome.cause
    reasons = call.reasons or (f'SIP;cause={outcome.status};text="{text}"',)
    headers = [*(("Reason", reason) for reason in reasons), ("User-Agent", PRODUCT)]
    leg.dialog, request = leg.dialog.request("BYE", headers=[*headers, *_cause(leg, outcome)])
    return request


def reasons(request: Request) -> tuple[str, ...]:
    """Why a side hung up or gave up, for the other (RFC 3326): by SIP and by Q.850, written anew."""
    found = fields.reasons(request) if "Reason" in request.headers else ()
    return tuple(str(reason) for reason in found if reason.protocol.lower() in ("sip", "q.850"))[:2]


def explanation(call: Call, leg: Leg, outcome: Outcome) -> tuple[tuple[str, str], ...]:
    """Why a call failed: a Warning that a display may show (RFC 3261 20.43), and for a page the record's
    own word."""
    warning = (("Warning", f'399 {call.house.domain} "{outcome.sentence}"'),) if outcome.sentence else ()
    return (*warning, *_cause(leg, outcome))


def _cause(leg: Leg, outcome: Outcome) -> tuple[tuple[str, str], ...]:
    return (("X-UC-Cause", outcome.cause),) if leg.browser else ()
