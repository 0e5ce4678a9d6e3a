"""CANCEL from both sides (RFC 3261 section 9)."""

from tests.sip.pair import Pair
from tests.sip.wire import PEER, UDP, US, endpoint, events, got, responses, wire
from ucplatform.sip.commands import AckReceived, CancelReceived, RequestFailed, ResponseReceived
from ucplatform.sip.flow import Flow
from ucplatform.sip.message import make_response


def test_cancel_waits_for_a_provisional_response():
    pair = Pair()
    pair.lose = lambda sender, what, count: sender == "b" and what == "100 INVITE" and count == 1
    key = pair.call()
    pair.cancel(key)
    pair.cancel(key)
    pair.run(0.4)
    assert pair.times("a", "CANCEL") == []
    pair.run(0.3)  # the retransmitted INVITE brings another 100
    assert pair.times("a", "CANCEL") == [0.52]
    invite, cancelled = pair.b.take()
    assert isinstance(cancelled, CancelReceived)
    assert cancelled.key == invite.key
    pair.answer(invite, 487)
    pair.run()
    assert [event.response.status for event in pair.a.take()] == [100, 487]
    pair.settle()


def test_cancel_carries_branch_route_and_cseq_number():
    pair = Pair()
    key = pair.call(Route="<sip:proxy.example.com;lr>", cseq=7)
    pair.run(0.1)
    pair.cancel(key)
    [invite], [cancel] = pair.messages("a", "INVITE"), pair.messages("a", "CANCEL")
    assert cancel.via == invite.via
    assert cancel.headers.all("Route") == invite.headers.all("Route")
    assert str(cancel.cseq) == "7 CANCEL"
    assert cancel.to_tag is None
    assert cancel.uri == invite.uri


def test_a_cancel_says_why_also_when_it_had_to_wait():
    pair = Pair()
    key = pair.call()
    reason = (("Reason", 'SIP;cause=200;text="Call completed elsewhere"'),)
    pair.do(pair.a, pair.a.endpoint.cancel(key, pair.now, reason))
    pair.run(0.1)
    [cancel] = pair.messages("a", "CANCEL")
    assert cancel.headers.get("Reason") == reason[0][1]


def test_a_lost_cancel_is_retransmitted_and_heard_of_once():
    pair = Pair()
    pair.lose = lambda sender, what, count: what in ("CANCEL", "200 CANCEL") and count == 1
    key = pair.call()
    pair.run(0.1)
    pair.cancel(key)
    pair.run(5)
    assert len(pair.times("a", "CANCEL")) == 3
    assert len(got(pair.b, CancelReceived)) == 1


def test_cancel_crossing_200_changes_nothing():
    """9.2: once answered, the CANCEL gets its 200 and has no effect; the caller acknowledges and hangs up."""
    pair = Pair()
    key = pair.call()
    pair.run(0.1)
    [invite] = pair.b.take()
    pair.answer(invite, 200)
    pair.cancel(key)
    pair.run(0.1)
    assert pair.times("b", "200 CANCEL") != []
    assert pair.b.take() == []
    assert [event.response.status for event in pair.a.take()] == [100, 200]
    pair.ack()
    pair.run()
    assert len(got(pair.b, AckReceived)) == 1
    pair.settle()


def test_cancel_after_the_final_response_sends_nothing():
    pair = Pair()
    key = pair.call()
    pair.run(0.1)
    pair.answer(pair.b.take()[0], 486)
    pair.run(0.1)
    pair.cancel(key)
    assert pair.times("a", "CANCEL") == []
    assert pair.a.endpoint.cancel(("c", "unknown", "INVITE"), 0.0) == []


def test_a_cancelled_invite_that_never_ends_is_given_up_after_64_t1():
    """9.1, last paragraph: a peer of RFC 2543 answers the CANCEL only."""
    pair = Pair()
    key = pair.call()
    pair.run(0.1)
    pair.cancel(key)
    pair.run(31.9)
    assert got(pair.a, RequestFailed) == []
    pair.run(0.2)
    assert [event.status for event in got(pair.a, RequestFailed)] == [487]


def test_a_cancel_that_nobody_answers_is_not_the_users_affair():
    pair = Pair()
    pair.call()
    pair.run(0.1)
    key = got(pair.a, ResponseReceived)[0].key
    pair.lose = lambda sender, what, count: True
    pair.cancel(key)
    pair.run(100)
    assert [event.status for event in pair.a.take()] == [487]
    assert len(pair.a.endpoint) == 0


def test_a_cancel_for_nothing_gets_481():
    assert responses(endpoint().receive(wire("CANCEL"), UDP, 0.0)) == [481]


def test_a_cancel_from_another_address_gets_481():
    one = endpoint()
    one.receive(wire(), UDP, 0.0)
    stranger = Flow.udp(US, ("192.0.2.66", 5060))
    commands = one.receive(wire("CANCEL"), stranger, 0.1)
    assert responses(commands) == [481]
    assert events(commands) == []
    assert len(events(one.receive(wire("CANCEL"), Flow.udp(US, (PEER[0], 5099)), 0.2))) == 1


def test_the_200_to_cancel_has_the_tag_of_the_invites_responses():
    one = endpoint()
    [received] = events(one.receive(wire(), UDP, 0.0))
    one.respond(received.key, make_response(received.request, 180, to_tag="bob"), 0.0)
    commands = one.receive(wire("CANCEL"), UDP, 0.1)
    assert commands[0].message.to_tag == "bob"
