"""What a REGISTER tells of the way to its device: NAT, SIP ALGs, a Contact of another transport."""

import pytest

from tests.pbx.lab import page_flow, request
from ucplatform.pbx.reach import reach
from ucplatform.sip.flow import Flow
from ucplatform.sip.headers import NameAddr
from ucplatform.sip.host import host_is

PUBLIC = ("203.0.113.7", 5060)


def over(transport: str = "udp", remote: tuple[str, int] = PUBLIC) -> Flow:
    local = ("192.0.2.1", 5060) if "." in remote[0] else ("2001:db8::1", 5060)
    return Flow.udp(local, remote) if transport == "udp" else Flow("c-1", transport, local, remote)


def look(contact: str, via: str, flow: Flow | None = None, call_id: str = "a@x"):
    message = request("REGISTER", "200", call_id=call_id)
    message.headers.set("Via", via if "/" in via else f"SIP/2.0/UDP {via};branch=z9hG4bK1;rport")
    return reach(NameAddr.parse(contact), message, flow or over())


@pytest.mark.parametrize(
    ("contact", "via", "call_id", "noticed"),
    [
        ("<sip:200@203.0.113.7:5060>", "203.0.113.7:5060", "a@203.0.113.7", ()),
        ("<sip:200@192.168.1.5:5060>", "192.168.1.5:5060", "a", ("nat",)),
        ("<sip:200@203.0.113.7:5060>", "192.168.1.5:5060", "a", ("nat",)),  # it has read `received`
        ("<sip:200@192.168.1.5:5060>", "203.0.113.7:5060", "a", ("nat", "alg-via")),
        ("<sip:200@198.51.100.2:5060>", "192.168.1.5:5060", "a", ("nat", "alg-contact")),
        ("<sip:200@203.0.113.7:5060>", "203.0.113.7:1024", "a", ("nat", "alg-port")),
        ("<sip:200@203.0.113.7:5060>", "203.0.113.7:5060", "a@192.168.1.5", ("alg",)),
        ("<sip:200@203.0.113.7;transport=tcp>", "203.0.113.7:5060", "a", ("transport",)),
        ("<sip:200@phone.local>", "phone.local", "a", ("nat",)),
    ],
)
def test_what_is_noticed_of_datagrams(contact, via, call_id, noticed):
    found = look(contact, via, call_id=call_id)
    assert found.noticed == noticed
    # Whatever is odd: only the way that the packets came is known to lead back.
    assert found.flow.remote == PUBLIC


def test_a_device_without_nat_is_reached_where_its_contact_says():
    found = look("<sip:200@203.0.113.7:5099>", "203.0.113.7:5060")
    assert found == (over().with_remote(("203.0.113.7", 5099)), False, ())


@pytest.mark.parametrize(
    ("transport", "contact", "noticed"),
    [
        ("tcp", "<sip:200@203.0.113.7;transport=tcp>", ()),
        ("tcp", "<sip:200@203.0.113.7>", ("transport",)),
        ("tls", "<sip:200@203.0.113.7;transport=TLS>", ()),
        ("tls", "<sips:200@203.0.113.7>", ()),
        ("tls", "<sip:200@203.0.113.7;transport=udp>", ("transport",)),
        ("tcp", "<sip:200@10.1.1.1;transport=tcp>", ("nat", "alg-via")),
    ],
)
def test_a_stream_leads_to_its_device_whatever_its_contact_says(transport, contact, noticed):
    flow = over(transport, ("203.0.113.7", 41000))
    found = look(contact, "203.0.113.7:5060", flow)
    assert (found.flow, found.noticed) == (flow, noticed)


def test_of_a_page_nothing_is_noticed():
    assert look("<sip:x@y.invalid;transport=ws>", "y.invalid", page_flow("ws-1")).noticed == ()


def test_behind_a_proxy_the_devices_own_via_counts():
    vias = (
        "SIP/2.0/UDP 203.0.113.7;branch=z9hG4bKp, "
        "SIP/2.0/UDP 192.168.1.5:5060;branch=z9hG4bK1;received=198.51.100.3;rport=6000"
    )
    assert look("<sip:200@192.168.1.5>", vias).noticed == ("nat",)
    assert look("<sip:200@198.51.100.3>", vias.replace("192.168.1.5", "198.51.100.3")).noticed == (
        "nat",
        "alg-port",
    )


def test_ipv6_addresses_are_compared_as_addresses():
    flow = over(remote=("2001:db8::7", 5060))
    found = look("<sip:200@[2001:DB8:0::7]:5070>", "[2001:db8:0:0::7]:5060", flow)
    assert found.noticed == () and found.flow.remote == ("2001:db8::7", 5070)
    assert look("<sip:200@[fd00::5]>", "[fd00::5]:5060", flow).noticed == ("nat",)
    assert host_is("[FE80::1]", "fe80::1%eth0") and not host_is("phone:1", "::1")
