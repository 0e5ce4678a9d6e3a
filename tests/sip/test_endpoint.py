"""What the endpoint does by itself: CANCEL, forks, merged and malformed requests, limits, lost flows."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sip.pair import A, Pair, build
from tests.sip.wire import UDP, endpoint, events, responses, wire
from ucplatform.sip.commands import (
    AckReceived,
    RequestReceived,
    Send,
)
from ucplatform.sip.errors import UsageError
from ucplatform.sip.flow import Flow
from ucplatform.sip.message import Request, make_response

# ---- requests


def test_an_invite_is_answered_100_at_once_and_passed_up():
    commands = endpoint().receive(wire(), UDP, 0.0)
    assert responses(commands) == [100]
    [received] = events(commands)
    assert isinstance(received, RequestReceived)
    assert received.flow == UDP
    assert commands[0].message.to_tag is None


@pytest.mark.parametrize("method", ["OPTIONS", "BYE", "REGISTER", "WEIRD", "invite"])
def test_other_methods_known_or_not_are_passed_up_without_an_answer(method):
    commands = endpoint().receive(wire(method), UDP, 0.0)
    assert responses(commands) == []
    assert [event.request.method for event in events(commands)] == [method]


def test_a_retransmission_gets_the_last_answer_and_is_not_passed_up():
    one = endpoint()
    [received] = events(one.receive(wire(), UDP, 0.0))
    assert responses(one.receive(wire(), UDP, 0.5)) == [100]
    one.respond(received.key, make_response(received.request, 180), 0.6)
    commands = one.receive(wire(), UDP, 1.0)
    assert responses(commands) == [180]
    assert events(commands) == []


def test_a_retransmission_of_rfc_2543_is_known_without_a_branch():
    one = endpoint()
    [received] = events(one.receive(wire(branch=""), UDP, 0.0))
    assert responses(one.receive(wire(branch=""), UDP, 0.5)) == [100]
    one.respond(received.key, make_response(received.request, 486), 0.6)
    assert events(one.receive(wire("ACK", branch="", to_tag="x"), UDP, 0.7)) == []
    assert responses(one.receive(wire(branch=""), UDP, 0.8)) == []  # Confirmed: nothing more to say
    assert len(events(one.receive(wire(branch="", cseq=2), UDP, 1.0))) == 1


def test_a_cancel_of_rfc_2543_finds_its_invite():
    one = endpoint()
    one.receive(wire(branch="1"), UDP, 0.0)
    assert responses(one.receive(wire("CANCEL", branch="1"), UDP, 0.1)) == [200]


def test_the_same_branch_from_another_sender_is_another_transaction():
    one = endpoint()
    one.receive(wire("OPTIONS"), UDP, 0.0)
    commands = one.receive(wire("OPTIONS", sent_by="192.0.2.9", call_id="call-2"), UDP, 0.0)
    assert len(events(commands)) == 1


def test_a_merged_request_gets_482():
    """8.2.2.2: a proxy forked it, and both copies end here."""
    one = endpoint()
    [received] = events(one.receive(wire(), UDP, 0.0))
    commands = one.receive(wire(branch="z9hG4bK-2"), UDP, 0.1)
    assert responses(commands) == [482]
    assert events(commands) == []
    assert len(one) == 1
    one.flow_lost(UDP.id, 1.0)
    assert len(events(one.receive(wire(branch="z9hG4bK-3"), UDP, 2.0))) == 1
    assert received.key


def test_requests_inside_a_dialog_are_never_merged():
    one = endpoint()
    one.receive(wire("INFO", to_tag="x"), UDP, 0.0)
    assert len(events(one.receive(wire("INFO", branch="z9hG4bK-2", to_tag="x"), UDP, 0.1))) == 1


@pytest.mark.parametrize(
    ("method", "to_tag", "status"),
    [
        ("INVITE", "", [483]),
        ("MESSAGE", "", [483]),
        ("OPTIONS", "", []),
        ("REGISTER", "", []),
        ("BYE", "x", []),
    ],
)
def test_max_forwards_0_ends_what_would_travel_on(method, to_tag, status):
    commands = endpoint().receive(wire(method, to_tag=to_tag, forwards=0), UDP, 0.0)
    assert responses(commands) == status


def test_beyond_the_limit_requests_get_503_without_state():
    one = endpoint(limit=2)
    for number in range(2):
        one.receive(wire(branch=f"z9hG4bK-{number}", call_id=str(number)), UDP, 0.0)
    commands = one.receive(wire(branch="z9hG4bK-9", call_id="9"), UDP, 0.0)
    assert responses(commands) == [503]
    assert commands[0].message.headers.get("Retry-After") == "10"
    assert events(commands) == []
    assert len(one) == 2
    assert responses(one.receive(wire(branch="z9hG4bK-1", call_id="1"), UDP, 0.5)) == [
        100
    ]  # known ones go on


def test_beyond_the_limit_dialogs_go_on_until_memory_is_at_stake():
    one = endpoint(limit=1)
    one.receive(wire(), UDP, 0.0)
    bye = wire("BYE", branch="z9hG4bK-2", to_tag="b")
    assert one.serves(("s", "z9hG4bK-1", "192.0.2.1:5060", "INVITE"))
    assert responses(one.receive(bye, UDP, 0.0)) == [] and len(one) == 2
    again = one.receive(wire("BYE", branch="z9hG4bK-3", to_tag="c"), UDP, 0.0)
    assert responses(again) == [503]


@pytest.mark.parametrize(
    "damage",
    [
        (b"CSeq: 1 INVITE", b"CSeq: 1 BYE"),
        (b"Call-ID: call-1\r\n", b""),
        (b"From: <sip", b"From: <<sip"),
        (b"Max-Forwards: 70", b"Max-Forwards: many"),
        (b"Content-Length: 0", b"Content-Length: 9"),
    ],
)
def test_a_malformed_request_gets_a_stateless_400(damage):
    one = endpoint()
    data = wire().replace(*damage)
    assert data != wire()
    commands = one.receive(data, UDP, 0.0)
    assert responses(commands) == [400]
    assert events(commands) == []
    assert len(one) == 0
    again = one.receive(data, UDP, 0.5)
    assert again[0].message.to_bytes() == commands[0].message.to_bytes()  # 8.2.7: the same tag again


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        b"\x00" * 40,
        b"hello",
        b"SIP/2.0 200 OK\r\n\r\n",
        b"INVITE sip:a SIP/2.0\r\n\r\n",
        wire("ACK").replace(b"CSeq: 1 ACK", b"CSeq: x"),
        b"\xff" * 2000,
        wire().replace(b"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-1\r\n", b""),
    ],
)
def test_what_cannot_be_answered_is_dropped(data):
    one = endpoint()
    assert one.receive(data, UDP, 0.0) == []
    assert len(one) == 0


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=12), st.integers(0, 12)), max_size=4),
    st.data(),
)
def test_no_damage_makes_the_endpoint_raise(cuts, data):
    """Octets replaced anywhere, in requests and in responses to a request of ours."""
    one = endpoint()
    request = build("INVITE")
    one.request(request, UDP, 0.0, context=None)
    messages = [
        wire(),
        wire("CANCEL"),
        wire("ACK", to_tag="x"),
        fork(request, "bob"),
        fork(request, "bob", 486),
    ]
    for message in data.draw(st.permutations(messages)):
        damaged = message
        for at, new, length in cuts:
            damaged = damaged[:at] + new + damaged[at + length :]
        for command in one.receive(damaged, UDP, 0.0):
            if isinstance(command, Send):
                command.message.to_bytes()


def test_a_stray_request_is_answered_without_state():
    one = endpoint()
    [received] = events(one.receive(wire("BYE", to_tag="x"), UDP, 0.0))
    assert responses(one.stray(received.request, UDP)) == [481]
    [ack] = events(one.receive(wire("ACK", to_tag="x"), UDP, 0.0))
    assert isinstance(ack, AckReceived)
    assert one.stray(ack.request, UDP) == []


# ---- 2xx and forks


def fork(request: Request, tag: str, status: int = 200) -> bytes:
    return make_response(
        request, status, to_tag=tag, headers=[("Contact", f"<sip:{tag}@192.0.2.9>")]
    ).to_bytes()


def test_each_fork_is_passed_up_and_its_ack_goes_with_it():
    pair = Pair()
    pair.call()
    [invite] = pair.messages("a", "INVITE")
    a = pair.a
    for tag in ("one", "two", "one", "two"):
        pair.do(a, a.endpoint.receive(fork(invite, tag), a.flow, 0.1))
    assert [event.response.to_tag for event in a.take()] == ["one", "two"]
    pair.ack("two")
    pair.ack("one")
    acks = pair.messages("a", "ACK")
    assert [ack.to_tag for ack in acks] == ["two", "one"]
    assert len({ack.via.branch for ack in acks}) == 2  # 13.2.2.4: a transaction of its own
    commands = a.endpoint.receive(fork(invite, "two"), a.flow, 0.2)
    assert [command.message for command in commands] == [acks[0]]
    assert a.endpoint.receive(fork(invite, "late", 486), a.flow, 0.3) == []


def test_answers_with_ever_new_tags_come_to_an_end():
    pair = Pair()
    pair.call()
    [invite] = pair.messages("a", "INVITE")
    for number in range(200):
        pair.do(pair.a, pair.a.endpoint.receive(fork(invite, f"t{number}"), pair.a.flow, 0.1))
    assert len(pair.a.take()) == 64


def test_early_media_of_several_forks_is_passed_up():
    pair = Pair()
    pair.call()
    [invite] = pair.messages("a", "INVITE")
    for tag in ("one", "two"):
        pair.do(pair.a, pair.a.endpoint.receive(fork(invite, tag, 183), pair.a.flow, 0.1))
    assert [event.response.to_tag for event in pair.a.take()] == ["one", "two"]


def test_a_response_with_a_second_via_or_a_foreign_branch_is_dropped():
    pair = Pair()
    pair.call()
    [invite] = pair.messages("a", "INVITE")
    response = make_response(invite, 200)
    response.headers.add("Via", "SIP/2.0/UDP 192.0.2.7")
    assert pair.a.endpoint.receive(response.to_bytes(), pair.a.flow, 0.1) == []
    foreign = fork(invite, "x").replace(b"z9hG4bKa-", b"z9hG4bKb-")
    assert pair.a.endpoint.receive(foreign, pair.a.flow, 0.1) == []


def test_an_ack_with_the_wrong_tag_does_not_end_the_2xx():
    pair = Pair()
    pair.call()
    pair.run(0.02)
    pair.answer(pair.b.take()[0], 200)
    pair.ack("forged")
    pair.run(3)
    assert len(pair.times("b", "200 INVITE")) == 3


# ---- flows


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_a_lost_flow_fails_requests_with_503(method):
    pair = Pair("wss")
    pair.call(method)
    pair.do(pair.a, pair.a.endpoint.flow_lost(pair.a.flow.id, pair.now))
    [failed] = pair.a.take()
    assert (failed.status, failed.context, failed.request.method) == (503, method, method)
    assert len(pair.a.endpoint) == 0
    assert len(pair.a.timers) == 0
    assert pair.a.endpoint.flow_lost("wss-99", 0.0) == []


def test_a_lost_flow_ends_server_transactions_and_late_answers_go_nowhere():
    pair = Pair("wss")
    pair.call()
    pair.run(0.1)
    [invite] = pair.b.take()
    pair.do(pair.b, pair.b.endpoint.flow_lost(pair.b.flow.id, pair.now))
    assert pair.b.ended == [invite.key]
    assert pair.b.endpoint.respond(invite.key, make_response(invite.request, 200), pair.now) == []


def test_the_ack_may_come_by_the_flow_that_replaced_a_lost_one():
    pair = Pair("wss")
    pair.call()
    pair.run(0.1)
    pair.answer(pair.b.take()[0], 200)
    pair.lose = lambda sender, what, count: True
    pair.ack()
    pair.do(pair.b, pair.b.endpoint.flow_lost(pair.b.flow.id, pair.now))
    pair.run(5)
    assert len(pair.times("b", "200 INVITE")) == 1
    [ack] = pair.messages("a", "ACK")
    again = Flow("wss-7", "wss", pair.b.flow.local, A)
    pair.do(pair.b, pair.b.endpoint.receive(ack.to_bytes(), again, pair.now))
    [event] = pair.b.take()
    assert event.flow == again
    pair.run(60)
    assert pair.b.take() == []
    assert len(pair.b.endpoint) == 0


def test_a_failed_cancel_over_a_lost_flow_is_told_once():
    pair = Pair("tcp")
    key = pair.call()
    pair.run(0.1)
    pair.a.take()
    pair.cancel(key)
    pair.do(pair.a, pair.a.endpoint.flow_lost(pair.a.flow.id, pair.now))
    assert [(event.status, event.context) for event in pair.a.take()] == [(503, "INVITE")]


# ---- what the user may not do


def test_ack_and_cancel_are_no_requests_and_only_requests_are_answered():
    one = endpoint()
    with pytest.raises(UsageError):
        one.request(build("ACK"), UDP, 0.0, context=None)
    key, _ = one.request(build("OPTIONS"), UDP, 0.0, context=None)
    with pytest.raises(UsageError):
        one.respond(key, make_response(build("OPTIONS"), 200), 0.0)


def test_requests_get_max_forwards_a_via_and_a_branch_that_names_the_edge():
    one = endpoint()
    request = build("OPTIONS")
    one.request(request, UDP, 0.0, context=None)
    assert request.max_forwards == 70
    assert request.via.branch.startswith("z9hG4bK1-")
    assert str(request.via).startswith("SIP/2.0/UDP 192.0.2.2:5060;")
    assert request.via.rport == ""


def test_a_thousand_transactions_leave_nothing_behind():
    pair = Pair("tcp")
    for number in range(1000):
        pair.call("OPTIONS", call_id=str(number))
        pair.run(0.02)
        pair.answer(pair.b.take()[0], 200)
        pair.run(0.02)
        pair.log.clear()
        pair.sent.clear()
    pair.settle()
