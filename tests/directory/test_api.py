"""`/api/v1/me…` and `/people`: for the person signed in, and for nobody else."""

import json

import pytest

from ucplatform.directory import actions, adapter

PATHS = [
    ("get", "/api/v1/me"),
    ("patch", "/api/v1/me"),
    ("get", "/api/v1/me/sip"),
    ("post", "/api/v1/me/password"),
    ("post", "/api/v1/me/diagnostics"),
    ("get", "/api/v1/people"),
]


def send(client, verb, path, body=None):
    return getattr(client, verb)(f"/api/v1{path}", json.dumps(body), content_type="application/json")


@pytest.mark.parametrize(("verb", "path"), PATHS)
def test_nobody_without_signing_in(visitor, db, verb, path):
    assert getattr(visitor(), verb)(path, content_type="application/json").status_code == 401


def test_me(visitor, alice, admin):
    actions.set_option("company", "Padaria Sol")
    answer = visitor(alice).get("/api/v1/me").json()
    assert answer["user"] == {
        "id": alice.pk,
        "username": "alice",
        "name": "Alice",
        "is_admin": False,
        "language": "",
    }
    assert (answer["extension"], answer["company"]) == ({"number": "201", "name": "Alice"}, "Padaria Sol")
    boss = visitor(admin).get("/api/v1/me").json()
    assert boss["user"]["is_admin"] and boss["extension"] is None


def test_sip_credentials_are_each_persons_own(visitor, alice, bob, charlie):
    for user, number in ((alice, "201"), (bob, "202"), (charlie, "203")):
        response = visitor(user).get("/api/v1/me/sip")
        answer = response.json()
        assert response["Cache-Control"] == "no-store"
        assert adapter.web_credential(answer["username"]) == answer["password"]
        assert adapter.web_username(answer["username"])[0] == number
        assert answer["uri"] == f"sip:{number}@test.example"
        assert (answer["realm"], answer["ws_path"], answer["expires_in"], answer["grace_s"]) == (
            "test.example",
            "/sip",
            300,
            8,
        )


def test_one_session_keeps_its_tag_and_another_has_its_own(visitor, alice):
    def tag(client):
        return adapter.web_username(client.get("/api/v1/me/sip").json()["username"])[2]

    one, two = visitor(alice), visitor(alice)
    assert tag(one) == tag(one) != tag(two)


@pytest.mark.parametrize("why", ["no extension", "switched off"])
def test_no_credentials_without_a_number_that_is_on(visitor, alice, admin, why):
    actions.change_extension(alice.extension, enabled=False)
    user = admin if why == "no extension" else alice
    assert visitor(user).get("/api/v1/me/sip").status_code == 404


def test_people_by_name_and_number(visitor, alice, bob, charlie):
    def numbers(q):
        return [row["number"] for row in visitor(alice).get("/api/v1/people", {"q": q}).json()]

    actions.add_extension("210", name="Órgão público")
    actions.change_extension(charlie.extension, enabled=False)
    assert numbers("") == ["201", "202", "210"]
    assert numbers("bo") == ["202"]
    assert numbers("21") == ["210"]
    assert numbers("público órgão") == ["210"]
    assert numbers("charlie") == []


def test_language_and_name(visitor, alice):
    client = visitor(alice)
    answer = send(client, "patch", "/me", {"language": "pt-BR", "name": " Alice Prado "}).json()
    assert (answer["user"]["language"], answer["user"]["name"]) == ("pt-BR", "Alice Prado")
    assert answer["extension"]["name"] == "Alice Prado"
    assert 'lang="pt-br"' in client.get("/accounts/password/change/").content.decode()


@pytest.mark.parametrize("body", [{"language": "xx"}, {"name": ""}, {"name": "a\nb"}, {"name": "x" * 81}])
def test_a_profile_that_does_not_fit(visitor, alice, body):
    assert send(visitor(alice), "patch", "/me", body).status_code == 422
    alice.refresh_from_db()
    assert (alice.language, alice.name) == ("", "Alice")


def test_is_admin_cannot_be_set_from_outside(visitor, alice):
    send(
        visitor(alice),
        "patch",
        "/me",
        {"name": "Alice", "is_admin": True, "is_staff": True, "is_superuser": True},
    )
    alice.refresh_from_db()
    assert not (alice.is_staff or alice.is_superuser)


def test_a_diagnostic_is_one_line_in_the_log(visitor, alice, caplog):
    body = {"kind": "microphone.blocked", "detail": "NotAllowedError"}
    assert send(visitor(alice), "post", "/me/diagnostics", body).status_code == 204
    assert "page of alice reports microphone.blocked: NotAllowedError" in caplog.text
    assert send(visitor(alice), "post", "/me/diagnostics", {"kind": "a\nb"}).status_code == 422
