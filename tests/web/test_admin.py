"""The administration: saves go through the actions, and what is secret is never shown."""

import json

import pytest
from django.urls import reverse

from ucplatform.calls import actions as calls
from ucplatform.directory import actions, adapter
from ucplatform.directory.models import Extension, User
from ucplatform.pbx.registrar import Binding
from ucplatform.sip.flow import Flow


@pytest.fixture
def boss(visitor, admin):
    return visitor(admin)


def add(boss, model, **form):
    return boss.post(reverse(f"admin:{model}_add"), form)


def change(boss, obj, **form):
    return boss.post(reverse(f"admin:{obj._meta.label_lower.replace('.', '_')}_change", args=[obj.pk]), form)


@pytest.mark.parametrize(
    "model", ["directory_user", "directory_extension", "directory_setting", "calls_call"]
)
def test_lists_and_forms_open(boss, alice, model):
    actions.set_option("ring_seconds", 20)
    calls.ingest([{"id": "c-1", "created": 1, "ended": 2, "result": "missed", "dialled": "202"}])
    assert boss.get(reverse(f"admin:{model}_changelist"), {"q": "a"}).status_code == 200
    if model != "calls_call":
        assert boss.get(reverse(f"admin:{model}_add")).status_code == 200


def test_an_extension_is_added_with_secret_and_pin(boss, bob):
    before = adapter.directory_version()
    form = {"number": "300", "name": "Desk", "user": "", "enabled": "on", "secret": "s3cret", "pin": "4711"}
    assert add(boss, "directory_extension", **form).status_code == 302
    desk = Extension.objects.get(number="300")
    assert {column: getattr(desk, column) for column in actions.HASHES} == actions.hash_secret(
        "300", "s3cret"
    )
    assert actions.check_pin(desk, "4711") and desk.enabled
    assert adapter.directory_version() > before


def test_an_empty_secret_keeps_the_present_one_and_the_number_stays(boss, alice):
    before = alice.extension
    form = {"number": "999", "name": "New", "user": alice.pk, "secret": "", "pin": ""}
    assert change(boss, before, **form).status_code == 302
    after = Extension.objects.get(pk=before.pk)
    assert (after.number, after.name, after.enabled, after.ha1_md5) == ("201", "New", False, before.ha1_md5)


def test_how_its_telephones_are_spoken_to_is_a_choice(boss, alice):
    extension = alice.extension
    form = {"number": "201", "name": "Alice", "user": alice.pk, "enabled": "on", "secret": "", "pin": ""}
    assert change(boss, extension, **form, srtp="required").status_code == 302
    assert {a.number: a.srtp for a in adapter.load_accounts()}["201"] == "required"
    assert change(boss, extension, **form).status_code == 302  # left out, it stays
    assert Extension.objects.get(pk=extension.pk).srtp == "required"
    assert change(boss, extension, **form, srtp="sometimes").status_code == 200
    assert (
        add(boss, "directory_extension", **form | {"number": "310", "user": ""}, srtp="preferred").status_code
        == 302
    )
    assert Extension.objects.get(number="310").srtp == "preferred"


def test_the_devices_of_an_extension_are_shown_with_what_is_odd(boss, alice, redis):
    flow = Flow.udp(("192.0.2.1", 5060), ("203.0.113.7", 41000))
    phone = Binding(
        "201", "sip:201@10.0.0.5", flow, "", "c", 1, 9e9, "<b>Phone</b>", noticed=("nat", "alg-via")
    )
    redis.set("uc:reg:201@1", json.dumps([phone.to_json()]))
    text = boss.get(reverse("admin:directory_extension_change", args=[alice.extension.pk])).content.decode()
    assert "&lt;b&gt;Phone&lt;/b&gt; – 203.0.113.7:41000 UDP nat, alg-via" in text


def test_hashes_are_not_shown(boss, alice):
    url = reverse("admin:directory_extension_change", args=[alice.extension.pk])
    text = boss.get(url).content.decode()
    assert alice.extension.ha1_md5 not in text and alice.extension.ha1_sha256 not in text


def test_a_setting_out_of_bounds_is_a_sentence(boss):
    response = add(boss, "directory_setting", key="ring_seconds", value="0")
    assert response.status_code == 200
    assert "Between 5 and 300." in response.content.decode()
    assert add(boss, "directory_setting", key="ring_seconds", value="40").status_code == 302
    assert actions.option("ring_seconds") == 40


def test_switching_a_person_off_ends_their_sessions(boss, visitor, alice):
    hers = visitor(alice)
    assert hers.get("/api/v1/me").status_code == 200
    form = {"username": "alice", "name": "Alice", "email": "", "language": "", "is_active": ""}
    dates = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    assert change(boss, alice, **form, **dates).status_code == 302
    assert hers.get("/api/v1/me").status_code == 401
    assert not adapter.load_accounts()[0].enabled


def test_deleting_a_person_keeps_number_and_history(boss, alice, bob):
    caller = {"number": "201", "extension": "201"}
    calls.ingest([{"id": "c-1", "created": 1, "ended": 2, "result": "missed", "caller": caller}])
    boss.post(reverse("admin:directory_user_delete", args=[alice.pk]), {"post": "yes"})
    assert not User.objects.filter(pk=alice.pk).exists()
    assert Extension.objects.get(number="201").user is None
    assert calls.Call.objects.get().caller_user is None


def test_calls_are_only_looked_at(boss, alice):
    calls.ingest([{"id": "c-1", "created": 1, "ended": 2, "result": "missed"}])
    assert boss.get(reverse("admin:calls_call_change", args=["c-1"])).status_code == 200
    assert boss.post(reverse("admin:calls_call_change", args=["c-1"]), {"dialled": "1"}).status_code == 403
    assert boss.get(reverse("admin:calls_call_add")).status_code == 403
