"""Who may open the SIP WebSocket, and where they come from."""

import pytest

from ucplatform.edge.origin import is_secure, local_address, origin_allowed, peer_address

FRONT = None  # a unix socket has no peer address
STRANGER = ("203.0.113.9", 4000)


@pytest.mark.parametrize(
    ("origin", "host", "secure", "allowed"),
    [
        (None, "phone.example", True, True),
        ("https://phone.example", "phone.example", True, True),
        ("https://phone.example", "phone.example:443", True, True),
        ("https://PHONE.example:8443", "phone.example:8443", True, True),
        ("http://localhost:8000", "localhost:8000", False, True),
        ("http://[::1]:8000", "[::1]:8000", False, True),
        ("https://app.partner.example", "phone.example", True, True),
        ("https://app.partner.example:444", "phone.example", True, False),
        ("http://app.partner.example", "phone.example", True, False),
        ("https://evil.example", "phone.example", True, False),
        ("https://phone.example.evil.example", "phone.example", True, False),
        ("https://phone.example@evil.example", "phone.example", True, False),
        ("http://phone.example", "phone.example", True, False),
        ("https://phone.example:8443", "phone.example", True, False),
        ("null", "phone.example", True, False),
        ("", "", True, False),
        ("https://phone.example,https://evil.example", "phone.example", True, False),
        ("https://phone.example:99999", "phone.example:99999", True, False),
        ("file:///tmp/x", "phone.example", True, False),
    ],
)
def test_origin(origin: str | None, host: str, secure: bool, allowed: bool) -> None:
    headers = {b"host": host.encode()}
    if origin is not None:
        headers[b"origin"] = origin.encode()
    assert origin_allowed(headers, ["https://app.partner.example"], secure=secure) is allowed


def test_the_peer_is_the_last_address_that_our_front_door_saw() -> None:
    headers = {b"x-forwarded-for": b"1.1.1.1, 198.51.100.7", b"x-forwarded-proto": b"https"}
    assert peer_address(headers, FRONT) == ("198.51.100.7", 0)
    assert peer_address(headers, ("127.0.0.1", 9)) == ("198.51.100.7", 0)
    assert is_secure(headers, FRONT) and is_secure(headers, ("::1", 9))
    assert peer_address({b"x-forwarded-for": b"2001:db8::1"}, FRONT) == ("2001:db8::1", 0)


def test_a_stranger_is_not_believed() -> None:
    headers = {b"x-forwarded-for": b"127.0.0.1", b"x-forwarded-proto": b"https", b"x-uc-local": b"10.0.0.1"}
    assert peer_address(headers, STRANGER) == STRANGER
    assert not is_secure(headers, STRANGER)
    assert local_address(headers, STRANGER, ("192.0.2.1", 80)) == ("192.0.2.1", 80)


@pytest.mark.parametrize("value", [b"", b"unknown", b"1.2.3.4, x\r\ny", b"1.2.3"])
def test_an_unreadable_forwarded_address_is_none(value: bytes) -> None:
    assert peer_address({b"x-forwarded-for": value}, FRONT) is None


def test_our_own_address_as_the_front_door_says() -> None:
    assert local_address({b"x-uc-local": b"192.0.2.1"}, FRONT, ("/run/edge.sock", None)) == ("192.0.2.1", 0)
    assert local_address({b"x-uc-local": b"[2001:db8::1]"}, FRONT, None) == ("2001:db8::1", 0)
    assert local_address({}, FRONT, ("/run/edge.sock", None)) == ("127.0.0.1", 0)
    assert local_address({b"x-uc-local": b"?"}, FRONT, None) == ("127.0.0.1", 0)
