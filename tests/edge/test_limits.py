"""Connections per address, and requests without credentials."""

import pytest

from tests.edge.responder import options
from ucplatform.edge.limits import Admission, Limits, Strangers
from ucplatform.sdp import SdpError
from ucplatform.sdp import parse as parse_sdp
from ucplatform.sip.errors import ParseError
from ucplatform.sip.message import parse_message


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


def strangers(burst: float = 3.0, rate: float = 1.0, kept: int = 100) -> Strangers:
    return Strangers(Limits(strangers_burst=burst, strangers_rate=rate, strangers_kept=kept))


def test_a_stranger_has_a_burst_and_then_a_rate() -> None:
    counted = strangers()
    assert [counted.take("192.0.2.1", False, 10.0) for _ in range(4)] == [True, True, True, False]
    assert not counted.take("192.0.2.1", False, 10.9)
    assert counted.take("192.0.2.1", False, 11.0) and not counted.take("192.0.2.1", False, 11.0)
    assert [counted.take("192.0.2.1", False, 1000.0) for _ in range(4)] == [True, True, True, False]
    assert counted.take("192.0.2.2", False, 1000.0)


def test_whoever_signs_in_gets_back_what_the_challenge_took() -> None:
    counted = strangers()
    for number in range(50):
        assert counted.take("192.0.2.1", False, 10.0), number
        counted.give_back("192.0.2.1", False)
    for _ in range(9):
        counted.give_back("192.0.2.1", False)  # never more than the burst
    assert sum(counted.take("192.0.2.1", False, 10.0) for _ in range(9)) == 3


def test_datagrams_with_another_ones_address_do_not_shut_out_its_connections() -> None:
    counted = strangers()
    while counted.take("192.0.2.1", False, 10.0):
        pass
    assert counted.take("192.0.2.1", True, 10.0)


def test_a_flood_from_everywhere_fills_no_memory() -> None:
    counted = strangers(kept=8)
    for number in range(1000):
        counted.take(f"192.0.2.{number}", False, 10.0)
    assert len(counted) == 8


def test_an_office_behind_one_address_passes_the_usual_limits() -> None:
    """5,000 devices that come back at once, and then 300 calls a second for a minute."""
    counted, now, waiting = Strangers(Limits()), 10.0, 0
    for number in range(5000 + 300 * 60):
        now += 0.001 if number < 5000 else 1 / 300
        assert counted.take("192.0.2.1", False, now) and counted.take("192.0.2.1", False, now), number
        waiting += 1
        if waiting == 100:  # so many are between their challenge and their credentials
            counted.give_back("192.0.2.1", False)
            waiting -= 1


def test_headers_and_descriptions_have_their_size() -> None:
    """SECURITY: 8 KiB of headers over every transport, 16 KiB of SDP."""
    data = options(extra="X: " + "x" * 8192 + "\r\n")
    with pytest.raises(ParseError) as refusal:
        parse_message(data)
    assert refusal.value.status == 513
    assert parse_message(options(extra="X: " + "x" * 7500 + "\r\n"))
    sdp = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n" + b"a=x:" + b"y" * 16384 + b"\r\n"
    with pytest.raises(SdpError):
        parse_sdp(sdp)
