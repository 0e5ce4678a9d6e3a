"""Where a URI leads (RFC 3263), with a dictionary for DNS."""

import random
from collections import Counter

import pytest

from ucplatform.sip.locate import (
    MAX_TARGETS,
    Naptr,
    Question,
    Srv,
    Target,
    by_weight,
    locate,
    numeric,
)
from ucplatform.sip.uri import Uri

ZONE = {
    ("example.com", "NAPTR"): (
        Naptr(90, 50, "s", "SIP+D2T", "", "_sip._tcp.example.com"),
        Naptr(50, 50, "s", "SIPS+D2T", "", "_sips._tcp.example.com"),
        Naptr(100, 50, "s", "SIP+D2U", "", "_sip._udp.example.com"),
        Naptr(10, 50, "s", "SIP+D2W", "", "_sip._ws.example.com"),
        Naptr(10, 50, "u", "E2U+sip", "!^.*$!sip:x@y!", ""),
    ),
    ("_sips._tcp.example.com", "SRV"): (Srv(0, 1, 5061, "s1.example.com"),),
    ("_sip._tcp.example.com", "SRV"): (Srv(1, 0, 5066, "s2.example.com"), Srv(0, 0, 5065, "s1.example.com")),
    ("_sip._udp.example.com", "SRV"): (Srv(0, 0, 5060, "s2.example.com"),),
    ("s1.example.com", "A"): ("192.0.2.1",),
    ("s1.example.com", "AAAA"): ("2001:db8::1",),
    ("s2.example.com", "A"): ("192.0.2.2",),
    ("example.com", "A"): ("192.0.2.9",),
    ("_sip._tcp.only.test", "SRV"): (Srv(0, 0, 5070, "s1.example.com"),),
    ("plain.test", "A"): ("192.0.2.5", "192.0.2.6"),
    ("_sip._udp.closed.test", "SRV"): (Srv(0, 0, 0, ""),),
    ("closed.test", "A"): ("192.0.2.8",),
}


def find(text: str, transport: str | None = None, zone: dict | None = None, **more) -> tuple[list, list]:
    """(targets as text, questions asked)."""
    search = locate(Uri.parse(text), transport, pick=lambda n: 0, **more)
    asked: list[Question] = []
    try:
        questions = next(search)
        while True:
            asked += questions
            questions = search.send([(ZONE if zone is None else zone).get(q, ()) for q in questions])
    except StopIteration as end:
        return [f"{t.transport} {t.address[0]} {t.address[1]}" for t in end.value], asked


@pytest.mark.parametrize(
    ("uri", "target"),
    [
        ("sip:200@192.0.2.7", "udp 192.0.2.7 5060"),
        ("sip:200@192.0.2.7:5070;transport=tcp", "tcp 192.0.2.7 5070"),
        ("sip:200@[2001:db8::7]", "udp 2001:db8::7 5060"),
        ("sip:200@[2001:DB8:0::7]:5070", "udp 2001:db8::7 5070"),
        ("sips:200@192.0.2.7", "tls 192.0.2.7 5061"),
        ("sip:200@192.0.2.7;transport=tls", "tls 192.0.2.7 5061"),
        ("sip:200@example.com;maddr=192.0.2.8", "udp 192.0.2.8 5060"),
    ],
)
def test_numeric_addresses_ask_nothing(uri, target):
    assert find(uri) == ([target], [])


@pytest.mark.parametrize(
    "uri", ["sip:200@x.test;transport=ws", "sips:200@192.0.2.7;transport=udp", "tel:1", "sip:a@b;transport=x"]
)
def test_where_no_way_of_ours_leads_there_is_no_target(uri):
    assert find(uri) == ([], []) and numeric(Uri.parse(uri)) is None


def test_naptr_chooses_the_transport_and_the_others_stand_in():
    """Section 4.1, with the order of NAPTR, then SRV priorities, then addresses of both families."""
    targets, _ = find("sip:200@example.com")
    assert targets == [
        "tls 2001:db8::1 5061",
        "tls 192.0.2.1 5061",
        "tcp 2001:db8::1 5065",
        "tcp 192.0.2.1 5065",
        "tcp 192.0.2.2 5066",
        "udp 192.0.2.2 5060",
    ]


def test_naptr_for_transports_that_we_lack_is_passed_over():
    targets, _ = find("sip:200@example.com", transports=("udp",))
    assert targets == ["udp 192.0.2.2 5060"]


def test_sips_uses_nothing_but_tls():
    targets, asked = find("sips:200@example.com", families=("A",))
    assert targets == ["tls 192.0.2.1 5061"]
    assert Question("_sip._udp.example.com", "SRV") not in asked
    assert find("sips:200@only.test")[0] == []


def test_a_named_transport_asks_srv_at_once():
    targets, asked = find("sip:200@example.com;transport=udp")
    assert targets == ["udp 192.0.2.2 5060"] and asked[0] == Question("_sip._udp.example.com", "SRV")


def test_a_port_asks_for_addresses_only():
    """Section 4.2"""
    targets, asked = find("sip:200@example.com:5099", families=("A",))
    assert targets == ["udp 192.0.2.9 5099"] and asked == [Question("example.com", "A")]


def test_without_naptr_the_services_that_exist_are_used():
    assert find("sip:200@only.test", families=("A",))[0] == ["tcp 192.0.2.1 5070"]


def test_without_any_of_them_the_name_itself_is_the_server():
    assert find("sip:200@plain.test")[0] == ["udp 192.0.2.5 5060", "udp 192.0.2.6 5060"]
    assert find("sips:200@plain.test")[0] == ["tls 192.0.2.5 5061", "tls 192.0.2.6 5061"]


def test_a_service_that_is_decidedly_not_there_has_no_stand_in():
    """RFC 2782, a target of `.`"""
    assert find("sip:200@closed.test")[0] == []


def test_a_name_without_anything_has_no_target():
    assert find("sip:200@nowhere.test")[0] == []


def test_answers_are_bounded():
    many = tuple(Srv(0, 0, 5060, f"s{n}.test") for n in range(1000))
    zone = {("_sip._udp.big.test", "SRV"): many}
    zone |= {(f"s{n}.test", "A"): tuple(f"10.0.{n % 256}.{m}" for m in range(50)) for n in range(1000)}
    services = ["_sip._udp", *(f"_{n}" for n in range(999))]
    zone[("big.test", "NAPTR")] = tuple(
        Naptr(n, 0, "s", "SIP+D2U", "", f"{service}.big.test") for n, service in enumerate(services)
    )
    targets, asked = find("sip:200@big.test", zone=zone)
    assert len(targets) == MAX_TARGETS and len(asked) < 25


def test_the_name_to_be_proven_is_the_domain_and_not_the_servers():
    """RFC 5922 section 7.2: whoever can change DNS must not choose the certificate."""
    search = locate(Uri.parse("sips:200@example.com"))
    next(search)
    search.send([ZONE["example.com", "NAPTR"]])
    search.send([ZONE["_sips._tcp.example.com", "SRV"]])
    with pytest.raises(StopIteration) as end:
        search.send([(), ("192.0.2.1",)])
    assert end.value.value == [Target("tls", ("192.0.2.1", 5061), "example.com")]


def test_srv_weights_share_the_load():
    """RFC 2782: in proportion to weight; without weight seldom, but not never."""
    records = [Srv(1, 0, 1, "last"), Srv(0, 30, 1, "c"), Srv(0, 10, 1, "a"), Srv(0, 0, 1, "z")]
    rng = random.Random(7)
    firsts, order = Counter(), []
    for _ in range(4000):
        order = by_weight(records, rng.randrange)
        firsts[order[0].target] += 1
        assert order[-1].target == "last" and len(order) == 4
    assert 2700 < firsts["c"] < 3100 and 850 < firsts["a"] < 1100 and 40 < firsts["z"] < 160
