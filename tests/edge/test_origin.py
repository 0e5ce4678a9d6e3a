"""Who may open the SIP WebSocket, and where they come from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ucplatform.edge.origin import canonical, is_secure, local_address, origin_allowed, peer_address

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
    assert peer_address(headers, None, believed=True) == ("198.51.100.7", 0)
    assert peer_address(headers, ("10.0.0.2", 9), believed=True) == ("198.51.100.7", 0)
    assert is_secure(headers, believed=True)
    assert peer_address({b"x-forwarded-for": b"2001:db8::1"}, None, believed=True) == ("2001:db8::1", 0)
    assert peer_address({}, None, believed=True) == ("127.0.0.1", 0)


def test_a_stranger_is_not_believed() -> None:
    headers = {b"x-forwarded-for": b"127.0.0.1", b"x-forwarded-proto": b"https", b"x-uc-local": b"10.0.0.1"}
    assert peer_address(headers, STRANGER, believed=False) == STRANGER
    assert not is_secure(headers, believed=False)
    assert local_address(headers, ("192.0.2.1", 80), believed=False) == ("192.0.2.1", 80)


@pytest.mark.parametrize("value", [b"", b"unknown", b"1.2.3.4, x\r\ny", b"1.2.3"])
def test_an_unreadable_forwarded_address_is_none(value: bytes) -> None:
    assert peer_address({b"x-forwarded-for": value}, None, believed=True) is None


def test_our_own_address_as_the_front_door_says() -> None:
    unix = ("/run/edge.sock", None)
    assert local_address({b"x-uc-local": b"192.0.2.1"}, unix, believed=True) == ("192.0.2.1", 0)
    assert local_address({b"x-uc-local": b"[2001:db8::1]"}, None, believed=True) == ("2001:db8::1", 0)
    assert local_address({}, unix, believed=True) == ("127.0.0.1", 0)
    assert local_address({b"x-uc-local": b"?"}, None, believed=True) == ("127.0.0.1", 0)


@given(st.dictionaries(st.sampled_from([b"origin", b"host", b"x-forwarded-for", b"x-uc-local"]), st.binary()))
def test_no_header_raises(headers: dict[bytes, bytes]) -> None:
    origin_allowed(headers, ["https://app.partner.example"], secure=True)
    peer_address(headers, None, believed=True)
    local_address(headers, None, believed=True)


@given(st.text(alphabet="htps:/[]@.%#?0123456789aé\\\x00 ", max_size=60))
def test_no_origin_raises(origin: str) -> None:
    canonical(origin)
