"""How telephones are spoken to: in the clear, or by SRTP with its keys in the descriptions (RFC 4568).

Browsers key their sound by DTLS and are not asked. A telephone that offers SRTP is answered with SRTP,
whatever its number says; one that is called is offered what its number asks for.
"""

from __future__ import annotations

from ucplatform import sdp
from ucplatform.pbx.call import Call
from ucplatform.pbx.leg import Leg
from ucplatform.pbx.outcome import Outcome
from ucplatform.pbx.ports import SRTP_OFF, SRTP_REQUIRED
from ucplatform.pbx.registrar import Binding

#: The answers of a telephone that does not take an offer (RFC 3261 21.4.26, 21.6.4).
REFUSALS = frozenset({415, 488, 606})

MISSING = Outcome(
    "failed", "srtp_required", 488, "Not Acceptable Here",
    "This number calls with encrypted sound only, and the telephone offers none.",
)  # fmt: skip
REFUSED = Outcome(
    "failed", "srtp_refused", 488, "Not Acceptable Here",
    "The telephone that was called does not take encrypted sound, which its number demands.",
)  # fmt: skip


def wanted(call: Call, binding: Binding) -> bool:
    """Whether this device is offered SRTP."""
    return not binding.browser and call.house.srtp(binding.number) != SRTP_OFF


def demanded(call: Call, leg: Leg) -> bool:
    """Whether its number is never spoken to in the clear."""
    return not leg.browser and call.house.srtp(leg.extension or "") == SRTP_REQUIRED


def allowed(call: Call, leg: Leg) -> bool:
    """Learn from what a side has offered how it is spoken to; False when its number demands more. A side that
    leaves the offer to us is offered what its number asks for."""
    if leg.browser:
        return True
    body = leg.session.received
    leg.srtp = offers(body) if body else call.house.srtp(leg.extension or "") != SRTP_OFF
    return leg.srtp or not demanded(call, leg)


def offers(body: str) -> bool:
    """Whether the sound of a description is SRTP with keys in it."""
    if "RTP/SAVP" not in body:  # nearly all: reading a description costs as much as reading its INVITE
        return False
    part = sdp.parse(body).first_media("audio")
    return part is not None and part.proto in sdp.KEYED_PROTOCOLS
