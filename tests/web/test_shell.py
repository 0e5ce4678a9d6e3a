"""The page of the app: for those signed in, by the front end's manifest, text as text."""

import pytest

from ucplatform.directory import actions

PATHS = ["/", "/phone", "/history", "/history/c-e1-68bf-0a", "/call", "/settings"]


@pytest.mark.parametrize("path", PATHS)
def test_every_path_of_the_app_is_the_same_page(visitor, alice, built, path):
    browser = visitor(alice)
    response = browser.get(path)
    text = response.content.decode()
    assert (response.status_code, response["Cache-Control"]) == (200, "no-store")
    assert '<div id="app">' in text
    assert '<script type="module" src="/static/app/assets/i-1.js"></script>' in text
    for style in ("tokens.css", "assets/i-1.css", "assets/s-1.css"):
        assert f'<link rel="stylesheet" href="/static/app/{style}">' in text
    assert text.index("tokens.css") < text.index("i-1.css")
    for part in ("s-1.js", "d-1.js"):
        assert text.count(f'<link rel="modulepreload" href="/static/app/assets/{part}">') == 1
    assert "late-1.js" not in text
    assert "csrftoken" in browser.cookies


@pytest.mark.parametrize("path", PATHS)
def test_strangers_sign_in_first_and_come_back(visitor, db, path):
    response = visitor().get(f"{path}?x=1")
    assert response.status_code == 302
    assert response["Location"] == f"/accounts/login/?next={path}%3Fx%3D1"


@pytest.mark.parametrize("path", ["/favicon.ico", "/.env", "/assets/x.js", "/../etc/passwd", "/API/v1/me"])
def test_other_paths_are_not_pages(visitor, alice, built, path):
    assert visitor(alice).get(path).status_code == 404


def test_before_the_front_end_is_built_it_says_so(visitor, alice, settings, tmp_path):
    settings.STATIC_ROOT = tmp_path
    response = visitor(alice).get("/")
    assert response.status_code == 503
    assert "not built yet" in response.content.decode()


def test_the_shell_only_reads(visitor, alice, built):
    assert visitor(alice).post("/").status_code == 405


def test_names_are_text(visitor, alice, built):
    actions.set_option("company", "<script>alert(1)</script>")
    text = visitor(alice).get("/").content.decode()
    assert "<script>alert" not in text and "&lt;script&gt;alert(1)" in text


def test_openapi_is_there_and_its_viewer_from_elsewhere_is_not(visitor, alice):
    paper = visitor(alice).get("/api/v1/openapi.json").json()
    assert {"/api/v1/me/sip", "/api/v1/calls/{call_id}/messages"} <= set(paper["paths"])
    assert visitor(alice).get("/api/v1/docs").status_code == 404
