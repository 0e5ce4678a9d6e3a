"""The NG server: encodings, transports, repeated cookies, events with replay, closed to strangers."""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable

import pytest

from gateway.events import EventLog
from gateway.gateway import Gateway
from gateway.server import NgServer
from tests.gateway.calls import phone_calls_phone
from tests.gateway.control import PHONE, Control, config
from tests.gateway.phone import Phone
from ucplatform import ng

Phones = Callable[..., Awaitable[Phone]]


class Raw(asyncio.DatagramProtocol):
    """Datagrams as they are."""

    def __init__(self) -> None:
        self.received: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.received.put_nowait(data)

    @classmethod
    async def open(cls, port: int) -> "Raw":
        raw = cls()
        loop = asyncio.get_running_loop()
        raw.transport, _ = await loop.create_datagram_endpoint(lambda: raw, remote_addr=("127.0.0.1", port))
        return raw

    async def ask(self, data: bytes) -> bytes:
        self.transport.sendto(data)
        return await asyncio.wait_for(self.received.get(), 5)


async def test_bencode_and_json(gateway: Gateway) -> None:
    raw = await Raw.open(gateway.port)
    assert (await raw.ask(b"one d7:command4:pinge")).startswith(b"one d6:result4:pong")
    reply = await raw.ask(b'two {"command": "ping"}')
    assert reply.startswith(b'two {"result":"pong"') and b'"relay":"native"' in reply
    assert ng.decode(await raw.ask(b"three d7:command4:listee"[:-1]))[1] == {"result": "ok", "calls": []}
    assert ng.decode(await raw.ask(b"four d7:command"))[1]["result"] == "error"
    assert ng.decode(await raw.ask(b"five le"))[1]["result"] == "error"
    raw.transport.close()


async def test_a_repeated_cookie_is_carried_out_once(gateway: Gateway, phones: Phones) -> None:
    raw, alice = await Raw.open(gateway.port), await phones()
    message = {
        "command": "offer",
        "call-id": "c1",
        "from-tag": "a",
        "to-tag": "b",
        "sdp": alice.description(),
    }
    request = ng.encode("once", message)
    for _ in range(3):  # repeated before the first is answered
        raw.transport.sendto(request)
    first = await asyncio.wait_for(raw.received.get(), 5)
    again = await raw.ask(request)
    assert again == first
    assert gateway.ports.free == gateway.ports.total - 4
    raw.transport.close()


async def test_garbage_is_survived(gateway: Gateway) -> None:
    raw = await Raw.open(gateway.port)
    for data in (
        b"",
        b"x",
        b" ",
        b"\xff" * 2000,
        b"d" * 500,
        b"c " + b"l" * 5000,
        b"c {" * 100,
        bytes(65000),
    ):
        raw.transport.sendto(data)
    while not (await raw.ask(b"last d7:command4:pinge")).startswith(b"last "):
        pass
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    reader, other = await asyncio.open_connection("127.0.0.1", gateway.port)
    other.write(b"c d7:command4:pinge")
    assert (await asyncio.wait_for(reader.readuntil(b"pong"), 5)).startswith(b"c d")
    for one in (writer, other):
        one.close()
    raw.transport.close()


async def test_requests_on_a_stream_are_answered_in_order(gateway: Gateway) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(b"".join(ng.encode(f"q{index}", {"command": "ping"}) for index in range(50)))
    framer, cookies = ng.StreamFramer(), []
    while len(cookies) < 50:
        cookies += [cookie for cookie, _ in framer.feed(await asyncio.wait_for(reader.read(4096), 5))]
    assert cookies == [f"q{index}" for index in range(50)]
    writer.close()


class Subscriber:
    """An edge's event stream."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self._framer = ng.StreamFramer()
        self._waiting: list[tuple[str, dict[str, ng.Value]]] = []

    @classmethod
    async def open(cls, gateway: Gateway, since: int, name: str = "1") -> "Subscriber":
        subscriber = cls(*await asyncio.open_connection("127.0.0.1", gateway.port))
        message = {"command": "subscribe", "subscriber": name, "since": since}
        subscriber.writer.write(ng.encode("sub", message))
        cookie, reply = await subscriber.next()
        assert (cookie, reply["result"]) == ("sub", "ok")
        assert reply["instance"] == gateway.events.instance
        return subscriber

    async def next(self) -> tuple[str, dict[str, ng.Value]]:
        while not self._waiting:
            self._waiting += self._framer.feed(await asyncio.wait_for(self.reader.read(65536), 5))
        return self._waiting.pop(0)

    async def until(self, kind: str) -> list[dict[str, ng.Value]]:
        found: list[dict[str, ng.Value]] = []
        while not found or found[-1]["event"] != kind:
            cookie, event = await self.next()
            assert cookie == "event"
            found.append(event)
        return found


async def test_events_are_told_and_replayed(gateway: Gateway, control: Control, phones: Phones) -> None:
    alice, bob = await phones(), await phones()
    await phone_calls_phone(control, alice, bob)
    live = await Subscriber.open(gateway, 0)
    alice.send(alice.sound[:160])
    told = await live.until("media-started")
    assert [event["event"] for event in told] == ["peer-learned", "media-started"]
    assert told[1]["call-id"] == "c1" and told[1]["tag"] == "a" and told[1]["codec"] == "PCMU/8000"
    first = told[0]["seq"]
    assert isinstance(first, int) and told[1]["seq"] == first + 1
    live.writer.close()
    bob.send(bob.sound[:160])
    await control.event("media-started", tag="b")
    later = await Subscriber.open(gateway, first)
    replayed = await later.until("peer-learned")
    assert [event["seq"] for event in replayed] == [first + 1, first + 2]
    later.writer.close()


async def test_calls_whose_edge_is_gone_end(phones: Phones) -> None:
    gateway = Gateway(config(owner_grace=0.3, report_interval=0.1))
    await gateway.start()
    control = await Control.open(gateway)
    gateway.events._subscribers[control._event] = "observer"
    gateway.events.unsubscribe(control._event)
    alice = await phones()
    edge = await Subscriber.open(gateway, 0)
    for call in ("c1", "c2"):
        await control.body("terminate", call, PHONE, from_tag="a", sdp=alice.description())
    edge.writer.close()
    gateway.events.subscribe(control._event, "observer", 0)
    # An edge that comes back in time keeps its calls; here it does not.
    ended = {(await control.event("closed", **{"call-id": call}))["reason"] for call in ("c1", "c2")}
    assert ended == {"owner gone"}
    await control.ask("ping")
    assert not gateway.commands.calls and gateway.ports.free == gateway.ports.total
    control.close()
    await gateway.close()


async def test_an_edge_that_comes_back_keeps_its_calls(phones: Phones) -> None:
    gateway = Gateway(config(owner_grace=0.5, report_interval=0.1))
    await gateway.start()
    edge = await Subscriber.open(gateway, 0)
    control = await Control.open(gateway)
    alice = await phones()
    gateway.events._subscribers.pop(control._event)
    await control.body("terminate", "c1", PHONE, from_tag="a", sdp=alice.description())
    edge.writer.close()
    again = await Subscriber.open(gateway, 0)
    alone = await Subscriber.open(gateway, 0, "2")
    loop = asyncio.get_running_loop()
    until = loop.time() + 0.8
    while loop.time() < until:
        assert (await control.ask("list"))["calls"] == ["c1"]
    for one in (again, alone):
        one.writer.close()
    control.close()
    await gateway.close()


async def test_silence_is_told_once(phones: Phones) -> None:
    gateway = Gateway(config(media_timeout=0.3, report_interval=0.1))
    await gateway.start()
    control = await Control.open(gateway)
    alice, bob = await phones(), await phones()
    await phone_calls_phone(control, alice, bob)
    alice.talk()
    assert (await control.event("media-timeout", tag="b"))["seconds"] < 1
    assert not [
        event for event in control.events if event["event"] == "media-timeout" and event["tag"] == "a"
    ]
    await alice.hush()
    await control.event("media-timeout", tag="a")
    control.close()
    await gateway.close()


async def test_only_loopback_and_listed_peers_are_heard() -> None:
    network = ipaddress.ip_network("192.0.2.0/24")
    gateway = Gateway(config())
    server = NgServer(gateway.commands, EventLog(), (network,))
    assert server.allows("127.0.0.1") and server.allows("::1") and server.allows("192.0.2.9")
    assert not server.allows("198.51.100.1") and not server.allows("2001:db8::1")


async def test_a_taken_port_is_an_error() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        gateway = Gateway(config(ng_port=other.getsockname()[1]))
        with pytest.raises(OSError):
            await gateway.start()
        await gateway.close()
