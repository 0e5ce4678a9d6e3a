"""Several edges: who is there, what they pass on to each other, what happens when one ends."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.edge.conftest import Lines, Valkey, until
from ucplatform.edge import link as links
from ucplatform.edge.fleet import Fleet, edge_of, key
from ucplatform.edge.link import LinkError, Seal
from ucplatform.edge.redis_link import connect
from ucplatform.sip.flow import Flow
from ucplatform.sip.message import Request, Response, parse_message

SECRET = b"the house's secret"
WS = Flow("ws-5f-1", "wss", ("192.0.2.1", 8443), ("198.51.100.7", 0))


def stray(
    head: str = "BYE sip:201@192.0.2.1 SIP/2.0", to: str = "<sip:201@x>;tag=e2-5f", extra: str = ""
) -> bytes:
    method = head.split()[0]
    return (
        f"{head}\r\nVia: SIP/2.0/WSS x.invalid;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n"
        f"From: <sip:200@x>;tag=a\r\nTo: {to}\r\nCall-ID: 1\r\nCSeq: 2 {method}\r\n{extra}"
        "Content-Length: 0\r\n\r\n"
    ).encode()


class Site:
    """What an edge does with what its fleet tells it: everything is written down."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[tuple[bytes, Flow]] = asyncio.Queue()
        self.sent: asyncio.Queue[tuple[Flow, bytes]] = asyncio.Queue()
        self.lost: asyncio.Queue[tuple[Flow, str]] = asyncio.Queue()
        self.heard: asyncio.Queue[tuple[str, object]] = asyncio.Queue()
        self.open: set[Flow] = {WS}

    def passed_on(self, data: bytes, flow: Flow) -> None:
        self.messages.put_nowait((data, flow))

    def send_own(self, flow: Flow, data: bytes) -> bool:
        self.sent.put_nowait((flow, data))
        return flow in self.open

    def is_open(self, flow: Flow) -> bool:
        return flow in self.open

    def on_flow_lost(self, flow: Flow, reason: str) -> None:
        self.lost.put_nowait((flow, reason))

    def edge_up(self, edge: str) -> None:
        pass

    def edge_down(self, edge: str) -> None:
        pass

    def news(self, edge: str, news: object) -> None:
        self.heard.put_nowait((edge, news))


class Edges:
    def __init__(self, valkey: Valkey, run: Path) -> None:
        self._url, self._run = valkey.url, run
        self.started: list[Fleet] = []

    async def start(self, name: str, *, address: str = "", secret: bytes = SECRET) -> tuple[Fleet, Site]:
        where = address or f"unix:{self._run}/{name}.link"
        fleet, site = Fleet(name, redis_url=self._url, secret=secret, address=where), Site()
        self.started.append(fleet)
        await fleet.start(site, {"udp": "192.0.2.1:5060"})
        return fleet, site

    async def pair(self, **more: str) -> tuple[Fleet, Site, Fleet, Site]:
        one, here = await self.start("1", **more)
        two, there = await self.start("2", **more)
        await until(lambda: linked(one) and linked(two))
        return one, here, two, there


def linked(fleet: Fleet) -> bool:
    return list(fleet.states().values()) == ["linked"]


@pytest.fixture
async def edges(valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Edges]:
    monkeypatch.setattr("ucplatform.edge.fleet.ANNOUNCE_SECONDS", 0.05)
    made = Edges(valkey, valkey.directory)
    yield made
    for fleet in made.started:
        await fleet.stop()


@pytest.mark.parametrize("address", ["", "127.0.0.1:0"])
async def test_a_stray_goes_to_its_owner_and_is_answered_through_the_edge_that_got_it(
    edges: Edges, address: str
) -> None:
    one, here, _, there = await edges.pair(address=address)
    data = stray()
    message = parse_message(data)
    assert one.owner(message) == "2" and one.pass_on("2", message, data, WS)
    got, flow = await there.messages.get()
    assert (got, flow) == (data, WS.seen_at("1"))
    assert edges.started[1].holds(flow) and edges.started[1].send(flow, b"SIP/2.0 200 OK")
    assert await here.sent.get() == (WS, b"SIP/2.0 200 OK")


async def test_a_lost_connection_is_told_to_the_others_once(edges: Edges) -> None:
    one, _, two, there = await edges.pair()
    one.flow_lost(WS, "closed 1001")
    assert await there.lost.get() == (WS.seen_at("1"), "closed 1001")
    assert not two.holds(WS.seen_at("1"))
    two.ask(WS.seen_at("1"))
    one.flow_lost(WS, "again")
    one.tell({"all": True}, "2")
    await there.heard.get()
    assert there.lost.empty()


async def test_sending_over_a_connection_that_is_gone_comes_back_as_its_loss(edges: Edges) -> None:
    _, here, two, there = await edges.pair()
    gone = WS._replace(id="ws-5f-2").seen_at("1")
    for data in (b"", b"INVITE"):  # asked for, or used
        assert two.send(gone, data)
        await there.lost.get()
        two._lost.clear()
    here.open.add(gone.as_own())
    two.ask(gone)
    two.send(WS.seen_at("1"), b"x")
    await here.sent.get(), await here.sent.get()
    assert there.lost.empty()


async def test_an_edge_that_ends_is_known_at_once_and_met_again_in_its_next_life(
    edges: Edges, lines: Lines
) -> None:
    one, _, two, _ = await edges.pair()
    await two.stop()
    await until(lambda: one.states() == {"2": "away"})
    message = parse_message(stray())
    assert one.owner(message) == "2" and not one.pass_on("2", message, stray(), WS)
    again, _ = await edges.start("2")
    await until(lambda: linked(one) and linked(again))
    assert len(lines.about("edge-gone")) == 1


async def test_an_edge_that_is_there_and_cannot_be_reached_is_named_in_health(
    edges: Edges, valkey: Valkey, monkeypatch: pytest.MonkeyPatch, lines: Lines
) -> None:
    monkeypatch.setattr("ucplatform.edge.fleet.MISSING_SECONDS", 0.2)
    redis = connect(valkey.url)
    await redis.sadd("uc:edges", "9", "8", "7")
    await redis.mset({key("8"): "no edge wrote this", key("7"): "[]"})
    await redis.set(key("9"), '{"link": "unix:/nowhere", "life": "a"}')
    await redis.aclose()
    one, _ = await edges.start("1")
    await until(lambda: "link to edge-9" in one.missing())
    assert len(lines.about("edge-not-reached edge=9")) == 1 and not one.others


async def test_an_address_that_nobody_could_dial_is_refused(edges: Edges) -> None:
    with pytest.raises(ValueError, match="UC_EDGE_LINK"):
        await edges.start("1", address="0.0.0.0:5090")


async def test_who_does_not_know_the_secret_is_refused(edges: Edges, lines: Lines) -> None:
    one, _ = await edges.start("1")
    two, _ = await edges.start("2", secret=b"another")
    await until(lambda: lines.about("link"))
    assert "a frame that its sender did not make" in lines.about("refused")[0]
    assert not one.others and not two.others


async def test_a_stranger_on_the_links_port_is_cut(
    edges: Edges, monkeypatch: pytest.MonkeyPatch, lines: Lines
) -> None:
    monkeypatch.setattr(links, "GREETING_SECONDS", 0.2)
    one, _ = await edges.start("1", address="127.0.0.1:0")
    host, port = one._address.split(":")
    for words in (b"", b"\xff\xff\xff\xff", b"\x00\x00\x00\x02{}", b"GET / HTTP/1.1\r\n\r\n"):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(words)
        try:
            await reader.read()  # our greeting, then the end
            assert await reader.read() == b""
        except ConnectionResetError:
            pass
        writer.close()
    assert len(lines.about("refused")) == 4 and not one.others


async def test_a_frame_that_no_edge_sends_costs_it_the_link(edges: Edges) -> None:
    one, _, two, _ = await edges.pair()
    link = one.others["2"]
    assert link is not None
    link.send(links.MESSAGE, b"no flow\nBYE")
    await until(lambda: two.states() == {"1": "away"} or two.others["1"] is not None)
    await until(lambda: linked(one) and linked(two) and one.others["2"] is not link)


def test_a_seal_opens_each_frame_once_and_in_order() -> None:
    out, back = (Seal(SECRET, b"dialler", b"a", b"b") for _ in range(2))
    frames = [out.seal(b"M", text)[links.HEAD :] for text in (b"one", b"two", b"three")]
    assert back.open(frames[0]) == (b"M", b"one")
    for wrong in (frames[0], frames[2], frames[1][:-1] + b"x", b""):
        fresh = Seal(SECRET, b"dialler", b"a", b"b")
        fresh.open(frames[0])
        with pytest.raises(LinkError):
            fresh.open(wrong)
    with pytest.raises(LinkError):
        Seal(SECRET, b"listener", b"a", b"b").open(frames[0])


def named(data: bytes) -> str | None:
    message = parse_message(data)
    assert isinstance(message, Request | Response)
    return edge_of(message)


def response(branch: str) -> bytes:
    return (
        stray()
        .replace(b"BYE sip:201@192.0.2.1 SIP/2.0", b"SIP/2.0 200 OK")
        .replace(b"z9hG4bK1", branch.encode())
    )


@pytest.mark.parametrize(
    ("data", "edge"),
    [
        (stray(), "2"),
        (stray(to="<sip:201@x>;tag=9f-2"), None),
        (stray(to="<sip:201@x>;tag=e7"), None),
        (stray("INVITE sip:201@x SIP/2.0", to="<sip:201@x>"), None),
        (stray("INVITE sip:201@192.0.2.1;edge=3 SIP/2.0", to="<sip:201@x>"), "3"),
        (stray("INVITE sip:201@x SIP/2.0", "<sip:201@x>", "Replaces: c;from-tag=a;to-tag=e2-9\r\n"), "2"),
        (response("z9hG4bK2-00ff"), "2"),
        (response("z9hG4bKabc"), None),
        (response("1"), None),
    ],
)
def test_messages_name_the_edge_that_they_belong_to(data: bytes, edge: str | None) -> None:
    assert named(data) == edge


async def test_what_follows_a_request_without_dialog_goes_where_that_went(edges: Edges) -> None:
    one = (await edges.pair())[0]
    invite = stray("INVITE sip:201@x SIP/2.0", "<sip:201@x>", "Replaces: c;from-tag=a;to-tag=e2-9\r\n")
    one.pass_on("2", parse_message(invite), invite, WS)
    for data in (
        stray("CANCEL sip:201@x SIP/2.0", "<sip:201@x>"),
        stray("ACK sip:201@x SIP/2.0", "<sip:201@x>;tag=f0"),
    ):
        assert one.owner(parse_message(data)) == "2"
    bad = stray("INVITE sip:201@x SIP/2.0", "<sip:201@x>", "Replaces: ;;;\r\n").replace(
        b"Call-ID: 1", b"Call-ID: 9"
    )
    assert one.owner(parse_message(bad)) is None


def test_a_house_with_one_edge_knows_no_others() -> None:
    fleet = Fleet("1", redis_url="redis://127.0.0.1:1/0", secret=SECRET, address="127.0.0.1:0")
    assert not fleet.others and fleet.owner(parse_message(stray())) is None
    assert not fleet.holds(WS) and not fleet.send(WS.seen_at("2"), b"x")
