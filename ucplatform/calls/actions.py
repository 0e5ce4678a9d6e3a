"""Records come in from the edges' journals, once each, and are rated later."""

import json
import logging
import math
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from django.db import transaction

from ucplatform.calls.models import Call, Result
from ucplatform.calls.rating import rate_call
from ucplatform.directory import actions as directory
from ucplatform.notify import actions as notify

log = logging.getLogger(__name__)


def moment(value: Any) -> datetime | None:
    """Unix time to a moment; None stays None."""
    return None if value is None else datetime.fromtimestamp(float(value), UTC)


def clip(value: Any, limit: int) -> str:
    """Text for a column: strangers write display names and reasons, so it is cut and loses control characters
    (NUL is refused by PostgreSQL)."""
    text = str(value or "")
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    return text[:limit]


def clean(record: Any) -> Any:
    """JSON that every database takes: no NUL or lone surrogate in a text, no number that is none. One record
    that the database refuses would otherwise hold up its whole batch for ever."""
    try:
        text = json.dumps(record, allow_nan=False)
    except ValueError:
        return _cleaned(record)
    # Nearly every record is clean, which its JSON tells in a tenth of the time.
    return _cleaned(record) if "\\u0000" in text or "\\ud" in text else record


def _cleaned(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return value.replace("\x00", " ").encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, dict):
        return {_cleaned(key): _cleaned(item) for key, item in value.items()}
    return value


def search_text(record: dict[str, Any]) -> str:
    """What the history's search looks through: names and numbers, folded."""
    parties = [record.get("caller") or {}, record.get("callee") or {}]
    words = [party.get(key) or "" for party in parties for key in ("number", "name")]
    return directory.fold(clip(" ".join([*words, str(record.get("dialled") or "")]), 1000))


def call_of(record: dict[str, Any], holders: dict[str, int]) -> Call:
    """The row of a record. Raises KeyError, TypeError or ValueError when the record lacks what a row
    needs."""
    record = clean(record)
    caller, callee = record.get("caller") or {}, record.get("callee")
    answered, ended = record.get("answered"), float(record["ended"])
    status = record.get("status")
    return Call(
        id=clip(record["id"], 80),
        edge=clip(record.get("edge"), 16),
        caller=caller,
        callee=callee,
        caller_number=clip(caller.get("number"), 80),
        callee_number=clip((callee or {}).get("number"), 80),
        caller_user_id=holders.get(caller.get("extension")),
        callee_user_id=holders.get((callee or {}).get("extension")),
        search=search_text(record),
        dialled=clip(record.get("dialled"), 80),
        created=moment(record["created"]),
        rang=moment(record.get("rang")),
        answered=moment(answered),
        ended=moment(ended),
        duration_s=max(0.0, ended - float(answered)) if answered is not None else 0.0,
        result=Result(record["result"]),
        status=int(status) if status is not None and 100 <= int(status) <= 699 else None,
        cause=clip(record.get("cause"), 40),
        reason=clip(record.get("reason"), 200),
        hung_up_by=clip(record.get("hung_up_by"), 8),
        legs=list(record.get("legs") or []),
    )


def extensions_in(records: list[dict[str, Any]]) -> set[str]:
    """Numbers of ours that take part in the records, as far as these are well formed."""
    parties = [record.get(role) for record in records for role in ("caller", "callee")]
    return {str(p["extension"]) for p in parties if isinstance(p, dict) and p.get("extension")}


def parties(calls: Iterable[Call]) -> set[int | None]:
    """Users who took part in any of the calls."""
    return {user for call in calls for user in (call.caller_user_id, call.callee_user_id)}


def ingest(records: list[dict[str, Any]]) -> int:
    """Store the records that are not stored yet and tell the parties. Returns how many were new.

    A batch may come again, whole or in part, after a crash. A record that cannot become a row is logged and
    left out: it must not hold up those behind it. Database errors pass through; the caller tries again.
    """
    fresh: dict[str, Call] = {}
    ids = [str(record.get("id")) for record in records]
    with transaction.atomic():
        known = set(Call.objects.filter(pk__in=ids).values_list("pk", flat=True))
        holders = directory.users_of_numbers(extensions_in(records))
        for record in records:
            try:
                call = call_of(record, holders)
            except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
                log.error("call record %.80r left out: %r", record.get("id"), error)
                continue
            if call.pk not in known:
                fresh.setdefault(call.pk, call)
        # Another process may have had the same batch a moment ago: its rows win.
        Call.objects.bulk_create(fresh.values(), ignore_conflicts=True)
        notify.publish(parties(fresh.values()), "calls.changed")
        notify.count_ended_calls(Counter(str(call.result) for call in fresh.values()))
        if fresh:
            transaction.on_commit(hint)
    return len(fresh)


def hint() -> None:
    """Ask a worker to rate now. Without a broker nothing is lost: beat sweeps what is not rated."""
    from ucplatform.calls.tasks import rate_calls

    try:
        rate_calls.apply_async(retry=False, ignore_result=True)
    except rate_calls.OperationalError as error:
        log.info("rating waits for the next sweep: %s", error)


def rate_pending(limit: int = 500) -> int:
    """Rate calls that are not rated, oldest first; doing it again changes nothing. Returns how many were
    rated."""
    calls = list(Call.objects.filter(rated=False).order_by("created")[:limit])
    for call in calls:
        call.legs, word = rate_call(call.legs, call.answered is not None)
        call.sound, call.rated = word.value if word else "", True
    Call.objects.bulk_update(calls, ["legs", "sound", "rated"], batch_size=100)
    notify.publish(parties(calls), "calls.changed")
    return len(calls)
