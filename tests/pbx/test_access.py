"""Who is asking: challenges, secrets, pages, and names that are not one's own."""

from dataclasses import replace

import pytest

from tests.pbx.lab import page_flow, phone_flow, request
from ucplatform.pbx.access import Denied, Gatekeeper, Granted
from ucplatform.pbx.ports import Account
from ucplatform.sip.digest import Challenge, NonceIssuer, authorize, ha1

REALM = "pbx.test"
PAGE = "w!200!99999!0123456789abcdef!nonce-nonce"


def account(number: str, secret: str, enabled: bool = True) -> Account:
    return Account(
        number,
        number,
        None,
        ha1(number, REALM, secret, "MD5"),
        ha1(number, REALM, secret, "SHA-256"),
        enabled,
    )


class Book(dict):
    by_number = dict.get


@pytest.fixture
def gate() -> Gatekeeper:
    book = Book({"200": account("200", "s3cret"), "299": account("299", "s3cret", enabled=False)})
    return Gatekeeper(REALM, NonceIssuer(b"k" * 32), book, lambda name: "page-pw" if name == PAGE else None)


def answer(
    gate,
    username,
    password,
    *,
    flow=None,
    method="INVITE",
    user="200",
    algorithm="MD5",
    now=1000.0,
    later=0.0,
):
    """Ask once, answer the challenge, give what the gatekeeper says then."""
    flow = flow or phone_flow(10)
    first = gate.check(request(method, "201", user=user), flow, now)
    assert isinstance(first, Denied) and first.why is None and first.response.status == 401
    challenge = replace(Challenge.parse(first.response.headers.get("WWW-Authenticate")), algorithm=algorithm)
    uri = "sip:201@pbx.test"
    credentials = authorize(challenge, method, uri, username, password, "cnonce", 1)
    again = request(method, "201", user=user, cseq=2, extra=(f"Authorization: {credentials}",))
    return gate.check(again, flow, now + later)


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_the_right_secret_is_granted(gate, algorithm):
    verdict = answer(gate, "200", "s3cret", algorithm=algorithm)
    assert isinstance(verdict, Granted) and verdict.account.number == "200" and verdict.session == ""


def test_telephones_are_offered_sha256_only_where_an_administrator_says_so(gate):
    def offered(flow):
        denied = gate.check(request("REGISTER", "200"), flow, 1000.0)
        return [Challenge.parse(text).algorithm for text in denied.response.headers.all("WWW-Authenticate")]

    assert offered(page_flow("ws-1")) == offered(phone_flow(10)) == ["MD5"]
    gate.offer_sha256 = True
    assert offered(page_flow("ws-1")) == ["MD5"]
    assert offered(phone_flow(10)) == ["MD5", "SHA-256"]


@pytest.mark.parametrize(
    ("username", "password", "user", "why"),
    [
        ("200", "wrong", "200", "wrong-credentials"),
        ("777", "s3cret", "777", "wrong-credentials"),
        ("299", "s3cret", "299", "wrong-credentials"),
        ("200", "s3cret", "201", "foreign-from"),
        ("w!200!1!0123456789abcdef!expired-one", "page-pw", "200", "wrong-credentials"),
        ("w!200", "page-pw", "200", "wrong-credentials"),
    ],
)
def test_everything_else_is_refused_alike(gate, username, password, user, why):
    verdict = answer(gate, username, password, user=user)
    assert isinstance(verdict, Denied) and verdict.response.status == 403 and verdict.why == why


def test_an_old_nonce_is_stale_and_asked_again(gate):
    verdict = answer(gate, "200", "s3cret", later=3600.0)
    assert isinstance(verdict, Denied) and verdict.why is None
    assert Challenge.parse(verdict.response.headers.all("WWW-Authenticate")[0]).stale


def test_credentials_of_another_realm_count_as_none(gate):
    challenge = Challenge(realm="elsewhere", nonce="abc")
    credentials = authorize(challenge, "INVITE", "sip:201@pbx.test", "200", "s3cret", "c", 1)
    verdict = gate.check(
        request("INVITE", "201", extra=(f"Authorization: {credentials}",)), phone_flow(10), 1000.0
    )
    assert isinstance(verdict, Denied) and verdict.response.status == 401


def test_a_pages_credential_is_bound_to_its_flow_until_that_is_lost(gate):
    verdict = answer(gate, PAGE, "page-pw", flow=page_flow("ws-1"))
    assert isinstance(verdict, Granted) and verdict.session == "0123456789abcdef"
    assert gate.flows_of("0123456789abcdef") == {"ws-1"}
    stolen = answer(gate, PAGE, "page-pw", flow=page_flow("ws-2"))
    assert isinstance(stolen, Denied) and stolen.why == "wrong-credentials"
    gate.flow_lost("ws-1")
    assert gate.flows_of("0123456789abcdef") == set()
    assert isinstance(answer(gate, PAGE, "page-pw", flow=page_flow("ws-2")), Granted)


def test_a_disabled_extension_ends_the_right_of_its_open_page_at_once(gate):
    assert isinstance(answer(gate, PAGE, "page-pw", flow=page_flow("ws-1")), Granted)
    gate._directory["200"] = replace(gate._directory["200"], enabled=False)
    verdict = answer(gate, PAGE, "page-pw", flow=page_flow("ws-1"))
    assert isinstance(verdict, Denied) and verdict.response.status == 403


def test_a_pages_credential_is_for_a_websocket_only(gate):
    verdict = answer(gate, PAGE, "page-pw", flow=phone_flow(10))
    assert isinstance(verdict, Denied) and verdict.why == "wrong-credentials"
