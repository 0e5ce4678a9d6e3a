"""Reading addresses, and which of ours faces a peer."""

import socket

import pytest

from ucplatform.edge.addresses import Routes, numeric, parse_listen, sockaddr, unmapped
from ucplatform.sip.flow import hostport


def test_reads_addresses_of_both_families() -> None:
    assert parse_listen("0.0.0.0:5060, [::]:5060") == [("0.0.0.0", 5060), ("::", 5060)]
    assert parse_listen("") == []


@pytest.mark.parametrize(
    "text", ["5060", "localhost:5060", "127.0.0.1", "127.0.0.1:sip", "1.2.3.4:70000", "::"]
)
def test_says_which_address_is_wrong(text: str) -> None:
    with pytest.raises(ValueError, match=text):
        parse_listen(text)


def test_takes_only_numeric_remotes() -> None:
    assert numeric(("[::1]", 5060)) == ("::1", 5060)
    with pytest.raises(ValueError):
        numeric(("phone.example", 5060))


def test_undresses_mapped_addresses() -> None:
    assert unmapped(("::ffff:192.0.2.1", 5060, 0, 0)) == ("192.0.2.1", 5060)
    assert unmapped(("2001:db8::1", 5060, 0, 0)) == ("2001:db8::1", 5060)


def test_a_link_local_address_keeps_its_interface() -> None:
    index = socket.if_nametoindex("lo")
    assert unmapped(("fe80::1", 5060, 0, index)) == ("fe80::1%lo", 5060)
    assert unmapped(("fe80::1%lo", 5060, 0, index)) == ("fe80::1%lo", 5060)
    assert sockaddr(("fe80::1%lo", 5060)) == ("fe80::1", 5060, 0, index)
    assert sockaddr(("2001:db8::1", 5060)) == ("2001:db8::1", 5060)
    assert hostport(("fe80::1%lo", 5060)) == "[fe80::1]:5060"


def test_the_route_to_loopback_starts_there() -> None:
    routes = Routes()
    assert routes.local("127.0.0.1") == "127.0.0.1"
    assert routes.local("127.0.0.1") == "127.0.0.1"
    assert routes.local("::1") == "::1"
