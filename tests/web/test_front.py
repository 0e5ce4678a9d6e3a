"""What stands before every page: hosts, origins, cookies, policies."""

import pytest
from django.test import Client

from ucplatform.web import hosts

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

LAN = [
    "localhost:8000",
    "127.0.0.1:8000",
    "[::1]:8000",
    "192.168.1.20:8443",
    "10.1.2.3",
    "100.64.0.9",
    "[fd00::1]:8443",
    "phone",
    "PHONE.local.",
    "pbx.fritz.lan:8443",
    "pbx.home.arpa",
    "test.example",
]
FOREIGN = [
    "evil.example",
    "localhost.evil.example",
    "8.8.8.8",
    "",
    "a b",
    "test.example.evil.com",
    "x:y:z",
    "[::1",
]


def live(host, **headers):
    return Client(headers={"host": host, **headers}).get("/healthz/live").status_code


@pytest.mark.parametrize("host", LAN)
def test_any_name_or_address_of_a_lan(host):
    assert live(host) == 200


@pytest.mark.parametrize("host", FOREIGN)
def test_a_public_name_that_is_not_ours(host, caplog):
    assert live(host) == 400
    assert caplog.text.count("refused host") == 1


def test_the_address_the_connection_came_in_on(db):
    assert live("8.8.8.8", **{"x-uc-local": "8.8.8.8"}) == 200
    assert live("8.8.4.4", **{"x-uc-local": "8.8.8.8"}) == 400


def test_with_a_public_name_only_that_and_the_machine_itself(settings):
    settings.UC_ALLOWED_HOSTS = ["phone.firm.example", ".branch.example"]
    for host in ("phone.firm.example", "a.branch.example", "branch.example", "localhost", "192.0.2.10"):
        assert live(host) == 200, host
    for host in ("192.168.1.20", "phone", "phone.local", "firm.example"):
        assert live(host) == 400, host


def test_hosts_are_compared_as_names():
    assert not hosts.is_accepted("")
    assert hosts.is_accepted("deep.name.internal")
    assert not hosts.is_accepted("internal.example")


class Browser(Client):
    """A browser behind the front, with the form check that test clients leave out by default."""

    def __init__(self, origin: str | None, *, host: str, secure: bool) -> None:
        headers = {
            "host": host,
            "x-forwarded-proto": "https" if secure else "http",
            "x-uc-peer": "192.168.1.50",
        }
        super().__init__(
            enforce_csrf_checks=True, headers={**headers, **({"origin": origin} if origin else {})}
        )

    def sign_in(self, user: str = "alice") -> int:
        self.get("/accounts/login/")
        token = self.cookies["csrftoken"].value
        form = {"login": user, "password": f"{user}-password", "csrfmiddlewaretoken": token}
        return self.post("/accounts/login/", form).status_code


@pytest.mark.parametrize(
    ("host", "secure"), [("localhost:8000", False), ("192.168.1.20:8443", True), ("phone.local:8443", True)]
)
def test_forms_from_our_own_origin(alice, host, secure):
    assert Browser(f"http{'s' if secure else ''}://{host}", host=host, secure=secure).sign_in() == 302


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://192.168.1.20:8443",
        "https://192.168.1.20",
        "https://192.168.1.21:8443",
        "null",
    ],
)
def test_forms_from_elsewhere(alice, origin, caplog):
    browser = Browser(origin, host="192.168.1.20:8443", secure=True)
    assert browser.sign_in() == 403
    assert "refused POST /accounts/login/ from 192.168.1.50" in caplog.text


def test_an_api_write_needs_the_token(alice):
    browser = Browser("https://phone.local", host="phone.local", secure=True)
    assert browser.sign_in() == 302
    body = {"data": '{"language": "en"}', "content_type": "application/json"}
    refused = browser.patch("/api/v1/me", **body)
    assert (refused.status_code, refused["Content-Type"].split(";")[0]) == (403, "application/json")
    token = browser.cookies["csrftoken"].value
    assert browser.patch("/api/v1/me", **body, headers={"x-csrftoken": token}).status_code == 200
    assert browser.get("/api/v1/me").status_code == 200


@pytest.mark.parametrize(
    ("host", "secure", "marked"),
    [("phone.local", True, True), ("phone.local", False, False), ("localhost:8443", True, False)],
)
def test_cookies_are_secure_on_https(alice, host, secure, marked):
    browser = Browser(None, host=host, secure=secure)
    browser.get("/accounts/login/")
    assert bool(browser.cookies["csrftoken"]["secure"]) is marked
    assert browser.cookies["csrftoken"]["samesite"] == "Lax"


def test_the_session_is_out_of_reach_of_scripts(alice):
    browser = Browser("http://localhost:8000", host="localhost:8000", secure=False)
    browser.sign_in()
    assert browser.cookies["sessionid"]["httponly"] and browser.cookies["sessionid"]["samesite"] == "Lax"


def test_every_answer_has_the_policies(visitor, alice):
    for path in ("/", "/accounts/login/", "/api/v1/me", "/healthz/live", "/nothing.here"):
        response = visitor(alice).get(path)
        policy = response["Content-Security-Policy"]
        assert (
            "default-src 'self'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        )
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["Referrer-Policy"] == "same-origin"
        assert response["Permissions-Policy"].startswith("microphone=(self)")
