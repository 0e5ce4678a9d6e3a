"""Connections per address."""

import pytest

from ucplatform.edge.limits import Admission, Limits


def test_what_the_security_rules_say() -> None:
    limits = Limits()
    assert limits.max_message == 64 * 1024 and limits.max_headers == 8 * 1024
    assert limits.idle_s == 10 and limits.connections_per_address == 100


def test_counts_each_address_by_itself() -> None:
    admission = Admission(2)
    assert admission.admit("192.0.2.1") and admission.admit("192.0.2.1")
    assert not admission.admit("192.0.2.1")
    assert admission.admit("192.0.2.2")
    admission.release("192.0.2.1")
    assert admission.admit("192.0.2.1")


def test_a_refused_connection_is_not_counted() -> None:
    admission = Admission(1)
    admission.admit("192.0.2.1")
    for _ in range(5):
        admission.admit("192.0.2.1")
    admission.release("192.0.2.1")
    assert admission.count("192.0.2.1") == 0


def test_a_subscriber_of_ipv6_is_a_64() -> None:
    admission = Admission(1)
    assert admission.admit("2001:db8::1")
    assert not admission.admit("2001:db8::ffff")
    assert admission.admit("2001:db8:0:1::1")


def test_an_ipv4_address_in_ipv6_clothes_is_the_same() -> None:
    admission = Admission(1)
    assert admission.admit("::ffff:192.0.2.1")
    assert not admission.admit("192.0.2.1")


@pytest.mark.parametrize("trusted", ["192.0.2.1", "192.0.2.0/24"])
def test_a_trusted_proxy_is_not_counted(trusted: str) -> None:
    admission = Admission(1, [trusted])
    assert all(admission.admit("192.0.2.1") for _ in range(10))
    admission.release("192.0.2.1")
    assert admission.admit("198.51.100.1") and not admission.admit("198.51.100.1")
    assert admission.trusts("192.0.2.1") and admission.trusts("::ffff:192.0.2.1")
    assert not admission.trusts("198.51.100.1") and not admission.trusts("a.example")
