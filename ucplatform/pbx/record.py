"""The call-detail record: one value per call, written once under the call's id."""

from __future__ import annotations

from typing import Any

from ucplatform import ng
from ucplatform.pbx.call import Call
from ucplatform.pbx.leg import Leg


def record_of(call: Call) -> dict[str, Any]:
    """The record as JSON values; times are Unix seconds, statistics as the engine gave them."""
    outcome = call.outcome
    assert outcome is not None and call.ended is not None
    caller, callee = _first(call, call.caller), call.callee
    callee = _first(call, callee) if callee else None
    return {
        "id": call.id,
        "edge": call.house.edge_id,
        "caller": _party(caller),
        "dialled": call.dialled,
        "callee": _party(callee) if callee else _nobody(call),
        "created": call.created,
        "rang": call.rang,
        "answered": call.answered,
        "ended": call.ended,
        "result": outcome.result,
        "status": outcome.status,
        "cause": outcome.cause,
        "reason": outcome.reason,
        "hung_up_by": call.hung_up_by,
        "legs": [_leg(leg) for leg in [*call.gone, *call.legs.values()]],
    }


def _first(call: Call, leg: Leg) -> Leg:
    """Whose call it was: a transfer puts somebody else in the place."""
    return next((old for old in call.gone if old.role == leg.role and old.number != leg.number), leg)


def _party(leg: Leg) -> dict[str, Any]:
    return {
        "number": leg.number,
        "name": leg.name,
        "extension": leg.extension,
        "device": leg.device,
        "address": leg.flow.peer[0],
        "user_agent": leg.user_agent,
    }


def _nobody(call: Call) -> dict[str, Any] | None:
    """The called extension when none of its devices answered, or the application that did."""
    extension = next((leg.extension for leg in call.devices), None) or call.dialled_extension
    if not extension and not call.application:
        return None
    return {
        "number": call.dialled,
        "name": call.dialled_name,
        "extension": extension,
        "device": None,
        "address": None,
        "user_agent": None,
    }


def _leg(leg: Leg) -> dict[str, Any]:
    stats = {key: _figures(value) for key, value in leg.stats.items()}
    codec = stats.pop("codec", "")
    return {
        "id": leg.id,
        "role": leg.role,
        "number": leg.number,
        "device": leg.device,
        "address": leg.flow.peer[0],
        "transport": leg.flow.transport,
        "user_agent": leg.user_agent,
        "codec": codec,
        "outcome": list(leg.failure) if leg.failure else leg.state,
        "stats": stats,
    }


def _figures(value: Any) -> Any:
    """Bencode has no fractions: figures with one come as text."""
    if isinstance(value, dict):
        return {key: _figures(item) for key, item in value.items()}
    if isinstance(value, str) and value.replace(".", "", 1).isdigit():
        return ng.number(value)
    return value
