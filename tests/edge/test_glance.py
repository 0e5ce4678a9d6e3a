"""What a glance shows must be what reading shows, or nothing."""

import time

import pytest

from tests.pbx.lab import phone_flow
from ucplatform.edge.glance import glance
from ucplatform.sip.flow import Flow
from ucplatform.sip.message import Request, Response, make_response, parse_message, validate
from ucplatform.sip.transaction import server_key
from ucplatform.sip.via import stamped, way_back

FLOW = phone_flow(10)
TCP = Flow("tcp-1", "tcp", ("192.0.2.1", 5060), ("192.0.2.10", 40000))


VIA = "SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK7"


def invite(*extra: str, via: str = VIA + ";rport", to: str = "") -> bytes:
    lines = [
        "INVITE sip:201@pbx.test SIP/2.0",
        f"Via: {via}",
        "Max-Forwards: 70",
        "f: <sip:200@pbx.test>;tag=a",
        f"To: {to or '<sip:201@pbx.test>'}",
        "Call-ID: c1",
        "CSeq: 1 INVITE",
        *extra,
        "Content-Length: 0",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@pytest.mark.parametrize(
    ("data", "flow"),
    [
        (invite(), FLOW),
        (invite("Via: SIP/2.0/UDP 203.0.113.1;branch=z9hG4bK1"), FLOW),
        (invite(via="SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK7"), FLOW),
        (invite(via="SIP/2.0/UDP 10.1.1.1:5062 ; rport ; branch=z9hG4bK7;x=y"), FLOW),
        (invite(via="SIP/2.0/TCP phone.example;branch=z9hG4bK7"), TCP),
        (invite(via="SIP/2.0/TCP 192.0.2.10:5071;branch=z9hG4bK7;alias"), TCP),
        (invite(to='"Ana Maria" <sip:201@pbx.test;user=phone>'), FLOW),
    ],
)
def test_the_answer_is_the_one_that_reading_would_give(data, flow):
    found = glance(data, flow)
    reply = parse_message(found.answer(b"503 Service Unavailable", b"t-1", b"Retry-After: 7"))
    validate(reply)
    request = parse_message(data)
    assert isinstance(reply, Response) and isinstance(request, Request)
    assert found.key == server_key(request, request.via)
    via = stamped(request, request.via, flow)
    assert way_back(via, flow) == flow
    wanted = make_response(request, 503, to_tag="t-1")
    assert [str(v.host) for v in reply.vias] == [v.host for v in wanted.vias]
    assert set(reply.via.params) == set(wanted.via.params)
    for name in ("from_", "to", "call_id", "cseq", "status", "reason"):
        assert getattr(reply, name) == getattr(wanted, name), name
    assert reply.headers.get("Retry-After") == "7" and reply.body == b""


@pytest.mark.parametrize(
    "data",
    [
        invite(to="<sip:201@pbx.test>;tag=b"),
        invite(to="<sip:201@pbx.test> ; TAG = b"),
        invite(via="SIP/2.0/UDP 192.0.2.10:5062;branch=z9hG4bK7"),  # answered at another port
        invite(via="SIP/2.0/UDP 192.0.2.11:5060;branch=z9hG4bK7"),
        invite(via="SIP/2.0/UDP 192.0.2.10:5060;branch=old;rport"),  # a branch of RFC 2543
        invite(via="SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK7;rport, SIP/2.0/UDP 203.0.113.1"),
        invite(via="SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK7;rport;received=203.0.113.9"),
        invite(via="SIP/2.0/UDP [2001:db8::1]:5060;branch=z9hG4bK7;rport"),
        invite("Call-ID: c2"),
        invite("Subject: one", " two"),
        invite("X: a\nb"),
        invite()[:-2],
        invite("X: " + "x" * 8200),
        b"INVITE ",
    ],
)
def test_what_is_uncommon_is_read_whole(data):
    assert glance(data, FLOW) is None


def test_it_sees_credentials_and_replaces():
    assert glance(invite(), FLOW)[1:3] == (False, False)
    assert glance(invite("AUTHORIZATION: Digest x"), FLOW).credentials
    assert glance(invite("Proxy-Authorization: Digest x"), FLOW).credentials
    assert glance(invite("replaces: x;to-tag=1;from-tag=2"), FLOW).replaces


@pytest.mark.parametrize(
    "filler", ["; " * 3900 + "!", ";" + " " * 7900 + ",", ";rport " * 1000 + '"', " " * 7900]
)
def test_hostile_headers_take_linear_time(filler):
    data = invite(via=VIA + filler)
    begin = time.thread_time()
    glance(data, FLOW)
    glance(invite(to="<sip:201@pbx.test>" + filler), FLOW)
    assert time.thread_time() - begin < 0.05
