"""Names of servers, asked of a real DNS server (RFC 3263, RFC 2308)."""

import asyncio

import dns.asyncresolver
import dns.rcode
import pytest

from tests.edge.conftest import Lines
from tests.edge.dns_server import DnsServer
from ucplatform.edge import resolver as module
from ucplatform.edge.resolver import Resolver
from ucplatform.edge.transports import ListenConfig, Transports
from ucplatform.sip.locate import Question, Target
from ucplatform.sip.uri import Uri

ZONE = {
    ("trunk.test", "NAPTR"): [
        '10 50 "s" "SIPS+D2T" "" _sips._tcp.trunk.test.',
        '20 50 "s" "SIP+D2U" "" _sip._udp.trunk.test.',
    ],
    ("_sips._tcp.trunk.test", "SRV"): ["0 10 5061 one.trunk.test."],
    ("_sip._udp.trunk.test", "SRV"): ["0 10 5060 two.trunk.test.", "1 10 5062 one.trunk.test."],
    ("one.trunk.test", "A"): ["192.0.2.1"],
    ("one.trunk.test", "AAAA"): ["2001:db8::1"],
    ("two.trunk.test", "A"): ["192.0.2.2"],
    ("alias.test", "CNAME"): ["one.trunk.test."],
    ("_sip._udp.closed.test", "SRV"): ["0 0 0 ."],
}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def server():
    server = await DnsServer(dict(ZONE)).start()
    yield server
    server.close()


@pytest.fixture
async def clock() -> Clock:
    return Clock()


@pytest.fixture
async def resolver(server, clock):
    resolver = Resolver(nameservers=["127.0.0.1"], port=server.port, pick=lambda n: 0, clock=clock)
    yield resolver
    await resolver.close()


async def find(resolver: Resolver, uri: str, transport: str | None = None) -> list[Target]:
    return await resolver.locate(Uri.parse(uri), transport)


async def test_naptr_srv_and_both_families(resolver):
    assert await find(resolver, "sip:200@trunk.test") == [
        Target("tls", ("2001:db8::1", 5061), "trunk.test"),
        Target("tls", ("192.0.2.1", 5061), "trunk.test"),
        Target("udp", ("192.0.2.2", 5060), "trunk.test"),
        Target("udp", ("2001:db8::1", 5062), "trunk.test"),
        Target("udp", ("192.0.2.1", 5062), "trunk.test"),
    ]


async def test_numeric_addresses_are_not_asked_for(resolver, server):
    assert await find(resolver, "sip:200@[2001:db8::9]:5070", "tcp") == [
        Target("tcp", ("2001:db8::9", 5070), "2001:db8::9")
    ]
    assert server.asked == []


async def test_a_transport_of_ours_stands_for_the_uris_own(resolver):
    assert await find(resolver, "sip:200@one.trunk.test;transport=udp", "tcp") == [
        Target("tcp", ("2001:db8::1", 5060), "one.trunk.test"),
        Target("tcp", ("192.0.2.1", 5060), "one.trunk.test"),
    ]


async def test_a_name_may_be_another_ones_alias(resolver):
    assert [t.address for t in await find(resolver, "sip:200@alias.test:5060")] == [
        ("2001:db8::1", 5060),
        ("192.0.2.1", 5060),
    ]


async def test_answers_are_kept_as_long_as_they_are_good(resolver, server, clock):
    question = Question("two.trunk.test", "A")
    for _ in range(3):
        assert await resolver.ask(question) == ("192.0.2.2",)
    assert len(server.asked) == 1
    clock.now += 61.0
    server.zone["two.trunk.test", "A"] = ["192.0.2.3"]
    assert await resolver.ask(question) == ("192.0.2.3",)


@pytest.mark.parametrize(("ttl", "kept", "gone"), [(0, 4.0, 6.0), (86_400 * 7, 3590.0, 3610.0)])
async def test_a_ttl_is_believed_within_bounds(resolver, server, clock, ttl, kept, gone):
    server.ttl = ttl
    await resolver.ask(Question("two.trunk.test", "A"))
    clock.now += kept
    await resolver.ask(Question("two.trunk.test", "A"))
    assert len(server.asked) == 1
    clock.now += gone - kept
    await resolver.ask(Question("two.trunk.test", "A"))
    assert len(server.asked) == 2


@pytest.mark.parametrize("name", ["nowhere.test", "two.trunk.test"])
async def test_what_is_not_there_is_remembered_too(resolver, server, clock, name):
    """RFC 2308: neither the name nor the record is asked for again at every call."""
    for _ in range(3):
        assert await resolver.ask(Question(name, "AAAA")) == ()
    assert len(server.asked) == 1
    clock.now += 61.0
    await resolver.ask(Question(name, "AAAA"))
    assert len(server.asked) == 2


async def test_a_question_that_many_have_is_asked_once(resolver, server):
    found = await asyncio.gather(*(find(resolver, "sip:200@two.trunk.test:5060") for _ in range(20)))
    assert all(targets == found[0] for targets in found) and len(server.asked) == 2


async def test_a_server_that_fails_is_asked_again_soon(resolver, server, clock, lines: Lines):
    server.rcode = dns.rcode.SERVFAIL
    assert await resolver.ask(Question("two.trunk.test", "A")) == ()
    server.rcode = None
    clock.now += module.NO_ANSWER + 0.1
    assert await resolver.ask(Question("two.trunk.test", "A")) == ("192.0.2.2",)
    assert lines.about("dns-no-answer")


async def test_a_silent_server_costs_a_bounded_time(resolver, server, monkeypatch):
    monkeypatch.setattr(module, "LOCATE_SECONDS", 0.3)
    server.mute = True
    begun = asyncio.get_running_loop().time()
    assert await find(resolver, "sip:200@trunk.test") == []
    assert asyncio.get_running_loop().time() - begun < 2.0


async def test_a_service_that_is_closed_has_no_target(resolver):
    assert await find(resolver, "sip:200@closed.test") == []


async def test_a_target_that_failed_is_tried_last_for_a_while(resolver, clock):
    first, *others = await find(resolver, "sip:200@trunk.test")
    resolver.failed(first)
    assert await find(resolver, "sip:200@trunk.test") == [*others, first]  # RFC 3263 4.3
    clock.now += module.FAILED_SECONDS + 1.0
    assert (await find(resolver, "sip:200@trunk.test"))[0] == first


async def test_memory_is_bounded(resolver, server, monkeypatch):
    monkeypatch.setattr(module, "CACHE", 20)
    for n in range(60):
        await resolver.ask(Question(f"x{n}.test", "A"))
    assert len(resolver._known) <= 20 and not resolver._asking


@pytest.mark.parametrize("name", ["a" * 70 + ".test", "x." * 140 + "test", "a..b.test"])
async def test_a_name_that_dns_cannot_hold_leads_nowhere(resolver, server, name):
    assert await resolver.ask(Question(name, "A")) == () and server.asked == []


async def test_a_machine_may_move_to_another_network(tmp_path, monkeypatch, clock, lines: Lines):
    """The list of name servers is the system's, and read anew now and then."""
    file = tmp_path / "resolv.conf"
    real = dns.asyncresolver.Resolver
    monkeypatch.setattr(dns.asyncresolver, "Resolver", lambda configure: real(str(file), configure))
    resolver = Resolver(clock=clock)
    assert await resolver.ask(Question("two.trunk.test", "A")) == () and lines.about(
        "NoResolverConfiguration"
    )
    for host in ("192.0.2.53", "192.0.2.54"):
        file.write_text(f"nameserver {host}\n")
        clock.now += module.SERVERS_SECONDS + 1.0
        assert resolver._resolver().nameservers == [host]


async def test_localhost_is_here(resolver, server):
    assert [t.address[0] for t in await find(resolver, "sip:200@localhost:5060")] == ["::1", "127.0.0.1"]
    assert server.asked == []


async def test_transports_find_the_way_by_name_and_remember_who_did_not_answer(server):
    """RFC 3263 4.3: the first target is a closed port, the second answers."""
    server.zone["_sip._tcp.pair.test", "SRV"] = ["0 0 1 here.test.", ""]
    server.zone["here.test", "A"] = ["127.0.0.1"]
    resolver = Resolver(("A",), nameservers=["127.0.0.1"], port=server.port)
    transports = Transports(on_data=lambda *_: None, on_flow_lost=lambda *_: None, resolver=resolver)
    await transports.start(ListenConfig(tcp=[("127.0.0.1", 0)], udp=[("127.0.0.1", 0)]))
    (_, port), uri = transports.addresses("tcp")[0], Uri.parse("sip:pair.test;transport=tcp")
    server.zone["_sip._tcp.pair.test", "SRV"][1] = f"1 0 {port} here.test."
    first, second = await transports.locate(uri)
    with pytest.raises(OSError):
        await transports.dial(first)
    assert await transports.locate(uri) == [second, first]
    assert (await transports.dial(second)).remote == ("127.0.0.1", port)
    (udp,) = await transports.locate(Uri.parse("sip:here.test:5077"))
    assert (await transports.dial(udp)).remote == ("127.0.0.1", 5077)
    await transports.close()


async def test_only_families_that_we_reach_are_asked_for(server):
    resolver = Resolver(("A",), nameservers=["127.0.0.1"], port=server.port)
    assert [t.address for t in await find(resolver, "sip:200@one.trunk.test:5060")] == [("192.0.2.1", 5060)]
    assert server.asked == [("one.trunk.test", "A")]
