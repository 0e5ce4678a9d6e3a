"""received, rport and the way back (RFC 3261 section 18.2, RFC 3581)."""

import pytest

from tests.sip.pair import build
from ucplatform.sip.flow import Flow
from ucplatform.sip.headers import Via
from ucplatform.sip.via import own_via, stamped, way_back

UDP = Flow.udp(("192.0.2.2", 5060), ("198.51.100.7", 40000))
TCP = Flow("tcp-1", "tcp", ("192.0.2.2", 5060), ("198.51.100.7", 40000))


def via(text: str) -> Via:
    return Via.parse(f"SIP/2.0/UDP {text};branch=z9hG4bK-1")


@pytest.mark.parametrize(
    ("text", "received", "rport"),
    [
        ("198.51.100.7:5060", None, None),
        ("phone.example.com", "198.51.100.7", None),
        ("10.0.0.9:5060", "198.51.100.7", None),
        ("10.0.0.9:5060;rport", "198.51.100.7", "40000"),
        ("198.51.100.7:40000;rport", "198.51.100.7", "40000"),  # RFC 3581: received even when it is the same
        ("10.0.0.9;received=203.0.113.1", "198.51.100.7", None),
        ("10.0.0.9;rport=99", "198.51.100.7", "40000"),
    ],
)
def test_the_topmost_via_is_stamped(text, received, rport):
    request = build("OPTIONS")
    request.headers.prepend("Via", str(via(text)))
    request.headers.add("Via", "SIP/2.0/TCP 203.0.113.5;branch=z9hG4bK-0")
    stamp = stamped(request, request.via, UDP)
    assert (stamp.received, stamp.rport) == (received, rport)
    assert [item.host for item in request.vias] == [via(text).host, "203.0.113.5"]
    assert request.via == stamp


def test_vias_on_one_line_are_stamped_alike():
    request = build("OPTIONS")
    request.headers.prepend("Via", "SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK-1, SIP/2.0/UDP 10.0.0.8")
    stamped(request, request.via, UDP)
    assert [item.received for item in request.vias] == ["198.51.100.7", None]


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("10.0.0.9;rport", 40000),
        ("198.51.100.7", 5060),
        ("198.51.100.7:5070", 5070),
        ("phone.example.com:5080", 5080),
        ("10.0.0.9:5080", 40000),  # behind NAT without rport: the port inside says nothing
        ("198.51.100.7:5070;maddr=203.0.113.66", 5070),
    ],
)
def test_a_response_on_udp_goes_back_to_where_the_request_came_from(text, port):
    back = way_back(via(text), UDP)
    assert back.remote == ("198.51.100.7", port)
    assert back == Flow.udp(UDP.local, ("198.51.100.7", port))


def test_a_response_on_a_connection_goes_back_on_it():
    assert way_back(via("198.51.100.7:5070"), TCP) is TCP


def test_our_own_via_by_transport():
    assert own_via(UDP, "z9hG4bK1", "1") == "SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK1;rport"
    assert own_via(TCP, "z9hG4bK1", "1") == "SIP/2.0/TCP 192.0.2.2:5060;branch=z9hG4bK1"
    assert own_via(TCP._replace(transport="tls"), "z9hG4bK1", "1").endswith(
        ";branch=z9hG4bK1;alias"
    )  # RFC 5923
    browser = Flow("ws-1", "wss", ("192.0.2.2", 443), ("198.51.100.7", 40000))
    assert own_via(browser, "z9hG4bK1", "1") == "SIP/2.0/WSS edge-1.invalid;branch=z9hG4bK1"
    assert "[2001:db8::2]:5060" in own_via(Flow.udp(("2001:db8::2", 5060), ("2001:db8::1", 5060)), "x", "1")


def test_ipv6_sources_are_written_without_and_compared_with_brackets():
    flow = Flow.udp(("2001:db8::2", 5060), ("2001:db8::1", 5062))
    assert flow.id == "udp/[2001:db8::1]:5062/[2001:db8::2]:5060"
    request = build("OPTIONS")
    request.headers.prepend("Via", str(via("[2001:db8::1]:5060")))
    assert stamped(request, request.via, flow).received is None
    assert way_back(request.via, flow).remote == ("2001:db8::1", 5060)
    other = via("[2001:DB8:0:0::1]:5060")  # the same address
    assert stamped(request, other, flow).received is None
    assert way_back(other, flow).remote == ("2001:db8::1", 5060)


def test_an_interface_is_no_part_of_an_address_on_the_wire():
    """RFC 4007 section 11: what it is called here means nothing there."""
    flow = Flow.udp(("fe80::2%eth0", 5060), ("fe80::1%eth0", 5060))
    request = build("OPTIONS")
    request.headers.prepend("Via", str(via("phone.test;rport")))
    assert stamped(request, request.via, flow).received == "fe80::1"
    assert stamped(request, via("[fe80::1]:5060"), flow).received is None
    assert "[fe80::2]:5060;" in own_via(flow, "x", "1")


def test_flows_know_their_transport():
    assert not UDP.reliable and TCP.reliable
    assert [Flow("x", name, UDP.local, UDP.remote).secure for name in ("tcp", "tls", "ws", "wss")] == [
        False,
        True,
        False,
        True,
    ]
    assert Flow("x", "ws", UDP.local, UDP.remote).websocket and not TCP.websocket
