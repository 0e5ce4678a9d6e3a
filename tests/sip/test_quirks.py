"""What odd peers do against the RFCs, and that it is understood all the same: one test for each quirk.

Those that concern one rule alone stand here; forks, loops and lost messages have files of their own.
"""

import pytest

from tests.sip.pair import Pair
from tests.sip.wire import PEER, UDP, US, endpoint, events, got, responses, wire
from ucplatform.sip.commands import AckMissing, AckReceived, CancelReceived, Send
from ucplatform.sip.dialog import Dialog
from ucplatform.sip.errors import ParseError
from ucplatform.sip.flow import Flow
from ucplatform.sip.message import Request, make_response, parse_message, validate


def sent(commands: list) -> list[Send]:
    return [command for command in commands if isinstance(command, Send)]


def read(data: bytes) -> Request:
    message = parse_message(data)
    validate(message)
    assert isinstance(message, Request)
    return message


# ---- Via


def test_without_rport_the_answer_goes_to_the_port_in_via():
    """RFC 3261 18.2.2; not where a translator on the way has made that port mean nothing (RFC 3581)."""
    source = Flow.udp(US, (PEER[0], 40000))
    [trying] = sent(endpoint().receive(wire(sent_by="192.0.2.1:5062"), source, 0.0))
    assert trying.flow.remote == (PEER[0], 5062)
    [trying] = sent(endpoint().receive(wire(sent_by="10.0.0.7:5062"), source, 0.0))
    assert trying.flow.remote == (PEER[0], 40000)
    assert trying.message.via.received == PEER[0]


def test_a_received_that_the_peer_has_made_up_is_replaced():
    data = wire().replace(b";branch", b";rport=1;received=198.51.100.1;branch")
    [trying] = sent(endpoint().receive(data, UDP, 0.0))
    assert (trying.message.via.received, trying.message.via.rport) == (PEER[0], str(PEER[1]))


def test_several_vias_in_one_line_are_several():
    """7.3.1; all of them go back in order, the topmost with our stamp."""
    line = (
        b"Via: SIP/2.0/UDP 10.0.0.7;branch=z9hG4bK-1;rport , SIP/2.0/TCP p.example.com;branch=z9hG4bK-a"
        b',SIP / 2.0 / UDP [2001:db8::9]:5070;branch=z9hG4bK-b;x="a,b"\r\n'
    )
    data = wire().replace(b"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-1\r\n", line)
    [trying] = sent(endpoint().receive(data, UDP, 0.0))
    vias = read(data).vias, trying.message.vias
    assert [via.branch for via in vias[1]] == ["z9hG4bK-1", "z9hG4bK-a", "z9hG4bK-b"]
    assert vias[0][1:] == vias[1][1:]
    assert vias[1][0].received == PEER[0]


# ---- spelling


def test_lower_case_headers_are_the_same_headers():
    """7.3.1: names of headers in any case, methods not."""
    head, _, _ = wire().partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    lowered = [line.split(b":", 1)[0].lower() + b":" + line.split(b":", 1)[1] for line in lines]
    small = b"\r\n".join([first, *lowered, b"\r\n"])
    one = endpoint()
    [event] = events(one.receive(small, UDP, 0.0))
    assert event.request.call_id == "call-1" and event.request.max_forwards == 70
    answer = make_response(event.request, 200, to_tag="bob")
    assert answer.to_tag == "bob" and answer.headers.count("to") == 1
    assert responses(one.receive(wire(), UDP, 0.1)) == [100]  # the same request, whatever its spelling


def test_line_feeds_alone_are_line_breaks():
    """Against section 7, as RFC 4475 wants liberal readers; the answer has CRLF."""
    data = wire(extra="Subject: a\n b\r\n").replace(b"\r\n", b"\n") + b"body\r\n"
    request = read(data.replace(b"Content-Length: 0", b"Content-Length: 6"))
    assert request.headers.get("Subject") == "a b"
    assert request.body == b"body\r\n"
    [trying] = sent(endpoint().receive(data, UDP, 0.0))
    assert trying.message.to_bytes().startswith(b"SIP/2.0 100 Trying\r\n")


@pytest.mark.parametrize("line", [b"Call-ID: call-1", b"INVITE sip:201@192.0.2.2 SIP/2.0", b"CSeq: 1 INVITE"])
def test_a_mixture_of_line_breaks_is_refused(line):
    """Two readers of it could disagree on where a header ends."""
    assert line in wire()
    mixed = wire().replace(line + b"\r\n", line + b"\n")
    with pytest.raises(ParseError):
        read(mixed)
    mixed = wire().replace(b"\r\n", b"\n").replace(line + b"\n", line + b"\r\n")
    with pytest.raises(ParseError):
        read(mixed)


# ---- RFC 2543: no branch, no tags


def old(method: str, to_tag: str = "", cseq: int = 1) -> bytes:
    """A request without branch and From tag."""
    return wire(method, branch="", to_tag=to_tag, cseq=cseq).replace(b";tag=alice", b"", 1)


def test_a_caller_without_tags_is_answered_until_its_ack():
    """12.1.1: a missing From tag counts as an empty one."""
    pair = Pair()
    commands = pair.b.endpoint.receive(old("INVITE"), pair.b.flow, 0.0)
    pair.do(pair.b, commands)
    [invite] = pair.b.take()
    dialog = Dialog.from_request(invite.request, "bob")
    assert dialog.remote_tag == ""
    pair.answer(invite, 200)
    pair.run(1)
    assert len(pair.times("b", "200 INVITE")) == 2
    pair.do(pair.b, pair.b.endpoint.receive(old("ACK", "bob"), pair.b.flow, pair.now))
    assert len(got(pair.b, AckReceived)) == 1
    pair.run(5)
    assert len(pair.times("b", "200 INVITE")) == 2
    _, bye = dialog.request("BYE")
    assert bye.to_tag is None and bye.from_tag == "bob"
    pair.settle()


def test_a_caller_without_branches_acknowledges_and_cancels():
    """17.2.3: the request itself is the name of its transaction."""
    one = endpoint()
    [invite] = events(one.receive(old("INVITE"), UDP, 0.0))
    assert responses(one.receive(old("INVITE"), UDP, 0.5)) == [100]
    [cancelled] = events(one.receive(old("CANCEL"), UDP, 0.6))
    assert isinstance(cancelled, CancelReceived) and cancelled.key == invite.key
    one.respond(invite.key, make_response(invite.request, 487, to_tag="bob"), 0.7)
    assert responses(one.receive(old("INVITE"), UDP, 0.8)) == [487]
    assert one.receive(old("ACK", "bob"), UDP, 0.9) != []
    assert responses(one.receive(old("INVITE"), UDP, 1.0)) == []
    assert len(events(one.receive(old("INVITE", cseq=2), UDP, 1.1))) == 1


def test_a_callee_without_tags_is_acknowledged_without():
    """12.1.2: a missing To tag counts as an empty one, and none is written."""
    pair = Pair()
    pair.call()
    [invite] = pair.messages("a", "INVITE")
    answer = make_response(invite, 200, to_tag="x", headers=[("Contact", "<sip:b@192.0.2.2>")])
    data = answer.to_bytes().replace(b";tag=x", b"")
    [event] = events(pair.a.endpoint.receive(data, pair.a.flow, 0.1))
    dialog = Dialog.from_response(invite, event.response)
    ack = dialog.ack(1)
    assert ack.to_tag is None and ack.from_tag == "alice"
    pair.do(pair.a, pair.a.endpoint.acknowledge(ack, pair.a.flow, 0.1))
    again = pair.a.endpoint.receive(data, pair.a.flow, 0.5)
    assert [command.message for command in sent(again)] == [ack]
    assert dialog.matches(read(old("BYE", "alice")))


# ---- the end of an INVITE


def test_a_2xx_that_is_never_acknowledged_ends_in_one_word_to_the_user():
    """13.3.1.4: copies for 32 s, then the user hangs up."""
    pair = Pair()
    pair.call()
    pair.run()
    [invite] = pair.b.take()
    pair.answer(invite, 200)
    pair.run(32.2)
    assert len(pair.times("b", "200 INVITE")) == 11
    assert got(pair.b, AckMissing) == [AckMissing(invite.key)]
    pair.run(60)
    assert pair.b.take() == []


def test_a_2xx_that_comes_again_for_ever_gets_its_ack_each_time():
    """A peer that never hears our ACK; it is not the user's affair (13.2.2.4)."""
    pair = Pair()
    pair.call()
    pair.run()
    pair.lose = lambda sender, what, count: what == "ACK"
    pair.answer(pair.b.take()[0], 200)
    pair.run()
    pair.a.take()
    pair.ack()
    pair.run(20)
    assert len(pair.times("a", "ACK")) == len(pair.times("b", "200 INVITE")) > 5
    assert pair.a.take() == []


def test_an_ack_without_a_call_does_nothing():
    """Scanners send them; nobody may be answered (17)."""
    commands = endpoint().receive(wire("ACK", to_tag="x"), UDP, 0.0)
    assert [type(event) for event in events(commands)] == [AckReceived]
    assert sent(commands) == []
