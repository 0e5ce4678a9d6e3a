"""Who is asking: challenges, secrets, pages, and names that are not one's own."""

import hashlib
import statistics
import time
from dataclasses import replace

import pytest

from tests.pbx.lab import page_flow, phone_flow, request
from ucplatform.pbx.access import Denied, Gatekeeper, Granted
from ucplatform.pbx.ports import Account
from ucplatform.sip.digest import Challenge, Credentials, NonceIssuer, authorize, ha1

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
        ha1_sha512_256=ha1(number, REALM, secret, "SHA-512-256"),
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


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "SHA-512-256", "SHA-256-SESS"])
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
    assert offered(phone_flow(10)) == ["MD5", "SHA-256", "SHA-512-256"]


def test_malformed_credentials_get_400(gate):
    message = request("REGISTER", "200", extra=('Authorization: Digest username="200", realm="pbx.test"',))
    denied = gate.check(message, phone_flow(10), 1000.0)
    assert isinstance(denied, Denied) and denied.response.status == 400
    assert (denied.why, denied.guess) == ("malformed-credentials", False)


def test_an_account_from_before_an_algorithm_cannot_be_entered_by_it(gate):
    """Its hash is empty: no secret fits it, least of all an empty one."""
    gate._directory["202"] = replace(account("202", "s3cret"), ha1_sha512_256="")
    verdict = answer(gate, "202", "s3cret", user="202", algorithm="SHA-512-256")
    assert isinstance(verdict, Denied) and verdict.why == "wrong-credentials"
    assert isinstance(answer(gate, "202", "s3cret", user="202", algorithm="SHA-256"), Granted)


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


def guess(gate, nonce, *, username="200", password="wrong", now=1000.0, host=10):
    """Credentials that carry `nonce`, wherever it comes from."""
    challenge = Challenge(realm=REALM, nonce=nonce)
    credentials = authorize(challenge, "INVITE", "sip:201@pbx.test", username, password, "c", 1)
    message = request("INVITE", "201", user=username, cseq=3, extra=(f"Authorization: {credentials}",))
    return gate.check(message, phone_flow(host), now)


def nonce_for(gate, host, now=1000.0):
    denied = gate.check(request("INVITE", "201"), phone_flow(host), now)
    return Challenge.parse(denied.response.headers.get("WWW-Authenticate")).nonce


@pytest.mark.parametrize("password", ["wrong", "s3cret"])
@pytest.mark.parametrize(
    ("host", "later"), [pytest.param(11, 0.0, id="of another address"), pytest.param(10, 3600.0, id="old")]
)
def test_a_nonce_not_ours_to_take_is_answered_alike_whatever_the_secret(gate, password, host, later):
    verdict = guess(gate, nonce_for(gate, host), password=password, now=1000.0 + later)
    assert verdict.response.status == 401 and not verdict.guess and verdict.why is None
    assert guess(gate, "made up", password=password).response.status == 401


@pytest.mark.parametrize("username", ["200", "777", "299"])
def test_only_an_answer_to_our_challenge_counts_as_a_guess(gate, username):
    verdict = guess(gate, nonce_for(gate, 10), username=username)
    assert verdict.guess and verdict.response.status == 403
    assert not guess(gate, nonce_for(gate, 11), username=username).guess


def test_an_answer_to_our_challenge_is_known_by_its_nonce_alone(gate):
    credentials = authorize(Challenge(REALM, nonce_for(gate, 10)), "INVITE", "sip:x", "200", "wrong", "c", 1)
    message = request("INVITE", "201", extra=(f"Authorization: {credentials}",))
    assert gate.is_answer(message, "192.0.2.10", 1000.0) and gate.is_answer(message, "192.0.2.10", 9000.0)
    assert not gate.is_answer(message, "192.0.2.11", 1000.0)
    assert not gate.is_answer(request("INVITE", "201"), "192.0.2.10", 1000.0)
    broken = request("INVITE", "201", extra=("Authorization: Digest x",))
    assert not gate.is_answer(broken, "192.0.2.10", 1000.0) and gate.claims(broken) == "200"


def test_a_late_page_has_not_guessed(gate):
    verdict = answer(gate, "w!200!1!0123456789abcdef!expired-one", "page-pw", flow=page_flow("ws-1"))
    assert isinstance(verdict, Denied) and verdict.why == "wrong-credentials" and not verdict.guess


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_an_extension_without_a_secret_has_none_that_everybody_knows(gate, algorithm):
    gate._directory["298"] = Account("298", "Page only", None, "", "")
    nonce = nonce_for(gate, 10)
    unsigned = Credentials("298", REALM, nonce, "sip:x", "", algorithm, "auth", "c", 1)
    # What an empty hash as key would give: computable without any secret.
    hashed = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}[algorithm]
    ha2 = hashed(b"REGISTER:sip:x").hexdigest()
    response = hashed(f":{nonce}:00000001:c:auth:{ha2}".encode()).hexdigest()
    header = f"Authorization: {replace(unsigned, response=response)}"
    verdict = gate.check(request("REGISTER", "298", user="298", extra=(header,)), phone_flow(10), 1000.0)
    assert isinstance(verdict, Denied) and verdict.response.status == 403


def test_a_refusal_takes_as_long_for_a_number_that_nobody_has(gate):
    def microseconds(username):
        nonce = nonce_for(gate, 10)
        begin = time.perf_counter()
        guess(gate, nonce, username=username)
        return (time.perf_counter() - begin) * 1e6

    pairs = [(microseconds("200"), microseconds("777")) for _ in range(600)]
    known, unknown = (statistics.median(column) for column in zip(*pairs, strict=True))
    assert 0.8 < known / unknown < 1.25


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
