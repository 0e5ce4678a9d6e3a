"""Who is let in, who gets silence, and who is told to come again later."""

from dataclasses import replace
from itertools import product

import pytest

from tests.pbx.lab import HOUSE, page_flow, phone_flow, request
from ucplatform.edge.bans import Bans
from ucplatform.edge.limits import Limits
from ucplatform.edge.overload import NEWCOMERS, STRANGERS
from ucplatform.edge.porter import SILENCE, Porter
from ucplatform.edge.store import Store
from ucplatform.sip.flow import Flow
from ucplatform.sip.message import parse_message
from ucplatform.sip.transaction import server_key

ATTACKER, PHONE = phone_flow(66), phone_flow(66).with_remote(("192.0.2.66", 5070))
CREDENTIALS = ("Authorization: Digest username=x",)


class House:
    """What stands around the porter: who is registered where, which proxies are trusted."""

    def __init__(self) -> None:
        self.registered: set[tuple[str, str]] = set()
        self.served: set[tuple[str, ...]] = set()
        self.proxies: set[str] = set()
        self.answers = False
        self.in_dialog = True

    def trusts(self, host):
        return host in self.proxies

    def serves(self, key):
        return key in self.served

    def is_registered(self, number, flow):
        return (number, flow.id) in self.registered

    def is_in_dialog(self, request):
        return self.in_dialog

    def claims(self, request):
        return request.from_.uri.username

    def is_answer(self, request, peer):
        return self.answers

    def house(self):
        return HOUSE


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def porter(house) -> Porter:
    limits = replace(Limits(), strangers_burst=5.0, strangers_rate=1.0)
    return Porter(house, Bans(Store("redis://127.0.0.1:1/0"), exempt=house.trusts), limits)


def ignored(porter, message, flow=ATTACKER, now=100.0) -> bool:
    return porter.ignores(message, flow, now)


def guess(porter, times=5, account="200", flow=ATTACKER):
    for _ in range(times):
        porter.failed(flow, account, guess=True)


def wire(method="INVITE", **more) -> bytes:
    message = request(method, "201", **more)
    via = message.headers.get("Via") + ";rport"
    message.headers.set("Via", via)
    return message.to_bytes()


def test_a_banned_account_gets_silence_with_and_without_credentials(porter):
    guess(porter)
    for now, (extra, method) in enumerate(product(((), CREDENTIALS), ("REGISTER", "INVITE", "OPTIONS"))):
        for user, flow, silence in (("200", ATTACKER, 1), ("202", ATTACKER, 0), ("200", phone_flow(10), 0)):
            message = request(method, "201", user=user, extra=extra)
            assert ignored(porter, message, flow, 100.0 + 5 * now) == silence, (method, extra, user)


def test_the_phone_that_is_registered_over_its_flow_goes_on(porter, house):
    house.registered.add(("200", PHONE.id))
    guess(porter)
    assert not ignored(porter, request("INVITE", "201", user="200", extra=CREDENTIALS), PHONE)
    assert ignored(porter, request("INVITE", "201", user="200", extra=CREDENTIALS), ATTACKER)


def test_the_flow_of_a_guesser_is_not_even_read(porter):
    data = request("REGISTER", "200").to_bytes()
    guess(porter, 4)
    assert porter.turns_away(data, ATTACKER) is None
    guess(porter, 1)
    assert porter.turns_away(data, ATTACKER) == SILENCE
    assert porter.turns_away(data, PHONE) is None
    porter.lift(ATTACKER.remote[0])
    assert porter.turns_away(data, ATTACKER) is None


def test_the_connection_of_a_proxy_is_not_closed_for_one_who_guesses_behind_it(porter, house):
    house.proxies.add("192.0.2.9")
    proxy = Flow("tcp-1", "tcp", ("192.0.2.1", 5060), ("192.0.2.9", 40000))
    guess(porter, flow=proxy.sent_by(("198.51.100.66", 5060)))
    assert porter.turns_away(b"anything", proxy) is None


def test_a_phone_with_a_good_account_and_a_bad_one_is_read(porter):
    porter.signed_in(ATTACKER, "201")
    guess(porter)
    assert porter.turns_away(b"anything", ATTACKER) is None
    assert ignored(porter, request("REGISTER", "200", user="200"))
    assert not ignored(porter, request("REGISTER", "201", user="201"))


def test_what_belongs_to_a_dialog_or_a_request_under_way_always_comes_in(porter):
    guess(porter)
    porter.take_options({"silent_to_strangers": 1})
    for message in (
        request("BYE", "201", to_tag="b"),
        request("INVITE", "201", to_tag="b"),
        request("CANCEL", "201"),
        request("ACK", "201", to_tag="b"),
    ):
        assert not any(ignored(porter, message) for _ in range(20))


def test_an_address_banned_whole_is_not_even_read(porter):
    for account in range(100, 105):
        guess(porter, 1, str(account))
    assert porter.turns_away(b"anything", ATTACKER) == SILENCE
    assert porter.turns_away(b"anything", phone_flow(10)) is None


def test_behind_a_proxy_the_sender_is_banned_and_not_the_proxy(porter, house):
    house.proxies.add("192.0.2.9")
    proxy = phone_flow(9)
    for account in range(100, 110):
        guess(porter, 1, str(account), proxy)
        guess(porter, 1, str(account), proxy.sent_by(("198.51.100.66", 5060)))
    assert porter.turns_away(wire(), proxy) is None
    assert not ignored(porter, request("REGISTER", "201"), proxy.sent_by(("198.51.100.1", 5060)))
    assert ignored(porter, request("REGISTER", "201"), proxy.sent_by(("198.51.100.66", 5060)))
    assert porter.peer(proxy) == "proxy" != porter.peer(ATTACKER)


def test_a_page_is_never_shut_out_by_its_number(porter):
    guess(porter, account="w!200!1!0123456789abcdef!x")
    assert not ignored(porter, request("REGISTER", "200", user="200"), page_flow("ws-1", 66))


def test_strangers_have_a_share_and_who_signs_in_gets_it_back(porter, house):
    for _ in range(50):
        assert not ignored(porter, request("REGISTER", "200"))
        assert not ignored(porter, request("REGISTER", "200", extra=CREDENTIALS))
        porter.signed_in(ATTACKER, "200")
    assert [ignored(porter, request("REGISTER", "200"), PHONE) for _ in range(6)] == [False] * 5 + [True]
    assert not porter.hears(ATTACKER, 100.0) and porter.hears(phone_flow(10), 100.0)


def test_beyond_the_share_only_those_with_standing_are_heard(porter, house):
    for _ in range(5):
        assert not ignored(porter, request("REGISTER", "200", extra=CREDENTIALS))
    assert ignored(porter, request("REGISTER", "200")), "any credentials are not good ones"
    assert ignored(porter, request("REGISTER", "200", extra=CREDENTIALS))
    house.answers = True
    assert not ignored(porter, request("REGISTER", "200", extra=CREDENTIALS))
    assert ignored(porter, request("REGISTER", "200"))
    house.registered.add(("200", ATTACKER.id))
    assert not ignored(porter, request("REGISTER", "200"))
    porter.signed_in(PHONE, "201")
    assert not any(ignored(porter, request("INVITE", "200", user="201"), PHONE) for _ in range(20))


def test_requests_for_dialogs_that_are_not_there_have_a_share_too(porter, house):
    bye = request("BYE", "201", to_tag="b")
    assert not any(ignored(porter, bye) for _ in range(20))
    house.in_dialog = False
    assert [ignored(porter, bye) for _ in range(6)] == [False] * 5 + [True]
    assert not ignored(porter, request("ACK", "201", to_tag="b"))


def test_a_proxy_in_front_has_no_share(porter, house):
    house.proxies.add("192.0.2.66")
    assert not any(ignored(porter, request("OPTIONS", "200")) for _ in range(50))


@pytest.mark.parametrize(
    ("message", "silent"),
    [
        (request("REGISTER", "200"), False),
        (request("INVITE", "201"), False),
        (request("REGISTER", "200", extra=("User-Agent: friendly-scanner",)), True),
        (request("INVITE", "200", extra=("User-Agent: SIPVicious 0.3",)), True),
        (request("OPTIONS", "200"), True),
        (request("SUBSCRIBE", "200"), True),
        (request("MESSAGE", "200", extra=CREDENTIALS), False),
    ],
)
def test_scanners_get_silence_where_an_administrator_says_so(porter, message, silent):
    assert not ignored(porter, message)
    porter.take_options({"silent_to_strangers": 1})
    assert ignored(porter, message) is silent
    assert not porter.hears(ATTACKER, 100.0)


def test_silence_is_for_what_is_not_for_us(porter, house):
    porter.take_options({"silent_to_strangers": 1})
    data = request("REGISTER", "200").to_bytes()
    for host, silent in [(b"elsewhere.example", True), (b"192.0.2.1", False), (b"PBX.test", False)]:
        message = parse_message(data.replace(b"sip:200@pbx.test SIP", b"sip:" + host + b" SIP"))
        assert ignored(porter, message) is silent, host
    house.registered.add(("200", ATTACKER.id))
    assert not ignored(porter, request("OPTIONS", "200")), "a telephone of ours asks whether we are there"


def test_silence_does_not_tell_which_numbers_there_are(porter, house):
    house.registered.add(("200", phone_flow(10).id))
    porter.take_options({"silent_to_strangers": 1})
    for method in ("REGISTER", "INVITE", "OPTIONS"):
        answers = {ignored(porter, request(method, "201", user=user)) for user in ("200", "777")}
        assert len(answers) == 1


def test_in_an_overload_newcomers_are_told_to_come_again(porter):
    flow = phone_flow(10)
    assert porter.turns_away(wire(), flow) is None
    porter.overload.level = NEWCOMERS
    reply = parse_message(porter.turns_away(wire(extra=CREDENTIALS), flow))
    assert reply.status == 503 and 5 <= int(reply.headers.get("Retry-After")) <= 15
    ack = request("ACK", "201", to_tag=reply.to_tag).to_bytes()
    assert porter.turns_away(ack, flow) == SILENCE
    assert parse_message(porter.turns_away(wire("REGISTER"), flow)).status == 503


def test_in_an_overload_dialogs_and_what_is_under_way_go_on(porter, house):
    flow = phone_flow(10)
    porter.overload.level = NEWCOMERS
    for message in (
        wire(to_tag="b"),
        wire("BYE", to_tag="b"),
        wire("ACK", to_tag="b"),
        wire("CANCEL"),
        wire("OPTIONS"),
        wire(extra=("Replaces: x;to-tag=1;from-tag=2",)),
        b"SIP/2.0 200 OK\r\n\r\n",
    ):
        assert porter.turns_away(message, flow) is None, message
    repeated = parse_message(wire())
    house.served.add(server_key(repeated, repeated.via))
    assert porter.turns_away(wire(), flow) is None and porter.refusal(repeated, flow) is None


def test_in_an_overload_who_was_challenged_comes_before_who_was_not(porter):
    porter.overload.level, porter.overload.share = STRANGERS, 0.0
    assert porter.turns_away(wire(extra=CREDENTIALS), phone_flow(10)) is None
    assert porter.turns_away(wire(), phone_flow(10)) is not None


def test_who_cannot_be_sent_away_at_a_glance_is_after_reading(porter):
    porter.overload.level = NEWCOMERS
    flow = Flow.udp(("192.0.2.1", 5060), ("192.0.2.10", 40000))  # translated on the way, and without rport
    message = request("INVITE", "201")
    assert porter.turns_away(message.to_bytes(), flow) is None
    refusal = porter.refusal(message, flow)
    assert refusal.status == 503 and refusal.via.host == "192.0.2.10"
    assert porter.refusal(request("OPTIONS", "201"), flow) is None
    assert porter.refusal(request("INVITE", "201", extra=("Replaces: x;to-tag=1;from-tag=2",)), flow) is None
