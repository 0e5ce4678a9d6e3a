"""Addresses, and a taken port said in a sentence that helps."""

import socket
from pathlib import Path

import pytest

from ucplatform.embedded.address import Address, AddressError, Port


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8000", Address("127.0.0.1", 8000)),
        ("[::1]:8000", Address("::1", 8000)),
        (":8000", Address("0.0.0.0", 8000)),
        ("unix:/run/web.sock", Address(path="/run/web.sock")),
        ("unix:///run/web.sock", Address(path="/run/web.sock")),
    ],
)
def test_parse(text: str, address: Address) -> None:
    assert Address.parse(text) == address


@pytest.mark.parametrize("text", ["", "8000", "host", "host:", "host:0", "host:65536", "host:٣"])
def test_what_is_no_address_is_named(text: str) -> None:
    with pytest.raises(AddressError, match="is not host:port"):
        Address.parse(text)


def test_a_listener_on_every_address_is_reached_by_loopback() -> None:
    assert str(Address.parse("0.0.0.0:80").reachable) == "127.0.0.1:80"
    assert str(Address.parse("[::]:80").reachable) == "[::1]:80"
    assert str(Address.parse("192.0.2.1:80").reachable) == "192.0.2.1:80"


@pytest.mark.parametrize(("kind", "number"), [("tcp", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM)])
def test_a_taken_port_names_port_role_and_variable(kind: str, number: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET, number) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind == "tcp":
            taken.listen()
        port = taken.getsockname()[1]
        for host in ("127.0.0.1", "0.0.0.0"):
            with pytest.raises(AddressError) as caught:
                Port("UC_SIP_UDP", kind, Address(host, port)).check("edge-1")
            assert f"{kind.upper()} port {port}" in str(caught.value)
            assert "edge-1" in str(caught.value) and "UC_SIP_UDP" in str(caught.value)
    Port("UC_SIP_UDP", kind, Address("127.0.0.1", port)).check("edge-1")


def test_an_address_of_another_machine_is_named() -> None:
    with pytest.raises(AddressError, match=r"203\.0\.113\.7 is no address of this machine"):
        Port("UC_HTTP", "tcp", Address("203.0.113.7", 8000)).check("front")


def test_a_unix_socket_takes_no_port(tmp_path: Path) -> None:
    Port("UC_WEB_SOCKET", "tcp", Address(path=str(tmp_path / "web.sock"))).check("web")
