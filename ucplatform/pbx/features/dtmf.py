"""Keys pressed: SIP INFO becomes RFC 4733 at the other side. RFC 4733 itself passes through the engine."""

from __future__ import annotations

from ucplatform.pbx import mediaplan
from ucplatform.pbx.call import Call
from ucplatform.pbx.commands import Note
from ucplatform.pbx.inputs import InDialog
from ucplatform.pbx.leg import Leg

DIGITS = frozenset("0123456789*#ABCD")
RELAY = "application/dtmf-relay"
PLAIN = "application/dtmf"


def pressed(content_type: str | None, body: bytes) -> tuple[str, int] | None:
    """The key and its length in ms from the body of an INFO; None when it names no key."""
    text = body[:200].decode("ascii", "replace")
    digit, milliseconds = "", 160
    if content_type == PLAIN:
        digit = text.strip()
    elif content_type == RELAY:
        for line in text.splitlines():
            name, _, value = line.partition("=")
            value = value.strip()
            if name.strip().lower() == "signal":
                digit = value
            elif name.strip().lower() == "duration" and value.isdigit() and len(value) < 6:
                milliseconds = min(max(int(value), 40), 6000)
    digit = {"10": "*", "11": "#"}.get(digit, digit).upper()
    return (digit, milliseconds) if digit in DIGITS else None


def info(call: Call, leg: Leg, event: InDialog, now: float) -> None:
    """INFO with a key is played to the other side; any other INFO is accepted when empty, else refused
    with 415."""
    request = event.request
    key = pressed(request.content_type, request.body)
    if key is not None:
        if call.peer(leg) is not None and call.state == "talking":
            call.ask(f"dtmf:{leg.id}", mediaplan.dtmf(call.id, leg, *key))
        call.do(Note("dtmf", leg.id, {"by": "INFO"}))
        call.answer_request(leg, event.key, request, 200)
    elif request.body:
        call.answer_request(leg, event.key, request, 415, headers=(("Accept", f"{RELAY}, {PLAIN}"),))
    else:
        call.answer_request(leg, event.key, request, 200)
