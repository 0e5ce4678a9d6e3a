"""Requests that come twice, come back, or have no breadth left (RFC 3261 8.2.2.2, 16.3; RFC 5393)."""

import pytest

from tests.sip.pair import build
from tests.sip.wire import UDP, endpoint, events, responses, wire
from ucplatform.sip.commands import Send
from ucplatform.sip.message import make_response


def came_back(request, uri: str = "sip:201@192.0.2.2") -> bytes:
    """Our own request as a proxy hands it back."""
    via = "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKproxy;rport\r\n"
    head, _, rest = request.to_bytes().partition(b"\r\n")
    assert head.startswith(b"INVITE ")
    return f"INVITE {uri} SIP/2.0\r\n{via}".encode() + rest


def test_our_own_request_come_back_is_a_loop():
    one = endpoint()
    request = build("INVITE")
    one.request(request, UDP, 0.0, context=None)
    commands = one.receive(came_back(request), UDP, 0.1)
    assert responses(commands) == [482]
    assert events(commands) == []


def test_come_back_for_another_address_it_is_a_spiral_and_welcome():
    one = endpoint()
    request = build("INVITE")
    one.request(request, UDP, 0.0, context=None)
    assert len(events(one.receive(came_back(request, "sip:202@192.0.2.2"), UDP, 0.1))) == 1


def test_a_request_with_a_foreign_history_is_no_loop():
    one = endpoint()
    data = wire(extra="Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK-7\r\nVia: SIP/2.0/UDP 192.0.2.8\r\n")
    assert len(events(one.receive(data, UDP, 0.0))) == 1


@pytest.mark.parametrize("status", [401, 407])
def test_credentials_under_the_same_cseq_are_no_merged_request(status):
    """Some telephones answer a challenge without counting CSeq on, against section 22.2."""
    one = endpoint()
    [received] = events(one.receive(wire(), UDP, 0.0))
    one.respond(received.key, make_response(received.request, status), 0.0)
    again = wire(branch="z9hG4bK-2", extra="Authorization: Digest x=y\r\n")
    assert len(events(one.receive(again, UDP, 0.1))) == 1
    assert responses(one.receive(wire(branch="z9hG4bK-3"), UDP, 0.2)) == [482]


def test_an_invite_without_breadth_goes_nowhere():
    """RFC 5393 section 5.3.3; only what would be forked on needs breadth."""
    assert responses(endpoint().receive(wire(extra="Max-Breadth: 0\r\n"), UDP, 0.0)) == [440]
    for method, breadth, to_tag in (("INVITE", 1, ""), ("REGISTER", 0, ""), ("INVITE", 0, "x")):
        data = wire(method, to_tag=to_tag, extra=f"Max-Breadth: {breadth}\r\n")
        assert len(events(endpoint().receive(data, UDP, 0.0))) == 1


@pytest.mark.parametrize("header", ["Max-Breadth: many", "Max-Breadth: 1\r\nMax-Breadth: 2", "Refer-To: @<"])
def test_a_malformed_header_that_decides_gets_400(header):
    one = endpoint()
    commands = one.receive(wire(extra=f"{header}\r\n"), UDP, 0.0)
    assert responses(commands) == [400]
    assert len(one) == 0


def test_the_100_gives_the_timestamp_back():
    """Section 8.2.6.1: as it came; we answer at once, so there is no delay to add."""
    commands = endpoint().receive(wire(extra="Timestamp: 54.25\r\n"), UDP, 0.0)
    [trying] = [command.message for command in commands if isinstance(command, Send)]
    assert (trying.status, trying.headers.get("Timestamp")) == (100, "54.25")
    assert "Timestamp" not in make_response(events(commands)[0].request, 180).headers
