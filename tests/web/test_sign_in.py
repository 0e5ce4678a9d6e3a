"""Signing in and out: by name or e-mail, with a lock that hits the guesser and not the office."""

import re
import time

import pytest
from allauth.mfa.adapter import get_adapter as get_mfa
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher

from ucplatform.directory import adapter
from ucplatform.directory.models import User

LOGIN = "/accounts/login/"


def sign_in(client, login, password, peer="192.0.2.50", **form):
    return client.post(
        LOGIN,
        {"login": login, "password": password, **form},
        headers={"x-uc-peer": peer, "accept-language": "en"},
    )


@pytest.mark.parametrize("login", ["alice", "alice@test.example"])
def test_by_name_or_mail(visitor, alice, login):
    alice.email = "alice@test.example"
    alice.save()
    browser = visitor()
    assert sign_in(browser, login, "alice-password").status_code == 302
    assert browser.get("/api/v1/me").json()["user"]["username"] == "alice"


def test_a_first_password_is_hashed_at_full_strength_once_it_is_used(visitor, alice):
    assert alice.password.split("$")[1] == "30000"
    sign_in(visitor(), "alice", "alice-password")
    alice.refresh_from_db()
    assert int(alice.password.split("$")[1]) == PBKDF2PasswordHasher.iterations


def test_a_wrong_password_says_so_without_saying_which(visitor, alice):
    known, unknown = sign_in(visitor(), "alice", "wrong"), sign_in(visitor(), "nobody", "wrong")
    for response in (known, unknown):
        assert response.status_code == 200
        assert 'role="alert"' in response.content.decode()
    assert known.context["form"].non_field_errors() == unknown.context["form"].non_field_errors()


def test_name_and_mail_are_one_account(visitor, alice):
    alice.email = "alice@test.example"
    alice.save()
    for n in range(settings.AXES_FAILURE_LIMIT):
        response = sign_in(visitor(), ("alice", "Alice@test.example", "ALICE")[n % 3], "wrong")
    assert response.status_code == 429


def test_the_lock_is_for_one_account_from_one_address(visitor, alice, bob):
    for _ in range(settings.AXES_FAILURE_LIMIT):
        response = sign_in(visitor(), "alice", "wrong")
    assert response.status_code == 429
    assert "Too many attempts" in response.content.decode()
    assert sign_in(visitor(), "alice", "alice-password").status_code == 429
    assert sign_in(visitor(), "bob", "bob-password").status_code == 302
    assert sign_in(visitor(), "alice", "alice-password", peer="192.0.2.51").status_code == 302


def test_a_forwarded_header_of_the_client_does_not_change_the_address(visitor, alice):
    for n in range(settings.AXES_FAILURE_LIMIT):
        visitor().post(
            LOGIN,
            {"login": "alice", "password": "wrong"},
            headers={
                "x-uc-peer": "192.0.2.50",
                "x-forwarded-for": f"198.51.100.{n}",
                "x-uc-forwarded": "1.1.1.1",
            },
        )
    assert sign_in(visitor(), "alice", "alice-password").status_code == 429


def test_the_administration_uses_the_same_door(visitor, admin, alice):
    response = visitor().get("/admin/", follow=True)
    assert response.redirect_chain[-1][0].startswith(LOGIN)
    assert visitor(admin).get("/admin/").status_code == 200
    assert visitor(alice).get("/admin/").status_code != 200


def test_a_second_step_is_asked_for(visitor, alice):
    secret = generate_totp_secret()
    TOTP.activate(alice, secret)
    browser = visitor()
    response = sign_in(browser, "alice", "alice-password")
    assert response["Location"].startswith("/accounts/2fa/authenticate/")
    assert browser.get("/api/v1/me").status_code == 401
    code = format_hotp_value(hotp_value(secret, int(time.time()) // 30))
    assert browser.post("/accounts/2fa/authenticate/", {"code": code}).status_code == 302
    assert browser.get("/api/v1/me").status_code == 200
    assert Authenticator.objects.get(user=alice).type == "totp"
    assert get_mfa().is_mfa_enabled(alice)


def test_nobody_signs_up(visitor, db):
    response = visitor().get("/accounts/signup/")
    assert "Accounts are made by the administrator" in response.content.decode()
    form = {"username": "eve", "password1": "eve-password-1", "password2": "eve-password-1"}
    visitor().post("/accounts/signup/", form)
    assert not User.objects.exists()


@pytest.mark.parametrize("path", ["/accounts/logout/", "/admin/logout/"])
@pytest.mark.django_db(transaction=True)
def test_signing_out_closes_the_line(visitor, admin, make_user, redis, path):
    browser = visitor(make_user("dora", "204", admin=True))
    tag = adapter.web_username(browser.get("/api/v1/me/sip").json()["username"])[2]
    assert browser.post(path).status_code == 302
    ((_id, command),) = redis.xrange("uc:edge:1:commands")
    assert (command["kind"], command["session"]) == ("session-ended", tag)
    assert len(command["id"]) == 32
    assert browser.get("/api/v1/me").status_code == 401


def test_a_link_does_not_sign_out(visitor, alice):
    browser = visitor(alice)
    assert browser.get("/accounts/logout/").status_code == 200
    assert browser.get("/api/v1/me").status_code == 200


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "/\\evil.example"])
def test_after_signing_in_one_stays_here(visitor, alice, target):
    assert sign_in(visitor(), "alice", "alice-password", next=target)["Location"] == "/"


@pytest.mark.parametrize(
    ("asked", "title"),
    [("pt-BR,pt;q=0.9", "<h1>Entrar</h1>"), ("en-GB", "<h1>Sign in</h1>"), ("xx", "<h1>Sign in</h1>")],
)
def test_the_browser_chooses_the_language(visitor, db, asked, title):
    assert title in visitor().get(LOGIN, headers={"accept-language": asked}).content.decode()


PAGES = ["login/", "password/reset/", "password/reset/done/", "inactive/", "signup/"]
OWN_PAGES = ["logout/", "password/change/", "email/", "2fa/", "reauthenticate/"]


@pytest.mark.parametrize("language", ["en", "pt-BR"])
def test_pages_are_whole(visitor, alice, language):
    for browser, paths in ((visitor(), PAGES), (visitor(alice), OWN_PAGES)):
        for path in paths:
            response = browser.get(f"/accounts/{path}", headers={"accept-language": language})
            text = response.content.decode()
            assert response.status_code == 200, path
            assert f'<html lang="{language.lower()}">' in text and text.count("<h1>") == 1, path
            assert not re.search(r"<script(?![^>]* src=.)|<[^>]* (style|on[a-z]+|placeholder)=", text), path
            assert text.count("<input") - text.count('type="hidden"') == text.count("<label"), path
