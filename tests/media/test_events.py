"""The event stream: each event once, in order, over broken connections and restarts."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.media.server import NgServer
from tests.media.test_client import until
from ucplatform.media import Event, MediaClient


class Listener:
    """A client that keeps the events it was given."""

    def __init__(self, address: str) -> None:
        self.events: list[Event] = []
        self.client = MediaClient([address], subscriber="edge-7")

    async def start(self) -> None:
        await self.client.start()
        await self.client.subscribe(self.events.append)

    def seen(self) -> list[object]:
        return [event.get("seq", event["event"]) for event in self.events]


@pytest.fixture
async def server() -> AsyncIterator[NgServer]:
    server = NgServer()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def listener(server: NgServer) -> AsyncIterator[Listener]:
    listener = Listener(f"127.0.0.1:{server.port}")
    await listener.start()
    await until(lambda: len(server.subscriptions) == 1)
    yield listener
    await listener.client.close()


async def test_events_arrive_with_their_engine(server: NgServer, listener: Listener):
    server.emit(event="dtmf", code="5", tag="leg-1")
    await until(lambda: len(listener.events) == 1)
    assert listener.events == [
        {"event": "dtmf", "seq": 1, "code": "5", "tag": "leg-1", "engine": f"127.0.0.1:{server.port}"}
    ]
    assert server.subscriptions[0]["subscriber"] == "edge-7" and server.subscriptions[0]["since"] == 0


async def test_a_broken_stream_goes_on_where_it_stopped(server: NgServer, listener: Listener):
    server.emit(event="a")
    server.emit(event="b")
    await until(lambda: listener.seen() == [1, 2])
    server.break_streams()
    server.emit(event="c")  # while nobody listens
    await until(lambda: listener.seen() == [1, 2, 3])
    assert server.subscriptions[-1]["since"] == 2
    server.emit(event="d")
    await until(lambda: listener.seen() == [1, 2, 3, 4])


async def test_events_replayed_twice_are_handed_on_once(server: NgServer, listener: Listener):
    server.emit(event="a")
    await until(lambda: listener.seen() == [1])
    server.events.append(server.events[0])
    server.break_streams()
    server.emit(event="b")
    await until(lambda: len(server.subscriptions) == 2)
    await until(lambda: listener.seen()[-1] == 3)
    assert listener.seen() == [1, 3]


async def test_a_restarted_engine_is_told_apart(server: NgServer, listener: Listener):
    for name in ("a", "b", "c"):
        server.emit(event=name)
    await until(lambda: listener.seen() == [1, 2, 3])
    server.instance = "two"
    server.events.clear()
    server.break_streams()
    server.emit(event="x")  # sequence 1 again: must not be taken for a known event
    await until(lambda: listener.seen() == [1, 2, 3, "engine-restarted", 1])
    assert [message["since"] for message in server.subscriptions] == [0, 3, 0]


async def test_a_callback_that_fails_costs_one_event(server: NgServer):
    seen: list[object] = []

    def callback(event: Event) -> None:
        seen.append(event["seq"])
        if event["seq"] == 1:
            raise ValueError("a mistake of ours")

    client = MediaClient([f"127.0.0.1:{server.port}"])
    await client.start()
    await client.subscribe(callback)
    await until(lambda: len(server.subscriptions) == 1)
    server.emit(event="a")
    server.emit(event="b")
    await until(lambda: seen == [1, 2])
    await client.close()


async def test_garbage_on_the_stream_makes_it_anew(server: NgServer, listener: Listener):
    for writer in server._writers:
        writer.write(b"no bencode at all")
    await until(lambda: len(server.subscriptions) == 2)
    server.emit(event="a")
    await until(lambda: listener.seen() == [1])


async def test_an_engine_without_events_is_left_in_peace(server: NgServer):
    server.replies["subscribe"] = lambda _: {"result": "error", "error-reason": "Unrecognized command"}
    listener = Listener(f"127.0.0.1:{server.port}")
    await listener.start()
    await until(lambda: len(server.subscriptions) == 1)
    before = asyncio.get_running_loop().time()
    while asyncio.get_running_loop().time() - before < 1.0:  # an ordinary back-off would try three times
        await listener.client.ping(f"127.0.0.1:{server.port}")
    assert len(server.subscriptions) == 1
    await listener.client.close()
