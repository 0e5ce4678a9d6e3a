"""Session timers (RFC 4028), each leg by itself: who refreshes, when, and what if nobody does."""

from __future__ import annotations

from ucplatform import sdp
from ucplatform.pbx.call import ALLOW, SUPPORTED, Call
from ucplatform.pbx.commands import Save, SendRequest
from ucplatform.pbx.ending import end
from ucplatform.pbx.exchange import Exchange
from ucplatform.pbx.inputs import NoReply, Reply, Restored, Timeout
from ucplatform.pbx.invite import SDP, description
from ucplatform.pbx.leg import Leg
from ucplatform.pbx.outcome import PEER_LOST, SESSION_EXPIRED
from ucplatform.pbx.ports import House
from ucplatform.pbx.session_timer import LEAST
from ucplatform.sip import fields
from ucplatform.sip.commands import Key
from ucplatform.sip.message import Request, Response
from ucplatform.sip.values import MinSE, SessionExpires

MIN_SE = (("Min-SE", str(LEAST)),)

#: An interval that a peer may ask us to take by 422, seconds; more than a day is none.
MOST = 86_400

#: When a refresh is tried again that has found the call busy or the page away, seconds.
AGAIN = 5.0

HeaderLines = list[tuple[str, str]]


def wishes(house: House, leg: Leg) -> HeaderLines:
    """What stands in our INVITE, re-INVITE and UPDATE (section 7.1, 7.4)."""
    timer = leg.timer
    seconds = max(timer.seconds or house.session_expires, timer.least)
    if not house.session_expires:
        return []
    refresher = None if not timer.seconds else "uac" if timer.ours else "uas"
    lines = [("Session-Expires", str(SessionExpires(seconds, refresher)))]
    if timer.least > LEAST:
        lines.append(("Min-SE", str(timer.least)))
    return lines


def inside(house: House, leg: Leg) -> HeaderLines:
    """The same for a re-INVITE or UPDATE, which says anew what we can do (RFC 3261 20.5, RFC 4028 7.1)."""
    return [("Allow", ALLOW), ("Supported", SUPPORTED), *wishes(house, leg)]


def taken(call: Call, leg: Leg, response: Response, now: float) -> None:
    """A 2xx to such a request (section 7.2). A peer that says nothing knows no timers: then we refresh."""
    asked = max(leg.timer.seconds or call.house.session_expires, leg.timer.least)
    agreed = fields.session_expires(response)
    if agreed is not None:
        _run(call, leg, agreed.seconds, agreed.refresher != "uas", now)
    elif call.house.session_expires:
        _run(call, leg, asked, True, now)


def answer(call: Call, leg: Leg, request: Request, now: float) -> HeaderLines:
    """What stands in our 2xx to an INVITE or UPDATE of `leg` (section 9, table 2)."""
    asked, limit = fields.session_expires(request), call.house.session_expires
    if asked is None and not limit:
        return []
    least = fields.min_se(request)
    floor = max(LEAST, least.seconds if least else 0)
    seconds = max(asked.seconds if asked else limit, floor)
    if limit and seconds > limit:
        seconds = max(limit, floor)
    able = "timer" in request.supported
    refresher = (asked.refresher if asked else None) or _choice(leg)
    if not able:
        refresher = "uas"
    _run(call, leg, seconds, refresher == "uas", now)
    lines = [("Session-Expires", str(SessionExpires(seconds, refresher)))]
    if refresher == "uac":
        lines.append(("Require", "timer"))
    return lines


def _choice(leg: Leg) -> str:
    """Who refreshes where the peer leaves it to us. A page's timers are slowed down in the background, and
    what was agreed before stays."""
    return "uas" if leg.browser or (leg.timer.seconds and leg.timer.ours) else "uac"


def answered(call: Call, leg: Leg, key: Key, request: Request, body: str, now: float) -> None:
    """Our 200 to a re-INVITE or UPDATE of `leg`. A later life of the edge has to know when that was."""
    call.answer_request(leg, key, request, 200, body=body, headers=tuple(answer(call, leg, request, now)))
    call.do(Save())


def too_short(request: Request) -> bool:
    """Whether to answer 422 (section 9); only a sender that knows timers can try again."""
    asked = fields.session_expires(request) if "session-expires" in request.headers else None
    return asked is not None and asked.seconds < LEAST and "timer" in request.supported


def lengthen(leg: Leg, least: MinSE | None) -> bool:
    """A 422 asks for a longer interval (section 7.3); False when it asks for nothing that we can give."""
    if least is None or not leg.timer.least < least.seconds <= MOST:
        return False
    leg.timer.least = least.seconds
    return True


def backoff(call: Call, leg: Leg) -> float:
    """How long our offer stands back after a 491 (RFC 3261 14.1), in steps of 10 ms."""
    pick = call.house.pick
    return (210 + pick(191)) / 100 if leg.called else pick(201) / 100


# -- time ------------------------------------------------------------------------------------------


def _run(call: Call, leg: Leg, seconds: int, ours: bool, now: float) -> None:
    timer = leg.timer
    timer.seconds, timer.ours, timer.refreshed = max(seconds, LEAST), ours, now
    call.timer(f"refresh:{leg.id}", timer.due - now)


def restored(call: Call, event: Restored, now: float) -> None:
    """Timers do not survive the edge, intervals do. Nor does a transfer: who waits for somebody new, the
    referrer gone, waits in vain; nor an offer of ours whose answer was to come by ACK."""
    for leg in (call.caller, call.callee):
        if leg is not None and (leg.state == "over" or not leg.session.sent):
            end(call, now, PEER_LOST, leg.role)
            return
    for leg in call.legs.values():
        if leg.state == "up" and leg.timer.seconds:
            call.timer(f"refresh:{leg.id}", max(leg.timer.due - now, AGAIN))


def timeout(call: Call, event: Timeout, now: float) -> None:
    """Our turn to refresh, or the peer's is over (section 10)."""
    leg = call.legs.get(event.name.partition(":")[2])
    if leg is None or leg.state != "up" or leg.dialog is None:
        return
    if now >= leg.timer.ends:
        end(call, now, SESSION_EXPIRED, leg.role)
    elif leg.timer.ours and (leg.lost or _busy(call)):
        call.timer(event.name, AGAIN)
    elif leg.timer.ours:
        _refresh(call, leg, now)
    else:  # the clock of the loop and that of the world do not run alike
        call.timer(event.name, leg.timer.ends - now + 0.1)


def _busy(call: Call) -> bool:
    return call.exchange is not None or call.transfer is not None


def _refresh(call: Call, leg: Leg, now: float) -> None:
    """By UPDATE without a body where the peer knows it (section 7.4), else by what we said last. A peer that
    takes it up and says no more has time until the session is over (section 10)."""
    assert leg.dialog is not None
    by_update = "UPDATE" in leg.methods
    if not by_update and _busy(call):
        call.timer(f"refresh:{leg.id}", AGAIN)
        return
    leg.dialog, request = leg.dialog.request(
        "UPDATE" if by_update else "INVITE",
        contact=leg.contact_header(call.house, call.other_number(leg)),
        headers=inside(call.house, leg),
        body=b"" if by_update else leg.session.sent.encode("utf-8", "surrogateescape"),
        content_type=None if by_update else SDP,
    )
    if not by_update:
        leg.invite_cseq = leg.dialog.local_cseq
        call.exchange = Exchange(leg.id, None, "refresh")
    call.do(SendRequest(leg.id, "refresh", request), Save())
    call.timer(f"refresh:{leg.id}", leg.timer.ends - now + 0.1)


def changed_by(event: Reply) -> str | None:
    """The description in the answer to our refresh."""
    try:
        return description(event.response) if event.response.method == "INVITE" else None
    except sdp.SdpError:
        return None


def refused(call: Call, leg: Leg, event: Reply, now: float) -> None:
    """Not refreshed this time (section 10): again while there is time, unless the dialog is gone."""
    status, method = event.response.status, event.response.method
    if status in (408, 481):
        end(call, now, PEER_LOST, leg.role)
    elif status == 422 and lengthen(leg, fields.min_se(event.response)):
        _refresh(call, leg, now)
    elif status in (405, 501) and method == "UPDATE":
        leg.methods -= {"UPDATE"}
        _refresh(call, leg, now)
    elif status == 491:
        call.timer(f"refresh:{leg.id}", backoff(call, leg))
    else:
        _again(call, leg, now)


def silent(call: Call, event: NoReply, now: float) -> None:
    leg = call.legs.get(event.leg)
    if leg is None:
        return
    exchange = call.exchange
    if event.status == 408:
        end(call, now, PEER_LOST, leg.role)
        return
    if exchange is not None and exchange.phase == "refresh" and exchange.source == leg.id:
        call.exchange = None
    _again(call, leg, now)


def _again(call: Call, leg: Leg, now: float) -> None:
    call.timer(f"refresh:{leg.id}", max(AGAIN, (leg.timer.ends - now) / 2))
