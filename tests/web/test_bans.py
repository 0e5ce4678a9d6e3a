"""Bans where an administrator looks: the API, the administration, the command line, the metrics."""

import json
import time
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from ucplatform.notify import actions as notify

STREAM = "uc:edge:1:commands"


@pytest.fixture
def banned(redis):
    """One account and one address, and a ban that is over."""
    now = time.time()
    for address, account, left in [
        ("192.0.2.7", "200", 300),
        ("198.51.100.9", "", 600),
        ("192.0.2.8", "1", -1),
    ]:
        ban = {"address": address, "account": account, "since": now - 9, "until": now + left, "count": 1}
        redis.set(f"uc:ban:{address}|{account}", json.dumps(ban))
    return redis


def commands(redis) -> list[dict]:
    return [{k: v for k, v in fields.items() if k != "id"} for _, fields in redis.xrange(STREAM)]


def test_an_administrator_sees_who_is_banned_and_lifts_it(
    visitor, admin, banned, django_capture_on_commit_callbacks
):
    page = visitor(admin)
    found = page.get("/api/v1/bans").json()
    assert [(ban["address"], ban["account"]) for ban in found] == [("198.51.100.9", ""), ("192.0.2.7", "200")]
    with django_capture_on_commit_callbacks(execute=True):
        done = page.post("/api/v1/bans/lift", {"address": "192.0.2.7"}, content_type="application/json")
    assert done.status_code == 204
    assert commands(banned) == [{"kind": "lift-bans", "address": "192.0.2.7"}]


def test_nobody_else_does(visitor, charlie, banned):
    for page, status in ((visitor(charlie), 403), (visitor(), 401)):
        assert page.get("/api/v1/bans").status_code == status
        lift = page.post("/api/v1/bans/lift", {"address": "192.0.2.7"}, content_type="application/json")
        assert lift.status_code == status
    assert visitor(charlie).get("/admin/bans/").status_code == 302
    assert commands(banned) == []


def test_the_administration_has_a_page_of_them(visitor, admin, banned, django_capture_on_commit_callbacks):
    page = visitor(admin)
    assert "/admin/bans/" in page.get("/admin/").content.decode()
    text = page.get("/admin/bans/").content.decode()
    assert "198.51.100.9" in text and "192.0.2.7" in text and "192.0.2.8" not in text
    with django_capture_on_commit_callbacks(execute=True):
        assert page.post("/admin/bans/", {"address": "198.51.100.9"}).status_code == 302
    assert commands(banned) == [{"kind": "lift-bans", "address": "198.51.100.9"}]


def test_the_page_is_in_portuguese_too(visitor, admin, redis):
    text = visitor(admin).get("/admin/bans/", headers={"accept-language": "pt-BR"}).content.decode()
    assert "Ninguém está bloqueado." in text


def test_the_command_line(banned, db, django_capture_on_commit_callbacks):
    out = StringIO()
    call_command("bans", "list", stdout=out)
    assert [line.split("\t")[:2] for line in out.getvalue().splitlines()] == [
        ["198.51.100.9", "everything"],
        ["192.0.2.7", "200"],
    ]
    with django_capture_on_commit_callbacks(execute=True):
        call_command("bans", "lift", "192.0.2.7", stdout=out)
    assert commands(banned) == [{"kind": "lift-bans", "address": "192.0.2.7"}]
    with pytest.raises(CommandError, match=r"192\.0\.2\.8 is not banned"):
        call_command("bans", "lift", "192.0.2.8")


def test_metrics_count_them(visitor, db, banned):
    text = visitor().get("/metrics").content.decode()
    assert 'uc_bans{of="account"} 1' in text and 'uc_bans{of="address"} 1' in text
    assert len(notify.bans()) == 2
