"""Credentials for a TURN server: what coturn would make of the same secret, for a limited time."""

import base64
import hashlib
import hmac

import pytest

from ucplatform.directory import turn

URLS = ["turn:turn.example:3478?transport=udp", "turns:turn.example:5349?transport=tcp"]


def test_the_password_is_what_coturn_computes(settings):
    settings.UC_TURN_URLS, settings.UC_TURN_SECRET = URLS, "north"
    (server,) = turn.ice_servers("201", now=1_000_000.7)
    assert server["urls"] == URLS
    assert server["username"] == f"{1_000_000 + turn.LIFE_SECONDS}:201"
    expected = hmac.new(b"north", server["username"].encode(), hashlib.sha1).digest()
    assert base64.b64decode(server["credential"]) == expected


@pytest.mark.parametrize(("urls", "secret"), [([], "north"), (URLS, ""), ([], "")])
def test_without_server_or_secret_there_is_none(settings, urls, secret):
    settings.UC_TURN_URLS, settings.UC_TURN_SECRET = urls, secret
    assert turn.ice_servers("201") == []


def test_each_page_is_given_them_with_its_own_number(settings, visitor, alice, bob):
    settings.UC_TURN_URLS, settings.UC_TURN_SECRET = URLS, "north"
    for user, number in ((alice, "201"), (bob, "202")):
        (server,) = visitor(user).get("/api/v1/me/sip").json()["ice_servers"]
        assert server["urls"] == URLS and server["username"].endswith(f":{number}") and server["credential"]
