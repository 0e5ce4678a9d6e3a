"""Passwords change in the API and on the pages; other sessions end, and their phone lines with them."""

import json
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.core import mail

from ucplatform.directory import adapter

NEW = "a-new-long-password"


def sip_tag(client):
    return adapter.web_username(client.get("/api/v1/me/sip").json()["username"])[2]


def ended_sessions(redis):
    """Tags of the `session-ended` commands in the edge's stream."""
    commands = [fields for _id, fields in redis.xrange("uc:edge:1:commands")]
    return [fields["session"] for fields in commands if fields["kind"] == "session-ended"]


def change(client, old, new):
    body = json.dumps({"old": old, "new": new})
    return client.post("/api/v1/me/password", body, content_type="application/json")


@pytest.mark.django_db(transaction=True)
def test_a_change_keeps_this_session_and_ends_the_others(visitor, alice, bob, redis):
    here, there, his = visitor(alice), visitor(alice), visitor(bob)
    tags = sip_tag(here), sip_tag(there), sip_tag(his)
    assert change(here, "alice-password", NEW).status_code == 204
    assert here.get("/api/v1/me").status_code == 200
    assert sip_tag(here) == tags[0]  # the line goes on under the same name
    assert there.get("/api/v1/me").status_code == 401
    assert his.get("/api/v1/me").status_code == 200
    assert ended_sessions(redis) == [tags[1]]
    alice.refresh_from_db()
    assert alice.check_password(NEW)


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [("wrong", NEW, 403), ("alice-password", "short", 422), ("alice-password", "password123", 422)],
)
def test_a_change_that_is_refused(visitor, alice, old, new, status):
    client = visitor(alice)
    assert change(client, old, new).status_code == status
    alice.refresh_from_db()
    assert alice.check_password("alice-password")


def test_guessing_the_present_password_ends_in_the_lock(visitor, alice):
    client = visitor(alice)
    statuses = [change(client, f"guess-{n}", NEW).status_code for n in range(settings.AXES_FAILURE_LIMIT)]
    assert statuses == [403] * (settings.AXES_FAILURE_LIMIT - 1) + [429]
    assert change(client, "alice-password", NEW).status_code == 429
    alice.refresh_from_db()
    assert alice.check_password("alice-password")


@pytest.mark.django_db(transaction=True)
def test_the_page_changes_it_too(visitor, alice, redis):
    client, other = visitor(alice), visitor(alice)
    tag = sip_tag(other)
    form = {"oldpassword": "alice-password", "password1": NEW, "password2": NEW}
    assert client.post("/accounts/password/change/", form).status_code == 302
    assert ended_sessions(redis) == [tag]
    assert client.get("/api/v1/me").status_code == 200


def test_a_reset_goes_by_mail(visitor, alice):
    alice.email = "alice@test.example"
    alice.save()
    browser = visitor()
    browser.post("/accounts/password/reset/", {"email": "alice@test.example"})
    (message,) = mail.outbox
    link = re.search(r"http://localhost:8000(/accounts/password/reset/key/\S+)", message.body)[1]
    form = browser.get(link, follow=True)
    path = form.redirect_chain[-1][0]
    assert "<h1>New password</h1>" in form.content.decode()
    assert browser.post(path, {"password1": NEW, "password2": NEW}).status_code == 302
    alice.refresh_from_db()
    assert alice.check_password(NEW)
    assert "used already" in visitor().get(link, follow=True).content.decode()


def test_a_stranger_address_gets_no_mail_and_the_same_answer(visitor, alice):
    alice.email = "alice@test.example"
    alice.save()
    answers = []
    for address in ("alice@test.example", "nobody@test.example"):
        response = visitor().post("/accounts/password/reset/", {"email": address}, follow=True)
        answers.append(response.content)
    assert answers[0] == answers[1]
    assert [message.to for message in mail.outbox] == [["alice@test.example"]]


@pytest.mark.parametrize("host", ["192.168.66.6", "evil.local", "10.0.0.6:8000"])
def test_a_neighbour_cannot_put_his_host_into_the_mail(visitor, alice, host):
    alice.email = "alice@test.example"
    alice.save()
    visitor().post("/accounts/password/reset/", {"email": "alice@test.example"}, headers={"host": host})
    (message,) = mail.outbox
    assert "http://test.example" in message.body
    assert host.split(":")[0] not in message.body


def test_without_a_mail_server_mails_are_files():
    from ucplatform import settings as house

    assert house.EMAIL_BACKEND.endswith("filebased.EmailBackend")
    assert Path(settings.EMAIL_FILE_PATH) == settings.UC_DATA_DIR / "mail"
