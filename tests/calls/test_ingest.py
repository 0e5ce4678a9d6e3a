"""Records become rows once, belong to those who held the numbers then, and are rated later."""

import random

import pytest

from ucplatform.calls import actions
from ucplatform.calls.models import Call
from ucplatform.calls.tasks import rate_calls
from ucplatform.directory import actions as directory
from ucplatform.notify import actions as notify


def test_a_record_becomes_a_row(alice, bob, record):
    assert actions.ingest([record()]) == 1
    call = Call.objects.get()
    assert (call.pk, call.caller_user, call.callee_user) == ("c-e1-0000", alice, bob)
    assert (call.caller_number, call.callee_number, call.dialled) == ("201", "202", "202")
    assert (call.result, call.status, call.hung_up_by, call.duration_s) == ("answered", 200, "caller", 10.0)
    assert not call.rated


def test_batches_that_come_again_in_any_order_change_nothing(alice, bob, record):
    records = [record() for _ in range(30)]
    shuffle = random.Random(7)
    total = 0
    for _ in range(6):
        total += actions.ingest(shuffle.sample(records, 12))
    total += actions.ingest(records + records)
    assert total == Call.objects.count() == 30


def test_a_bad_record_does_not_hold_up_the_others(alice, record, caplog):
    bad = [record(result="exploded"), {"id": "c-nothing"}, record(ended="soon"), record(caller="201"), {}]
    assert actions.ingest([*bad, record()]) == 1
    assert caplog.text.count("left out") == len(bad)
    assert all("\n" not in message for message in caplog.messages)


def test_strange_text_is_stored_without_control_characters(record, redis, db):
    made = record(reason="a\x00b\nc" * 100, caller={"number": "x" * 200, "name": "\x00\udc80<script>"})
    assert actions.ingest([made]) == 1
    call = Call.objects.get()
    assert len(call.reason) == 200 and call.reason.isprintable()
    assert "\x00" not in call.caller["name"] and "<script>" in call.caller["name"]


def test_a_number_given_to_someone_else_does_not_show_old_calls(alice, bob, charlie, record):
    actions.ingest([record()])
    directory.change_extension(bob.extension, user=None)
    directory.change_extension(charlie.extension, user=None)
    actions.ingest([record()])
    first, second = Call.objects.order_by("created")
    assert first.callee_user == bob and second.callee_user is None


def test_numbers_that_no_database_takes(record, redis, db):
    made = record(status=70_000)
    made["legs"][0]["stats"]["in"]["jitter_ms"] = float("nan")
    made["legs"][1]["stats"]["rtt_ms"] = float("inf")
    assert actions.ingest([made]) == 1
    call = Call.objects.get()
    assert (call.status, call.legs[0]["stats"]["in"]["jitter_ms"], call.legs[1]["stats"]["rtt_ms"]) == (
        None,
    ) * 3


def test_unanswered_and_unknown_callee(alice, record):
    actions.ingest([record(result="not_found", callee=None, dialled="299", status=404, rang=None)])
    call = Call.objects.get()
    assert (call.callee, call.duration_s, call.answered) == (None, 0.0, None)


def test_ended_calls_are_counted_once(alice, record, django_capture_on_commit_callbacks):
    records = [record(), record(), record(result="missed")]
    for _ in range(2):
        with django_capture_on_commit_callbacks(execute=True):
            actions.ingest(records)
    assert notify.ended_calls() == {"answered": 2, "missed": 1}


def test_a_hint_goes_to_the_workers(alice, record, redis, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        actions.ingest([record()])
    assert redis.llen("celery") == 1


def test_rating_twice_changes_nothing(alice, bob, record):
    actions.ingest([record(), record(result="missed")])
    assert rate_calls() == 2
    before = list(Call.objects.order_by("pk").values())
    assert rate_calls() == 0
    Call.objects.update(rated=False)
    assert rate_calls() == 2
    assert list(Call.objects.order_by("pk").values()) == before
    answered, missed = before
    assert (answered["sound"], missed["sound"]) == ("clear", "")
    assert [leg["sound"] for leg in answered["legs"]] == ["clear", "clear"]


@pytest.mark.parametrize("role", ["caller", "callee"])
def test_the_worst_leg_names_the_call(alice, bob, record, role):
    made = record()
    leg = next(leg for leg in made["legs"] if leg["role"] == role)
    leg["stats"]["in"].update(packets=0)
    actions.ingest([made])
    rate_calls()
    assert Call.objects.get().sound == "none"
