"""The history and the calls that are up: `/api/v1/calls…`, `/api/v1/me/calls`. A person sees their own calls,
an administrator all; what somebody may not see does not exist for them (404)."""

from datetime import datetime
from typing import Any, Literal

from django.conf import settings
from django.http import HttpRequest
from ninja import Field, Query, Router, Schema
from ninja.errors import HttpError

from ucplatform.calls import listing
from ucplatform.calls.ladder import ladder
from ucplatform.calls.models import Call
from ucplatform.calls.trace import read_trace
from ucplatform.directory import actions as directory
from ucplatform.notify import actions as notify

router = Router(tags=["calls"])
ResultWord = Literal[
    "answered", "missed", "busy", "declined", "cancelled", "unavailable", "not_found", "forbidden", "failed"
]


class Party(Schema):
    number: str = ""
    name: str = ""
    extension: str | None = None
    device: str | None = None
    address: str | None = None
    user_agent: str | None = None


class Peer(Schema):
    number: str
    name: str


class CallOut(Schema):
    id: str
    direction: listing.Direction
    peer: Peer
    caller: Party
    callee: Party | None
    dialled: str
    created: float
    rang: float | None
    answered: float | None
    ended: float
    duration_s: float
    result: ResultWord
    status: int | None
    cause: str
    reason: str
    hung_up_by: str | None
    legs: list[dict[str, Any]]
    sound: Literal["clear", "fair", "poor", "none"] | None


class CallList(Schema):
    items: list[CallOut]
    count: int
    next: str | None


class LiveCall(Schema):
    id: str
    call_id: str
    from_tag: str
    to_tag: str
    peer: Peer
    state: Literal["ringing", "talking", "held"]
    direction: Literal["in", "out"]
    answered: float | None


class Lane(Schema):
    id: str
    role: str
    device: str | None
    label: str


class Item(Schema):
    t: float = Field(description="seconds from the INVITE")
    time: float
    kind: Literal["sip", "event"]
    from_: str = Field(alias="from", serialization_alias="from")
    to: str
    label: str
    class_: Literal["request", "1xx", "2xx", "error", "media", "warn"] = Field(
        alias="class", serialization_alias="class"
    )
    detail: str
    text: str | None


class Ladder(Schema):
    lanes: list[Lane]
    items: list[Item]


class Ask(Schema):
    """Query of the list; every word is from an allow-list."""

    period: listing.Period = "all"
    result: ResultWord | Literal[""] = ""
    direction: listing.Direction | Literal[""] = ""
    q: str = Field("", max_length=100)
    sort: listing.Sort | Literal[""] = ""
    cursor: str = Field("", max_length=400)
    limit: int = Field(50, ge=1, le=100)
    who: Literal["me", "all"] = "me"
    tz: str = Field("", max_length=64, description="IANA name of the page's time zone, for `period`")


def unix(moment: datetime | None) -> float | None:
    """Seconds since 1970."""
    return None if moment is None else moment.timestamp()


def describe(call: Call, user: Any) -> dict[str, Any]:
    """A call as its viewer sees it."""
    direction = listing.direction_of(call, user)
    if direction == "out":
        other = call.callee or {"number": call.dialled, "name": ""}
    else:
        other = call.caller
    return {
        "id": call.pk,
        "direction": direction,
        "peer": {"number": str(other.get("number") or call.dialled), "name": str(other.get("name") or "")},
        "caller": call.caller,
        "callee": call.callee,
        "dialled": call.dialled,
        "created": unix(call.created),
        "rang": unix(call.rang),
        "answered": unix(call.answered),
        "ended": unix(call.ended),
        "duration_s": call.duration_s,
        "result": call.result,
        "status": call.status,
        "cause": call.cause,
        "reason": call.reason,
        "hung_up_by": call.hung_up_by or None,
        "legs": call.legs,
        "sound": call.sound or None,
    }


@router.get("/calls", response=CallList, summary="The history, newest first unless sorted")
def list_calls(request: HttpRequest, ask: Ask = Query(...)) -> dict[str, Any]:
    everyone = ask.who == "all"
    if everyone and not request.user.is_admin:
        raise HttpError(403, "Only an administrator sees everyone's calls.")
    question = listing.Question(
        ask.period, ask.result or None, ask.direction or None, ask.q, ask.sort or "-created", ask.tz
    )
    calls = listing.select(listing.visible(request.user, everyone), question, request.user, everyone)
    try:
        rows, after = listing.page(calls, question.sort, ask.cursor, ask.limit)
    except listing.CursorError as error:
        raise HttpError(422, str(error)) from None
    return {"items": [describe(call, request.user) for call in rows], "count": calls.count(), "next": after}


def one_call(request: HttpRequest, call_id: str) -> Call:
    """A call that the person may see. Raises 404."""
    call = listing.visible(request.user, everyone=True).filter(pk=call_id).first()
    if call is None:
        raise HttpError(404, "There is no such call.")
    return call


@router.get("/calls/{call_id}", response=CallOut, summary="One call")
def get_call(request: HttpRequest, call_id: str) -> dict[str, Any]:
    return describe(one_call(request, call_id), request.user)


@router.get("/calls/{call_id}/messages", response=Ladder, by_alias=True, summary="Its messages and events")
def get_messages(request: HttpRequest, call_id: str) -> dict[str, Any]:
    call = one_call(request, call_id)
    entries = read_trace(
        settings.UC_TRACE_DIR, call.pk, since=call.created.timestamp(), until=call.ended.timestamp()
    )
    return ladder(call, entries)


@router.get("/me/calls", response=list[LiveCall], summary="Calls of this person's pages that are up now")
def live_calls(request: HttpRequest) -> list[dict[str, Any]]:
    number = directory.number_of(request.user)
    found = []
    for snapshot in notify.call_snapshots() if number else []:
        for party in snapshot.get("parties", []):
            if party.get("extension") == number and party.get("device") == "browser":
                found.append(
                    {
                        **party,
                        "id": snapshot["id"],
                        "from_tag": party["remote_tag"],  # in Replaces, from-tag is the page's own (RFC 3891)
                        "to_tag": party["local_tag"],
                    }
                )
    return found
