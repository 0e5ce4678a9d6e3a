import pytest

from ucplatform.sip.errors import ParseError, UsageError
from ucplatform.sip.headers import Headers
from ucplatform.sip.message import Request, Response, make_response, parse_message, validate
from ucplatform.sip.uri import Uri

INVITE = """INVITE sip:201@example.com SIP/2.0
Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK-1
Via: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK-2, SIP/2.0/TCP 192.0.2.3;branch=z9hG4bK-3
Record-Route: <sip:p2.example.com;lr>, <sip:p1.example.com;lr>
Max-Forwards: 70
From: "Alice" <sip:200@example.com>;tag=a
To: <sip:201@example.com>
Call-ID: one
CSeq: 1 INVITE
Contact: <sip:200@192.0.2.1>
Content-Type: Application / SDP ; charset=utf-8
Timestamp: 54
Supported: replaces, Timer
Content-Length: 5

v=0
"""


def wire(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


def invite(**changes: str | None) -> Request:
    message = parse_message(wire(INVITE))
    assert isinstance(message, Request)
    for name, value in changes.items():
        name = name.replace("_", "-")
        if value is None:
            message.headers.remove(name)
        else:
            message.headers.set(name, value)
    return message


def test_request() -> None:
    message = invite()
    validate(message)
    assert (message.method, str(message.uri), message.body) == ("INVITE", "sip:201@example.com", b"v=0\r\n")
    assert [via.branch for via in message.vias] == ["z9hG4bK-1", "z9hG4bK-2", "z9hG4bK-3"]
    assert (message.call_id, message.from_tag, message.to_tag) == ("one", "a", None)
    assert (message.cseq.number, message.cseq.method) == (1, "INVITE")
    assert [route.uri.host for route in message.record_routes] == ["p2.example.com", "p1.example.com"]
    assert message.routes == [] and message.replaces is None and message.expires is None
    assert message.contact is not None and message.contact.uri.host == "192.0.2.1"
    assert (message.content_type, message.max_forwards) == ("application/sdp", 70)
    assert (message.supported, message.require) == (["replaces", "timer"], [])
    assert message.to_bytes() == wire(INVITE)


def test_response() -> None:
    message = parse_message(wire(INVITE.replace("INVITE sip:201@example.com SIP/2.0", "SIP/2.0 183 Olá")))
    assert isinstance(message, Response)
    validate(message)
    assert (message.status, message.reason, message.method) == (183, "Olá", "INVITE")
    assert message.to_bytes().startswith("SIP/2.0 183 Olá\r\n".encode())


def test_changes_are_seen_by_typed_properties() -> None:
    message = invite()
    assert message.to_tag is None and message.contact_star is False
    message.headers.set("To", "<sip:201@example.com>;tag=b")
    message.headers.prepend("v", "SIP/2.0/TLS 192.0.2.9;branch=z9hG4bK-0")
    message.headers.set("Contact", "*")
    assert message.to_tag == "b"
    assert (message.via.transport, len(message.vias)) == ("TLS", 4)
    assert message.contact_star and message.contacts == []
    message.vias.clear()
    assert len(message.vias) == 4


def test_copies_are_independent() -> None:
    message = invite()
    other = message.copy()
    other.headers.set("Call-ID", "two")
    other.headers.set("From", "<sip:9@example.com>;tag=z")
    assert (message.call_id, message.from_tag, other.from_tag) == ("one", "a", "z")


def test_content_length_is_always_right() -> None:
    message = invite()
    message.body = "é".encode()
    message.headers.add("l", "77")
    data = message.to_bytes()
    assert data.count(b"Content-Length: 2\r\n") == 1 and b"77" not in data
    bare = Request("OPTIONS", Uri.parse("sip:h"), Headers())
    assert bare.to_bytes() == b"OPTIONS sip:h SIP/2.0\r\nContent-Length: 0\r\n\r\n"


def test_nothing_injects_a_line() -> None:
    with pytest.raises(UsageError):
        Response(200, "OK\r\nX: 1", Headers()).to_bytes()
    with pytest.raises(UsageError):
        Request("BYE", Uri("sip", host="h\nX: 1"), Headers()).to_bytes()
    with pytest.raises(UsageError):
        Response(200, "\ud800", Headers()).to_bytes()


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("From", None, 400),
        ("To", None, 400),
        ("Call-ID", None, 400),
        ("CSeq", None, 400),
        ("Via", None, None),
        ("Max-Forwards", None, 0),
        ("Max-Forwards", "x", 400),
        ("Expires", "soon", 400),
        ("Expires", "4294967295", 0),
        ("Expires", "4294967296", 400),
        ("Call-ID", "a b", 400),
        ("Contact", "<sip:a@h>, oops", 400),
        ("Route", "sip:a@h", 400),
        ("Record-Route", "<sip:a@h>,", 400),
        ("Replaces", "x", 400),
        ("Date", "not a date", 0),
    ],
)
def test_validation_answers(header: str, value: str | None, status: int | None) -> None:
    """`status` 0: accepted; None: dropped."""
    message = invite(**{header: value})
    if status == 0:
        validate(message)
        return
    with pytest.raises(ParseError) as caught:
        validate(message)
    assert caught.value.status == status
    assert caught.value.request is message


def test_responses_and_acks_are_dropped_in_silence() -> None:
    response = make_response(invite(), 200)
    response.headers.remove("CSeq")
    ack = invite(CSeq="1 BYE")
    ack.method = "ACK"
    for message in (response, ack):
        with pytest.raises(ParseError) as caught:
            validate(message)
        assert caught.value.status is None


def test_request_uri_is_looked_at() -> None:
    for uri, status in (("tel:+1", 416), ("sip:a@h?Route=x", 400)):
        message = invite()
        message.uri = Uri.parse(uri)
        with pytest.raises(ParseError) as caught:
            validate(message)
        assert caught.value.status == status


def test_make_response_copies_what_section_8_2_6_says() -> None:
    response = make_response(invite(), 180, headers=[("Contact", "<sip:edge>")])
    assert response.reason == "Ringing"
    assert response.headers.all("Via") == invite().headers.all("Via")
    assert [name for name, _ in response.headers] == [
        "Via", "Via", "From", "To", "Call-ID", "CSeq", "Record-Route", "Contact",
    ]  # fmt: skip
    assert response.to_tag


def test_make_response_tags() -> None:
    tag = make_response(invite(), 404).to_tag
    assert tag and tag == make_response(invite(), 486).to_tag
    assert tag != make_response(invite(Call_ID="two"), 404).to_tag
    assert make_response(invite(), 200, to_tag="mine").to_tag == "mine"
    assert make_response(invite(To="<sip:201@example.com>;tag=b"), 200, to_tag="mine").to_tag == "b"
    trying = make_response(invite(), 100)
    assert trying.to_tag is None and trying.headers.get("Timestamp") == "54"
    assert "Record-Route" not in trying.headers and "Timestamp" not in make_response(invite(), 200).headers
    assert "Record-Route" not in make_response(invite(), 404).headers


def test_make_response_with_a_body() -> None:
    response = make_response(invite(), 200, "Fine", body=b"x", content_type="text/plain")
    assert response.to_bytes().endswith(b"Content-Type: text/plain\r\nContent-Length: 1\r\n\r\nx")
    assert response.start_line() == "SIP/2.0 200 Fine"


def test_refused_request_can_be_answered() -> None:
    data = wire(INVITE).replace(b"sip:201@example.com SIP/2.0", b"<sip:201@example.com> SIP/2.0")
    with pytest.raises(ParseError) as caught:
        parse_message(data)
    request = caught.value.request
    assert request is not None and caught.value.status == 400
    answer = make_response(request, 400)
    assert answer.call_id == "one" and answer.via.branch == "z9hG4bK-1"
