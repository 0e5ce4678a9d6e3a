"""The four machines of RFC 3261 section 17 and RFC 6026, over a network that loses what a test wants lost."""

import random

import pytest

from tests.sip.pair import Pair, build
from ucplatform.sip.commands import (
    AckMissing,
    AckReceived,
    PassUp,
    RequestFailed,
    RequestReceived,
    ResponseReceived,
    Send,
    SetTimer,
    Terminated,
)
from ucplatform.sip.flow import Flow
from ucplatform.sip.message import make_response
from ucplatform.sip.timers import Timing
from ucplatform.sip.transaction import (
    INVITE_CLIENT,
    INVITE_SERVER,
    OTHER_CLIENT,
    OTHER_SERVER,
    Input,
    State,
    Transaction,
)

LOSE_ALL = lambda sender, what, count: True  # noqa: E731
TABLES = [INVITE_CLIENT, OTHER_CLIENT, INVITE_SERVER, OTHER_SERVER]


def statuses(events: list) -> list[int]:
    return [event.response.status for event in events if isinstance(event, ResponseReceived)]


def test_invite_is_retransmitted_doubling_without_end_and_fails_after_64_t1():
    pair = Pair()
    pair.lose = LOSE_ALL
    pair.call()
    pair.run(40)
    assert pair.times("a", "INVITE") == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    [failed] = pair.a.take()
    assert isinstance(failed, RequestFailed)
    assert (failed.status, failed.context) == (408, "INVITE")
    pair.settle()


def test_other_requests_are_retransmitted_up_to_t2_and_fail_after_64_t1():
    pair = Pair()
    pair.lose = LOSE_ALL
    pair.call("OPTIONS")
    pair.run(40)
    assert pair.times("a", "OPTIONS") == [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert [event.status for event in pair.a.take()] == [408]
    pair.settle()


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_patience_may_be_shorter(method):
    pair = Pair()
    pair.lose = LOSE_ALL
    pair.call(method, ttl=4)
    pair.run(3.9)
    assert pair.a.take() == []
    pair.run(0.2)
    assert [event.status for event in pair.a.take()] == [408]


@pytest.mark.parametrize("transport", ["tcp", "tls", "ws", "wss"])
@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_reliable_transports_need_no_retransmission_but_still_time_out(transport, method):
    pair = Pair(transport)
    pair.lose = LOSE_ALL
    pair.call(method)
    pair.run(31.9)
    assert pair.times("a", method) == [0]
    assert pair.a.take() == []
    pair.run(0.2)
    assert [event.status for event in pair.a.take()] == [408]
    pair.settle()


def test_a_provisional_response_stops_the_invite():
    pair = Pair()
    pair.call()
    pair.run(100)  # no limit now: how long a phone rings is the user's affair
    assert pair.times("a", "INVITE") == [0]
    assert statuses(pair.a.take()) == [100]


def test_a_provisional_response_slows_other_requests_to_t2():
    pair = Pair()
    pair.call("INFO")
    pair.run(0.02)
    [request] = pair.b.take()
    pair.answer(request, 100)
    pair.lose = lambda sender, what, count: what == "INFO"
    pair.run(13)
    # Timer E that was running fires as set; from there every T2 (17.1.2.2).
    assert pair.times("a", "INFO") == [0, 0.5, 4.5, 8.5, 12.5]
    pair.run(20)
    assert [event.status for event in pair.a.take() if isinstance(event, RequestFailed)] == [408]


def test_a_lost_answer_is_sent_again_for_each_retransmitted_request():
    pair = Pair()
    pair.lose = lambda sender, what, count: what == "200 OPTIONS" and count < 3
    pair.call("OPTIONS")
    pair.run(0.02)
    [request] = pair.b.take()
    pair.answer(request, 200)
    pair.run(5)
    assert pair.times("a", "OPTIONS") == [0, 0.5, 1.5]
    assert len(pair.times("b", "200 OPTIONS")) == 3
    assert statuses(pair.a.take()) == [200]
    assert pair.b.take() == []  # the user heard of the request once
    pair.settle()


def test_a_final_answer_is_given_once():
    pair = Pair()
    pair.call("OPTIONS")
    pair.run(0.02)
    [request] = pair.b.take()
    pair.answer(request, 200)
    pair.answer(request, 500)
    pair.run()
    assert statuses(pair.a.take()) == [200]
    assert pair.times("b", "500 OPTIONS") == []


def test_a_request_that_nobody_answers_is_forgotten_when_the_peer_has_given_up():
    pair = Pair()
    pair.call("OPTIONS")
    pair.run(0.02)
    [request] = pair.b.take()
    pair.settle()
    pair.answer(request, 200)
    assert pair.times("b", "200 OPTIONS") == []


def test_failure_of_an_invite_is_retransmitted_until_its_ack():
    pair = Pair()
    pair.lose = lambda sender, what, count: what == "ACK" and count < 3
    pair.call()
    pair.run(0.02)
    [request] = pair.b.take()
    pair.answer(request, 486)
    pair.run(30)
    assert pair.times("b", "486 INVITE") == [0.02, 0.52, 1.52]
    assert len(pair.times("a", "ACK")) == 3
    assert statuses(pair.a.take()) == [100, 486]
    assert pair.b.take() == []  # the ACK of a failure is the transaction's own
    pair.settle()


def test_failure_of_an_invite_without_ack_ends_after_64_t1():
    pair = Pair()
    pair.lose = lambda sender, what, count: what == "ACK"
    pair.call()
    pair.run(0.02)
    [request] = pair.b.take()
    pair.answer(request, 486)
    pair.run(40)
    times = [round(at - 0.02, 3) for at in pair.times("b", "486 INVITE")]
    assert times == [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert pair.b.endpoint.respond(request.key, make_response(request.request, 486), pair.now) == []
    pair.settle()


def test_the_ack_of_a_failure_carries_branch_route_and_the_tag_of_the_response():
    pair = Pair()
    pair.call(Route="<sip:proxy.example.com;lr>")
    pair.run(0.02)
    pair.answer(pair.b.take()[0], 404, to_tag="gone")
    pair.run()
    [invite] = pair.messages("a", "INVITE")
    [ack] = pair.messages("a", "ACK")
    assert ack.via == invite.via
    assert ack.uri == invite.uri
    assert ack.headers.all("Route") == ["<sip:proxy.example.com;lr>"]
    assert ack.to_tag == "gone"
    assert str(ack.cseq) == "1 ACK"


@pytest.mark.parametrize("transport", ["tcp", "wss"])
def test_reliable_transports_end_at_the_last_message(transport):
    pair = Pair(transport)
    key = pair.call()
    pair.run(0.02)
    [request] = pair.b.take()
    pair.answer(request, 486)
    pair.run(0.02)
    assert pair.a.ended == [key]
    assert pair.b.ended == [request.key]
    assert len(pair.a.endpoint) == len(pair.b.endpoint) == 0


def test_a_reliable_transport_sets_only_timers_that_give_up():
    pair = Pair("tcp")
    key, commands = pair.a.endpoint.request(build("INVITE"), pair.a.flow, 0.0, context=None)
    assert [command for command in commands if isinstance(command, SetTimer)] == [SetTimer(("B", *key), 32.0)]


def test_lost_ack_schedule_runs_32_seconds_and_ends_with_ack_missing():
    """13.3.1.4: the 2xx comes again after T1, doubling up to T2, for 64*T1."""
    pair = Pair()
    pair.lose = lambda sender, what, count: what == "ACK"
    pair.call()
    pair.run(0.02)
    [request] = pair.b.take()
    pair.answer(request, 200)
    pair.run(0.02)
    pair.ack()
    pair.run(40)
    times = [round(at - 0.02, 3) for at in pair.times("b", "200 INVITE")]
    assert times == [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert pair.b.take() == [AckMissing(request.key)]
    assert len(pair.times("a", "ACK")) == len(times)  # each 2xx that came again got its ACK again
    assert statuses(pair.a.take()) == [100, 200]  # and the user heard of it once
    pair.settle()


@pytest.mark.parametrize("transport", ["udp", "tcp", "ws"])
def test_the_ack_ends_the_2xx(transport):
    pair = Pair(transport)
    pair.lose = lambda sender, what, count: what == "ACK" and count < 3
    pair.call()
    pair.run(0.02)
    pair.answer(pair.b.take()[0], 200)
    pair.run(0.02)
    pair.ack()
    pair.run(20)
    assert [round(at - 0.02, 3) for at in pair.times("b", "200 INVITE")] == [0, 0.5, 1.5]
    [event] = pair.b.take()
    assert isinstance(event, AckReceived)
    pair.settle()


def test_a_2xx_that_comes_again_before_the_user_acknowledged_is_not_news():
    pair = Pair()
    pair.call()
    pair.run(0.02)
    pair.answer(pair.b.take()[0], 200)
    pair.run(3)
    assert len(pair.times("b", "200 INVITE")) == 3
    assert statuses(pair.a.take()) == [100, 200]
    pair.ack()
    pair.run()
    assert len(pair.times("a", "ACK")) == 1
    pair.settle()


def test_a_repeated_ack_is_passed_up_once():
    pair = Pair()
    pair.call()
    pair.run(0.02)
    pair.answer(pair.b.take()[0], 200)
    pair.run(0.02)
    pair.ack()
    pair.ack()
    pair.run()
    assert len(pair.b.take()) == 1
    pair.settle()


def test_a_retransmitted_invite_after_the_2xx_is_absorbed():
    """RFC 6026 section 7.1: in Accepted the 2xx is the user agent's to repeat."""
    pair = Pair()
    pair.call()
    pair.run(0.02)
    pair.answer(pair.b.take()[0], 200)
    [invite] = pair.messages("a", "INVITE")
    assert pair.b.endpoint.receive(invite.to_bytes(), pair.b.flow, pair.now) == []


def test_a_lost_provisional_is_sent_again_for_the_retransmitted_invite():
    pair = Pair()
    pair.lose = lambda sender, what, count: sender == "b" and count == 1
    pair.call()
    pair.run(0.02)
    pair.answer(pair.b.take()[0], 180)
    pair.run(0.6)
    assert pair.times("a", "INVITE") == [0, 0.5]
    assert statuses(pair.a.take()) == [180]
    assert pair.b.take() == []


@pytest.mark.parametrize("seed", range(20))
def test_a_call_survives_a_network_that_loses_a_third(seed):
    """INVITE, 180, 200, ACK, then BYE and 200: each side hears each once, and nothing is left behind."""
    rng = random.Random(seed)
    pair = Pair()
    pair.lose = lambda sender, what, count: rng.random() < 0.33
    pair.call()
    heard: list[str] = []
    for _ in range(600):
        pair.run(0.1)
        for event in pair.b.take():
            if isinstance(event, RequestReceived):
                heard.append(event.request.method)
                pair.answer(event, 200)
            else:
                heard.append(type(event).__name__)
        for event in pair.a.take():
            assert isinstance(event, ResponseReceived)
            if event.response.status == 200:
                heard.append(f"200 {event.response.method}")
                if event.response.method == "INVITE":
                    pair.ack()
                    pair.call("BYE", cseq=2, to_tag="bob")
    assert sorted(heard) == ["200 BYE", "200 INVITE", "AckReceived", "BYE", "INVITE"]
    pair.settle()


P, OK, NO = Input.PROVISIONAL, Input.SUCCESS, Input.FAILURE
WALKS = [  # table, inputs, state in the end, messages sent and events passed up by the last input
    (INVITE_CLIENT, [NO], State.COMPLETED, 1, 1),
    (INVITE_CLIENT, [P, NO, NO], State.COMPLETED, 1, 0),
    (INVITE_CLIENT, [P, NO, OK], State.COMPLETED, 0, 0),
    (INVITE_CLIENT, [OK, NO], State.ACCEPTED, 0, 0),
    (OTHER_CLIENT, [NO], State.COMPLETED, 0, 1),
    (OTHER_CLIENT, [P, P], State.PROCEEDING, 0, 1),
    (OTHER_CLIENT, [P, OK], State.COMPLETED, 0, 1),
    (OTHER_CLIENT, [P, NO], State.COMPLETED, 0, 1),
    (OTHER_CLIENT, [P, NO, OK], State.COMPLETED, 0, 0),
    (OTHER_CLIENT, [OK, Input.TIMER_K], State.TERMINATED, 0, 0),
    (INVITE_SERVER, [OK, OK], State.ACCEPTED, 1, 0),
    (INVITE_SERVER, [OK, Input.REQUEST], State.ACCEPTED, 0, 0),
    (INVITE_SERVER, [OK, NO], State.ACCEPTED, 0, 0),
    (INVITE_SERVER, [NO, Input.REQUEST], State.COMPLETED, 1, 0),
    (INVITE_SERVER, [NO, Input.ACK, Input.REQUEST], State.CONFIRMED, 0, 0),
    (INVITE_SERVER, [NO, Input.ACK, Input.TIMER_I], State.TERMINATED, 0, 0),
    (OTHER_SERVER, [Input.REQUEST], State.TRYING, 0, 0),
    (OTHER_SERVER, [NO], State.COMPLETED, 1, 0),
    (OTHER_SERVER, [P, P], State.PROCEEDING, 1, 0),
    (OTHER_SERVER, [P, Input.REQUEST], State.PROCEEDING, 1, 0),
    (OTHER_SERVER, [P, OK], State.COMPLETED, 1, 0),
    (OTHER_SERVER, [P, NO], State.COMPLETED, 1, 0),
    (OTHER_SERVER, [P, Input.TIMER_J], State.TERMINATED, 0, 0),
    (OTHER_SERVER, [OK, Input.REQUEST], State.COMPLETED, 1, 0),
    (OTHER_SERVER, [OK, OK], State.COMPLETED, 0, 0),
]


@pytest.mark.parametrize(("table", "inputs", "state", "sent", "told"), WALKS)
def test_a_walk_through_a_table(table, inputs, state, sent, told):
    first = next(iter(table))[0]
    request = build("INVITE" if table in (INVITE_CLIENT, INVITE_SERVER) else "INFO")
    request.headers.prepend("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1")
    flow = Flow.udp(("192.0.2.1", 5060), ("192.0.2.2", 5060))
    tx = Transaction(table, first, ("x", "y"), request, flow, Timing())
    message = {
        P: make_response(request, 180),
        OK: make_response(request, 200),
        NO: make_response(request, 404),
    }
    out: list = []
    for what in inputs:
        out = []
        tx.feed(what, message.get(what), 0.0, out)
    assert tx.state is state
    assert [sum(isinstance(command, kind) for command in out) for kind in (Send, PassUp)] == [sent, told]


@pytest.mark.parametrize("table", TABLES)
def test_every_state_of_a_table_can_be_left(table):
    """No row leads to a dead end: each state a row enters has rows of its own, or is the end."""
    left = {state for state, _ in table}
    for state, actions in table.values():
        assert state in left or (state is State.TERMINATED and isinstance(actions, tuple))
    assert all(Input.LOST in {what for at, what in table if at is state} for state in left)


def test_an_absent_row_absorbs_the_input():
    flow = Flow.udp(("192.0.2.1", 5060), ("192.0.2.2", 5060))
    tx = Transaction(INVITE_CLIENT, State.CALLING, ("c", "x", "INVITE"), build("INVITE"), flow, Timing())
    for what in Input:
        if (State.CALLING, what) not in INVITE_CLIENT:
            out: list = []
            tx.feed(what, None, 0.0, out)
            assert out == [] and tx.state is State.CALLING


def test_termination_stops_the_timers_and_is_reported():
    pair = Pair()
    key = pair.call()
    commands = pair.a.endpoint.flow_lost(pair.a.flow.id, 1.0)
    assert isinstance(commands[0], PassUp)
    assert commands[-1] == Terminated(key)
    pair.do(pair.a, commands)
    assert len(pair.a.timers) == 0
    assert not any(isinstance(command, Send) for command in commands)


def test_state_changes_are_logged(caplog):
    caplog.set_level("DEBUG", logger="ucplatform.sip.transaction")
    pair = Pair()
    pair.call()
    pair.run()
    assert any("calling -> proceeding" in record.getMessage() for record in caplog.records)
