"""The client against a real server on real sockets: order, retransmission, choice, refusals."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from tests.media.server import Message, NgServer
from tests.ports import own_block
from ucplatform.media import EngineError, EngineTimeout, MediaClient


@pytest.fixture
async def server() -> AsyncIterator[NgServer]:
    server = NgServer()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def client(server: NgServer) -> AsyncIterator[MediaClient]:
    client = MediaClient([f"127.0.0.1:{server.port}"])
    await client.start()
    yield client
    await client.close()


async def test_a_request_and_its_reply(server: NgServer, client: MediaClient):
    server.replies["offer"] = lambda message: {"result": "ok", "sdp": str(message["sdp"]) + "!"}
    reply = await client.request("c-1", {"command": "offer", "sdp": "v=0", "from-tag": "a"})
    assert reply["sdp"] == "v=0!"
    assert server.received[-1][1] == {"command": "offer", "sdp": "v=0", "from-tag": "a", "call-id": "c-1"}


async def test_lost_datagrams_are_sent_again_under_the_same_cookie(server: NgServer, client: MediaClient):
    server.drop = 2
    await client.request("c-1", {"command": "offer"})
    cookies = [cookie for cookie, message in server.received if message["command"] == "offer"]
    assert len(cookies) == 3 and len(set(cookies)) == 1


async def test_a_silent_engine_is_given_up_after_three_seconds(server: NgServer, client: MediaClient):
    server.drop = 100
    start = time.monotonic()
    with pytest.raises(EngineTimeout):
        await client.request("c-1", {"command": "offer"})
    assert 2.9 < time.monotonic() - start < 6
    assert server.commands() == ["offer"] * 4
    assert client.engine_of("c-1") is None


async def test_a_refusal_carries_the_engines_reason(server: NgServer, client: MediaClient):
    server.replies["offer"] = lambda _: {"result": "error", "error-reason": "no free media ports"}
    with pytest.raises(EngineError, match="no free media ports") as caught:
        await client.request("c-1", {"command": "offer"})
    assert caught.value.reason == "no free media ports" and not isinstance(caught.value, EngineTimeout)


async def test_requests_of_one_call_wait_for_each_other(server: NgServer, client: MediaClient):
    server.hold = asyncio.Event()
    verbs = ["offer", "answer", "query", "delete"]
    one = [asyncio.create_task(client.request("c-1", {"command": verb})) for verb in verbs]
    other = asyncio.create_task(client.request("c-2", {"command": "list"}))
    # Another call does not wait: both first requests are at the server before any reply.
    await until(lambda: len(server.commands()) >= 2)
    assert sorted(server.commands()) == ["list", "offer"]
    server.hold.set()
    await asyncio.gather(*one, other)
    assert [verb for verb in server.commands() if verb != "list"] == verbs


async def test_who_gives_up_waiting_takes_nothing_out_of_the_queue(server: NgServer, client: MediaClient):
    server.hold = asyncio.Event()
    first = asyncio.create_task(client.request("c-1", {"command": "offer"}))
    second = asyncio.create_task(client.request("c-1", {"command": "answer"}))
    third = asyncio.create_task(client.request("c-1", {"command": "delete"}))
    await until(lambda: server.commands() == ["offer"])
    second.cancel()
    first.cancel()
    server.hold.set()
    assert (await third)["result"] == "ok"
    assert server.commands() == ["offer", "answer", "delete"]


async def test_a_large_reply(server: NgServer, client: MediaClient):
    legs: Message = {f"leg-{number}": {"packets": number} for number in range(500)}
    server.replies["query"] = lambda _: {"result": "ok", "legs": legs}
    assert (await client.request("c-1", {"command": "query"}))["legs"] == legs


async def test_noise_on_the_socket_is_ignored(server: NgServer, client: MediaClient):
    server.noise = [b"", b"noise", b"\xff\xfe \x00", b"another_1 d6:result2:oke"]
    for _ in range(3):
        assert (await client.request("c-1", {"command": "offer"}))["result"] == "ok"


async def test_a_reply_that_is_no_ng_is_the_engines_fault(server: NgServer, client: MediaClient):
    server.replies["offer"] = lambda message: {"result": "ok"}
    cookie = f"{client._prefix}_{client._serial + 1}"
    server.noise = [f"{cookie} not bencode".encode()]
    with pytest.raises(EngineError, match="answered no NG"):
        await client.request("c-1", {"command": "offer"})


async def test_a_call_stays_where_it_is_and_new_calls_spread():
    servers = [NgServer(), NgServer()]
    addresses = [await server.start() for server in servers]
    client = MediaClient(addresses)
    await client.start()
    for number in range(40):
        await client.request(f"c-{number}", {"command": "offer"})
        await client.request(f"c-{number}", {"command": "answer"})
    for server in servers:
        calls = [str(message["call-id"]) for _, message in server.received if message["command"] != "ping"]
        assert 8 <= len(set(calls)) <= 32
        assert all(calls.count(call) == 2 for call in calls)
    # Without ports an engine gets no new call, and keeps those it has.
    on_first = next(f"c-{number}" for number in range(40) if client.engine_of(f"c-{number}") == addresses[0])
    servers[0].replies["ping"] = lambda _: {"result": "pong", "relay": "test", "ports": {"free": 0}}
    await until(lambda: client.states()[addresses[0]]["free_ports"] == 0)
    for number in range(100, 120):
        await client.request(f"c-{number}", {"command": "offer"})
        assert client.engine_of(f"c-{number}") == addresses[1]
    await client.request(on_first, {"command": "query"})
    assert servers[0].received[-1][1]["call-id"] == on_first
    await client.request(on_first, {"command": "delete"})
    assert client.engine_of(on_first) is None
    client.pin("c-restored", addresses[0])
    await client.request("c-restored", {"command": "query"})
    assert client.engine_of("c-restored") == addresses[0]
    await client.close()
    for server in servers:
        await server.stop()


async def test_a_new_call_goes_to_the_engine_with_the_fewest():
    servers = [NgServer(), NgServer()]
    first, second = [await server.start() for server in servers]
    client = MediaClient([first, second])
    await client.start()
    for number in range(9):
        await client.request(f"c-{number}", {"command": "offer"})
    places = [client.engine_of(f"c-{number}") for number in range(9)]
    assert sorted((places.count(first), places.count(second))) == [4, 5]
    for number in range(9):
        if places[number] == first:
            await client.request(f"c-{number}", {"command": "delete"})
    for number in range(100, 104):
        await client.request(f"c-{number}", {"command": "offer"})
        assert client.engine_of(f"c-{number}") == first
    # One that answers no more gets none, however few it has.
    await servers[0].stop()
    await until(lambda: client.states()[first]["alive"] is False, seconds=10)
    for number in range(200, 206):
        await client.request(f"c-{number}", {"command": "offer"})
        assert client.engine_of(f"c-{number}") == second
    await client.close()
    await servers[1].stop()


async def test_own_verbs_go_to_an_engine_that_speaks_them():
    relay, own = NgServer(), NgServer()
    relay.replies["ping"] = lambda _: {"result": "pong"}
    client = MediaClient([await relay.start(), await own.start()])
    await client.start()
    for number in range(10):
        await client.request(f"c-{number}", {"command": "terminate"})
    assert relay.commands() == [] and len(own.commands()) == 10
    lonely = MediaClient([f"127.0.0.1:{relay.port}"])
    await lonely.start()
    with pytest.raises(EngineError, match="no engine speaks terminate"):
        await lonely.request("c-1", {"command": "terminate"})
    await client.close()
    await lonely.close()
    await relay.stop()
    await own.stop()


async def test_an_engine_that_comes_back_is_found():
    port = own_block().take()
    client = MediaClient([f"127.0.0.1:{port}"])
    await client.start()
    assert client.states()[f"127.0.0.1:{port}"]["alive"] is False
    server = NgServer()
    await server.start(port)
    await until(lambda: client.states()[f"127.0.0.1:{port}"]["alive"] is True, seconds=10)
    assert (await client.request("c-1", {"command": "offer"}))["result"] == "ok"
    await client.close()
    await server.stop()


async def test_who_asks_is_told_later_and_nobody_after_closing(server: NgServer):
    client = MediaClient([f"127.0.0.1:{server.port}"])
    await client.start()
    told: list[object] = []
    client.ask("c-1", {"command": "offer"}, told.append)
    assert told == []
    await client.drain(5)
    assert told == [{"result": "ok"}]
    server.hold = asyncio.Event()
    client.ask("c-1", {"command": "answer"}, told.append)
    client.ask("c-1", {"command": "delete"}, told.append)
    await until(lambda: server.commands() == ["offer", "answer"])
    await client.drain(0.05)
    await client.close()
    server.hold.set()
    await server.stop()
    assert len(told) == 1


async def test_a_fault_of_who_asks_leaves_the_queue_whole(server: NgServer, client: MediaClient):
    def broken(outcome: object) -> None:
        raise ValueError("broken")

    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    client.ask("c-1", {"command": "offer"}, broken)
    assert (await client.request("c-1", {"command": "answer"}))["result"] == "ok"


async def until(condition, seconds: float = 5.0) -> None:
    """Wait for a condition, looking every 20 ms; TimeoutError at the deadline."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


async def test_an_engine_with_many_unanswered_questions_is_behind(server: NgServer, client: MediaClient):
    server.hold = asyncio.Event()
    asked = [asyncio.ensure_future(client.request(f"c-{n}", {"command": "offer"})) for n in range(60)]
    await asyncio.sleep(0)
    assert client.behind() == 0.0
    asked += [asyncio.ensure_future(client.request(f"d-{n}", {"command": "offer"})) for n in range(60)]
    async with asyncio.timeout(5):
        while client.behind() < 0.05:
            await asyncio.sleep(0.01)
    server.hold.set()
    await asyncio.gather(*asked)
    assert client.behind() == 0.0
