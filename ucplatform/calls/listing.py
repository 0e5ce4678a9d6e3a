"""Which calls a person sees, in which order, page by page. What the address bar may ask for is listed here;
nothing of it reaches the database as text."""

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db.models import Q, QuerySet
from django.utils import timezone

from ucplatform.calls.models import Call, Result
from ucplatform.directory import actions as directory

Period = Literal["today", "week", "month", "all"]
Direction = Literal["in", "out", "missed"]
Sort = Literal[
    "created",
    "-created",
    "duration",
    "-duration",
    "caller",
    "-caller",
    "callee",
    "-callee",
    "result",
    "-result",
]
SORT_FIELDS = {
    "created": "created",
    "duration": "duration_s",
    "caller": "caller_number",
    "callee": "callee_number",
    "result": "result",
}
# For the person called: nobody spoke to the caller, and they did not choose so.
MISSED = (Result.MISSED, Result.CANCELLED, Result.BUSY, Result.UNAVAILABLE, Result.FAILED)


class CursorError(ValueError):
    """The cursor is not one that we gave out."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a list of calls is asked for."""

    period: Period = "all"
    result: str | None = None
    direction: Direction | None = None
    q: str = ""
    sort: Sort = "-created"
    zone: str = ""


def visible(user: Any, everyone: bool = False) -> QuerySet[Call]:
    """The user's own calls; all of them for an administrator who asks."""
    if everyone and user.is_admin:
        return Call.objects.all()
    return Call.objects.filter(Q(caller_user=user) | Q(callee_user=user))


def direction_of(call: Call, user: Any) -> str:
    """in, out or missed, as the user sees the call."""
    if call.caller_user_id == user.pk:
        return "out"
    if call.result in MISSED:
        return "missed"
    return "in" if call.callee_user_id == user.pk or call.caller_user_id is None else "out"


def period_begin(period: Period, zone: str) -> datetime:
    """Midnight where the person is; the week begins on Monday."""
    try:
        tz = ZoneInfo(zone) if zone else timezone.get_default_timezone()
    except (ZoneInfoNotFoundError, ValueError):
        tz = timezone.get_default_timezone()
    today: date = timezone.now().astimezone(tz).date()
    back = {"today": 0, "week": today.weekday(), "month": today.day - 1}[period]
    return datetime.combine(today - timedelta(days=back), time(), tz)


def select(calls: QuerySet[Call], question: Question, user: Any, everyone: bool) -> QuerySet[Call]:
    """Calls that fit the question, not yet ordered."""
    if question.period != "all":
        calls = calls.filter(created__gte=period_begin(question.period, question.zone))
    if question.result:
        calls = calls.filter(result=question.result)
    for word in directory.fold(question.q).split()[:5]:
        calls = calls.filter(search__contains=word)
    mine, theirs = Q(caller_user=user), ~Q(caller_user=user) | Q(caller_user=None)
    if everyone:
        mine, theirs = Q(caller_user__isnull=False), Q(callee_user__isnull=False)
    if question.direction == "out":
        calls = calls.filter(mine)
    elif question.direction == "in":
        calls = calls.filter(theirs).exclude(result__in=MISSED)
    elif question.direction == "missed":
        calls = calls.filter(theirs, result__in=MISSED)
    return calls


def encode_cursor(call: Call, field: str) -> str:
    """Names the last row of a page: its sort value and id."""
    value = getattr(call, field)
    text = json.dumps([value.isoformat() if isinstance(value, datetime) else value, call.pk])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str, field: str) -> tuple[Any, str]:
    """(sort value, id). Raises CursorError."""
    try:
        value, pk = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if field == "created":
            value = datetime.fromisoformat(value)
        elif field == "duration_s":
            value = float(value)
        elif not isinstance(value, str):
            raise CursorError("value")
        if not isinstance(pk, str) or (field == "created" and value.tzinfo is None):
            raise CursorError("id")
    except (ValueError, TypeError, binascii.Error, RecursionError) as error:
        raise CursorError("The cursor is not one of ours.") from error
    return value, pk


def page(calls: QuerySet[Call], sort: Sort, cursor: str, size: int) -> tuple[list[Call], str | None]:
    """`size` calls after the cursor and the cursor of the next page, None at the end. Raises CursorError."""
    field, down = SORT_FIELDS[sort.lstrip("-")], sort.startswith("-")
    if cursor:
        value, pk = decode_cursor(cursor, field)
        beyond = "lt" if down else "gt"
        calls = calls.filter(Q(**{f"{field}__{beyond}": value}) | Q(**{field: value, f"pk__{beyond}": pk}))
    mark = "-" if down else ""
    rows = list(calls.order_by(f"{mark}{field}", f"{mark}pk")[: size + 1])
    return rows[:size], encode_cursor(rows[size - 1], field) if len(rows) > size else None
