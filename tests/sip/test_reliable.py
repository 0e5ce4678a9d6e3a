"""Reliable provisional responses, both sides (RFC 3262)."""

import pytest

from tests.sip.pair import Pair, build
from tests.sip.wire import UDP, endpoint, events, got, responses, wire
from ucplatform.sip.commands import (
    AckReceived,
    PrackMissing,
    RequestFailed,
    RequestReceived,
    ResponseReceived,
    Send,
)
from ucplatform.sip.dialog import Dialog
from ucplatform.sip.errors import UsageError
from ucplatform.sip.message import Response, make_response

SDP = b"v=0\r\n"


def invited(transport: str = "udp") -> tuple[Pair, RequestReceived]:
    """A pair whose `b` has an INVITE of `a` to answer."""
    pair = Pair(transport)
    pair.call(Supported="100rel")
    pair.run()
    [invite] = pair.b.take()
    pair.a.take()
    return pair, invite


def prack(pair: Pair, response: Response) -> None:
    """`a` acknowledges a reliable response."""
    [invite] = {id(message): message for message in pair.messages("a", "INVITE")}.values()
    dialog = Dialog.from_response(invite, response)
    _, request = dialog.prack(response)
    _, commands = pair.a.endpoint.request(request, pair.a.flow, pair.now, context="PRACK")
    pair.do(pair.a, commands)


def heard(pair: Pair) -> list[Response]:
    """The responses to its INVITE that `a` was told of since the last call."""
    return [event.response for event in got(pair.a, ResponseReceived) if event.response.method == "INVITE"]


# ---- the server


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_reliable_response_is_sent_until_its_prack_over_any_transport(transport):
    """Section 3: after T1, then doubling, without a cap."""
    pair, invite = invited(transport)
    pair.answer(invite, 183, reliably=True, body=SDP)
    pair.run(3.6)
    assert [round(at - 0.1, 3) for at in pair.times("b", "183 INVITE")] == [0.0, 0.5, 1.5, 3.5]
    [response] = heard(pair)
    assert response.headers.get("Require") == "100rel" and int(response.headers.get("RSeq")) > 0
    prack(pair, response)
    pair.run()
    [request] = got(pair.b, RequestReceived)
    assert request.request.method == "PRACK"
    assert request.request.headers.get("RAck") == f"{response.headers.get('RSeq')} 1 INVITE"
    assert str(request.request.cseq) == "2 PRACK"
    pair.answer(request, 200)
    pair.answer(invite, 200)
    pair.run(10)
    assert len(pair.times("b", "183 INVITE")) == 4
    pair.ack()
    pair.run()
    assert len(got(pair.b, AckReceived)) == 1
    pair.settle()


def test_without_100rel_nothing_is_reliable():
    pair, invite = invited()
    response = pair.answer(invite, 183, body=SDP)
    pair.run(3)
    assert len(pair.times("b", "183 INVITE")) == 1
    assert "RSeq" not in response.headers
    pair.answer(invite, 486)
    pair.settle()


def test_a_second_one_waits_for_the_prack_of_the_first_and_counts_on():
    pair, invite = invited()
    first = pair.answer(invite, 183, reliably=True)
    second = pair.answer(invite, 180, reliably=True)
    third = pair.answer(invite, 183, reliably=True)
    pair.run()
    assert pair.times("b", "180 INVITE") == []
    prack(pair, heard(pair)[0])
    pair.run()
    assert len(pair.times("b", "180 INVITE")) == 1 and len(pair.times("b", "183 INVITE")) == 1
    prack(pair, heard(pair)[0])
    pair.run()
    number = int(first.headers.get("RSeq"))
    assert second.headers.get("RSeq") == str(number + 1)
    assert third.headers.get("RSeq") == str(number + 2)
    prack(pair, heard(pair)[0])
    pair.run()
    for event in got(pair.b, RequestReceived):
        pair.answer(event, 200)
    pair.answer(invite, 486)
    pair.settle()


def test_an_unreliable_response_need_not_wait():
    pair, invite = invited()
    pair.answer(invite, 183, reliably=True)
    pair.answer(invite, 180)
    pair.run()
    assert sorted(response.status for response in heard(pair)) == [180, 183]
    pair.answer(invite, 486)
    pair.settle()


def test_a_2xx_waits_for_the_prack_of_a_description():
    """Section 3; what else is said meanwhile would come behind the answer, so it is not said."""
    pair, invite = invited()
    pair.answer(invite, 183, reliably=True, body=SDP)
    pair.answer(invite, 200)
    pair.answer(invite, 180)
    pair.run()
    assert pair.times("b", "200 INVITE") == []
    prack(pair, heard(pair)[0])
    pair.run()
    assert len(pair.times("b", "200 INVITE")) == 1
    assert pair.times("b", "180 INVITE") == []
    pair.run(1)
    assert len(pair.times("b", "200 INVITE")) == 2  # it is repeated until its ACK, as any
    pair.ack()
    pair.answer(got(pair.b, RequestReceived)[0], 200)
    pair.run()
    assert len(got(pair.b, AckReceived)) == 1
    pair.settle()


def test_a_2xx_does_not_wait_where_no_description_is_under_way():
    """Section 3: then the 1xx is not sent any more, but its PRACK may still come."""
    pair, invite = invited()
    pair.answer(invite, 180, reliably=True)
    pair.run()
    pair.answer(invite, 200)
    pair.run(3)
    assert len(pair.times("b", "180 INVITE")) == 1
    assert len(pair.times("b", "200 INVITE")) > 1
    prack(pair, heard(pair)[0])
    pair.ack()
    pair.run()
    assert [event.request.method for event in pair.b.take()] == ["PRACK", "ACK"]
    pair.settle()


def test_a_2xx_waits_for_a_description_that_itself_waits():
    pair, invite = invited()
    pair.answer(invite, 180, reliably=True)
    pair.answer(invite, 183, reliably=True, body=SDP)
    for _ in range(2):
        pair.answer(invite, 200)
    pair.run()
    for _ in range(2):
        assert pair.times("b", "200 INVITE") == []
        prack(pair, heard(pair)[0])
        pair.run()
    assert len(pair.times("b", "200 INVITE")) == 1
    pair.ack()
    pair.settle()


def test_a_2xx_overtakes_what_has_no_description():
    pair, invite = invited()
    pair.answer(invite, 183, reliably=True)
    pair.answer(invite, 180, reliably=True)
    pair.answer(invite, 200)
    pair.run()
    assert len(pair.times("b", "200 INVITE")) == 1
    assert pair.times("b", "180 INVITE") == []
    pair.ack()
    pair.settle()


def test_a_failure_never_waits():
    pair, invite = invited()
    pair.answer(invite, 183, reliably=True, body=SDP)
    pair.answer(invite, 180, reliably=True)
    pair.answer(invite, 486)
    pair.run(3)
    assert len(pair.times("b", "183 INVITE")) == 1
    assert pair.times("b", "180 INVITE") == []
    assert [response.status for response in heard(pair)] == [183, 486]
    pair.settle()


def test_a_prack_that_never_comes_is_told_after_64_t1():
    """Section 3: the user answers with a 5xx then."""
    pair, invite = invited()
    pair.lose = lambda sender, what, count: what == "183 INVITE"
    pair.answer(invite, 183, reliably=True, body=SDP)
    pair.answer(invite, 200)
    pair.run(31.9)
    assert got(pair.b, PrackMissing) == []
    pair.run(0.2)
    assert got(pair.b, PrackMissing) == [PrackMissing(invite.key)]
    assert pair.times("b", "200 INVITE") == []
    pair.answer(invite, 504)
    pair.run()
    assert [response.status for response in heard(pair)] == [504]
    pair.settle()


def test_a_2xx_that_waits_for_a_prack_in_vain_gives_way_to_a_rejection():
    """Section 3: the user has answered already and cannot answer again."""
    pair, invite = invited()
    pair.answer(invite, 183, reliably=True, body=SDP)
    pair.answer(invite, 200, body=SDP)
    pair.run(40)
    assert got(pair.b, PrackMissing) == [PrackMissing(invite.key)]
    assert [response.status for response in heard(pair)] == [183, 504]
    pair.run(60)
    assert len(pair.a.endpoint) == len(pair.b.endpoint) == 0


def test_a_prack_for_nothing_gets_481_and_one_without_rack_400():
    pair, invite = invited()
    response = pair.answer(invite, 183, reliably=True)
    number = int(response.headers.get("RSeq"))
    one = pair.b.endpoint
    for place, rack in enumerate((f"{number + 1} 1 INVITE", f"{number} 2 INVITE")):
        data = wire("PRACK", branch=f"z9hG4bK-p{place}", to_tag="bob", cseq=2, extra=f"RAck: {rack}\r\n")
        assert responses(one.receive(data, pair.b.flow, pair.now)) == [481]
    stranger = wire("PRACK", to_tag="eve", cseq=2, extra=f"RAck: {number} 1 INVITE\r\n")
    assert responses(one.receive(stranger, pair.b.flow, pair.now)) == [481]
    for extra in ("", "RAck: 0 1 INVITE\r\n", "RAck: one\r\n"):
        data = wire("PRACK", branch="z9hG4bK-p9", to_tag="bob", cseq=2, extra=extra)
        assert responses(one.receive(data, pair.b.flow, pair.now)) == [400]
    assert pair.b.take() == []


def test_the_same_prack_twice_acknowledges_once():
    pair, invite = invited()
    pair.answer(invite, 183, reliably=True)
    pair.run()
    [response] = heard(pair)
    prack(pair, response)
    prack(pair, response)  # another transaction for the same response
    pair.run()
    assert len(got(pair.b, RequestReceived)) == 1
    assert len(pair.times("b", "481 PRACK")) == 1


def test_a_late_prack_does_not_acknowledge_the_next_response():
    pair, invite = invited()
    pair.lose = lambda sender, what, count: what == "183 INVITE" and count > 1
    pair.answer(invite, 183, reliably=True)
    pair.run(33)
    assert len(got(pair.b, PrackMissing)) == 1
    [first] = heard(pair)
    pair.answer(invite, 180, reliably=True)
    prack(pair, first)
    pair.run(1)
    assert len(pair.times("b", "180 INVITE")) == 2
    pair.answer(invite, 500)
    pair.settle()


def test_a_lost_prack_is_repeated_by_its_transaction():
    pair, invite = invited()
    pair.lose = lambda sender, what, count: what == "PRACK" and count == 1
    pair.answer(invite, 183, reliably=True)
    pair.run()
    prack(pair, heard(pair)[0])
    pair.run(1)
    assert len(pair.times("a", "PRACK")) == 2
    [request] = got(pair.b, RequestReceived)
    pair.answer(request, 200)
    pair.run(5)
    assert len(pair.times("b", "183 INVITE")) == 2  # the copy that left before the second PRACK came
    assert heard(pair) == []
    pair.answer(invite, 486)
    pair.settle()


def test_a_cancelled_invite_stops_it():
    pair, invite = invited()
    pair.answer(invite, 183, reliably=True, body=SDP)
    pair.run()
    pair.cancel(invite_key(pair))
    pair.run()
    pair.answer(invite, 487)
    pair.run(5)
    assert len(pair.times("b", "183 INVITE")) == 1
    pair.settle()


def invite_key(pair: Pair) -> tuple[str, ...]:
    [invite] = {id(message): message for message in pair.messages("a", "INVITE")}.values()
    return ("c", invite.via.branch, "INVITE")


def test_a_lost_flow_leaves_nothing_behind():
    pair, invite = invited("tcp")
    pair.answer(invite, 183, reliably=True, body=SDP)
    pair.do(pair.b, pair.b.endpoint.flow_lost(pair.b.flow.id, pair.now))
    pair.do(pair.a, pair.a.endpoint.flow_lost(pair.a.flow.id, pair.now))
    assert [event.status for event in got(pair.a, RequestFailed)] == [503]
    pair.run(40)
    assert len(pair.times("b", "183 INVITE")) == 1
    assert pair.b.take() == []
    pair.settle()


# ---- the client


def reliable(request, rseq: int, tag: str = "bob", status: int = 183) -> bytes:
    headers = [("Contact", "<sip:b@192.0.2.2>"), ("Require", "100rel"), ("RSeq", str(rseq))]
    return make_response(request, status, to_tag=tag, headers=headers).to_bytes()


def receive(pair: Pair, data: bytes) -> list[int]:
    """The RSeq of what is passed up."""
    commands = pair.a.endpoint.receive(data, pair.a.flow, pair.now)
    return [int(event.response.headers.get("RSeq")) for event in events(commands)]


def test_reliable_responses_are_passed_up_once_and_in_their_order():
    """Section 4: a repeated one is no news, one out of turn is left alone; the peer will send it again."""
    pair = Pair()
    pair.call()
    [invite] = pair.messages("a", "INVITE")
    assert receive(pair, reliable(invite, 7)) == [7]
    assert receive(pair, reliable(invite, 7)) == []
    assert receive(pair, reliable(invite, 9)) == []
    assert receive(pair, reliable(invite, 8)) == [8]
    assert receive(pair, reliable(invite, 7)) == []
    assert receive(pair, reliable(invite, 9)) == [9]


def test_each_fork_has_an_order_of_its_own():
    pair = Pair()
    pair.call()
    [invite] = pair.messages("a", "INVITE")
    assert receive(pair, reliable(invite, 7, "one")) == [7]
    assert receive(pair, reliable(invite, 70, "two")) == [70]
    assert receive(pair, reliable(invite, 71, "two")) == [71]
    assert receive(pair, reliable(invite, 8, "one")) == [8]
    for number in range(200):
        receive(pair, reliable(invite, 1, f"t{number}"))
    assert receive(pair, reliable(invite, 1, "one too many")) == []
    assert receive(pair, reliable(invite, 9, "one")) == [9]


def test_the_first_one_sends_a_cancel_that_had_to_wait():
    pair = Pair()
    key = pair.call()
    [invite] = pair.messages("a", "INVITE")
    pair.cancel(key)
    commands = pair.a.endpoint.receive(reliable(invite, 7), pair.a.flow, 0.1)
    assert "CANCEL" in [command.message.method for command in commands if isinstance(command, Send)]


def test_a_prack_is_made_for_reliable_responses_only():
    request = build("INVITE")
    one = endpoint()
    one.request(request, UDP, 0.0, context=None)
    plain = make_response(request, 183, to_tag="bob")
    dialog = Dialog.from_response(request, plain)
    with pytest.raises(UsageError):
        dialog.prack(plain)
    plain.headers.add("Require", "100rel")
    plain.headers.add("RSeq", "988789")
    counted, prack = dialog.prack(plain, body=SDP, content_type="application/sdp")
    assert prack.headers.get("RAck") == "988789 1 INVITE"
    assert (counted.local_cseq, prack.cseq.number, prack.body) == (2, 2, SDP)
    assert counted.ack(1).cseq.number == 1
