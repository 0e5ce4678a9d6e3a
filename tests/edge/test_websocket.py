"""SIP over WebSocket (RFC 7118) against the real server, with a real client."""

import asyncio
import re
import struct
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.edge.conftest import running_valkey
from tests.edge.process import PROXY, EdgeProcess, closed
from tests.edge.responder import options

REQUEST = options(via="WSS").decode()


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared() -> AsyncIterator[EdgeProcess]:
    with running_valkey() as valkey:
        process = await EdgeProcess(valkey.directory, valkey.url).start()
        yield process
        await process.kill()


@pytest_asyncio.fixture(loop_scope="module")
async def edge(shared: EdgeProcess) -> EdgeProcess:
    """The process of this file, with nothing said yet."""
    shared.lines.clear()
    return shared


@pytest_asyncio.fixture(loop_scope="module")
async def impatient() -> AsyncIterator[EdgeProcess]:
    """A process that cuts after one second what others cut after ten."""
    with running_valkey() as valkey:
        process = await EdgeProcess(valkey.directory, valkey.url, limits={"idle_s": 1.0}).start()
        yield process
        await process.kill()


async def ask(connection: ClientConnection, request: str | bytes = REQUEST) -> str:
    await connection.send(request)
    async with asyncio.timeout(5):
        reply = await connection.recv()
    assert isinstance(reply, str)
    return reply


async def test_answers_over_the_connection(edge: EdgeProcess) -> None:
    async with edge.websocket() as connection:
        assert connection.subprotocol == "sip"
        reply = await ask(connection)
        assert reply.startswith("SIP/2.0 200 OK\r\n")
        assert re.search(r"X-Flow: wss-\w+-\d+ wss 198\.51\.100\.7:0 192\.0\.2\.1:0\r\n", reply)
        assert (await ask(connection, REQUEST.encode())).startswith("SIP/2.0 200")  # a binary frame
    async with edge.websocket(headers={}) as connection:
        assert re.search(r"X-Flow: ws-\w+-\d+ ws 127\.0\.0\.1:0 127\.0\.0\.1:0\r\n", await ask(connection))


async def test_a_reply_that_is_not_utf8_comes_in_a_binary_frame(edge: EdgeProcess) -> None:
    async with edge.websocket() as connection:
        await connection.send(options("1", via="WSS").replace(b"tag=a", b"tag=\xff"))
        async with asyncio.timeout(5):
            reply = await connection.recv()
        assert isinstance(reply, bytes) and b"tag=\xff" in reply


async def test_a_ping_is_answered(edge: EdgeProcess) -> None:
    async with edge.websocket() as connection:
        assert await ask(connection, "\r\n\r\n") == "\r\n"
        await connection.send("\r\n")
        assert (await ask(connection)).startswith("SIP/2.0 200")


async def test_many_messages_at_once(edge: EdgeProcess) -> None:
    async with edge.websocket() as connection:
        for number in range(500):
            await connection.send(options(str(number), via="WSS").decode())
        for number in range(500):
            assert f"Call-ID: {number}\r\n" in str(await connection.recv())


@pytest.mark.parametrize("origin", [None, "https://phone.example", "https://partner.example"])
async def test_accepts_our_page_listed_pages_and_native_phones(edge: EdgeProcess, origin: str | None) -> None:
    async with edge.websocket(origin=origin) as connection:
        assert (await ask(connection)).startswith("SIP/2.0 200")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"origin": "https://evil.example"}, "foreign-origin"),
        ({"origin": "null"}, "foreign-origin"),
        ({"origin": "http://phone.example"}, "foreign-origin"),
        ({"subprotocols": None}, "no-sip-subprotocol"),
        ({"subprotocols": ["chat"]}, "no-sip-subprotocol"),
        ({"path": "/events"}, "unknown-path"),
        ({"headers": {"X-Forwarded-For": "nobody"}}, "unreadable-forwarded-for"),
    ],
)
async def test_refuses_in_one_line(edge: EdgeProcess, options: dict, reason: str) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        async with edge.websocket(**options):
            pass
    assert refusal.value.response.status_code == 403
    await edge.line(f"refused reason={reason}")
    async with edge.websocket() as connection:  # by now a second line would be there
        await ask(connection)
    assert len(edge.about("refused")) == 1
    assert "Traceback" not in "\n".join(edge.lines)


async def test_a_message_over_64_kib_is_closed_with_1009(edge: EdgeProcess) -> None:
    for octets in (64 * 1024 + 1, 1024 * 1024):
        async with edge.websocket() as connection:
            await ask(connection)
            with pytest.raises(ConnectionClosed):
                await connection.send("x" * octets)
                await connection.recv()
            assert await closed(connection) == 1009
    assert len(edge.about("refused reason=message-too-big transport=wss remote=198.51.100.7:0")) == 2
    assert len(edge.about("refused")) == 2


async def test_fragments_over_64_kib_together_too(edge: EdgeProcess) -> None:
    async with edge.websocket() as connection:
        with pytest.raises(ConnectionClosed):
            await connection.send(["x" * 40_000, "x" * 40_000])
            await connection.recv()
        assert await closed(connection) == 1009


async def test_64_kib_are_accepted(edge: EdgeProcess) -> None:
    async with edge.websocket() as connection:
        room = 64 * 1024 - len(options(via="WSS", body=b"x" * 60_000)) + 60_000
        reply = await ask(connection, options(via="WSS", body=b"x" * room).decode())
        assert reply.startswith("SIP/2.0 200")


async def test_what_is_silent_or_unfinished_is_cut(impatient: EdgeProcess) -> None:
    edge = impatient
    async with edge.websocket() as silent, edge.websocket() as pinging, edge.websocket() as unfinished:
        assert await ask(pinging, "\r\n\r\n") == "\r\n"
        await ask(unfinished)
        # The head of a text frame of 100 octets with FIN, its mask, and one octet of it.
        unfinished.transport.write(struct.pack("!BB", 0x81, 0x80 | 100) + b"\x00" * 4 + b"x")
        assert await closed(silent) == 1008
        assert await closed(unfinished) == 1006
        assert (await ask(pinging)).startswith("SIP/2.0 200")
    assert len(edge.about("refused reason=silent")) == 1
    assert len(edge.about("refused reason=unfinished")) == 1


async def test_100_connections_an_address(edge: EdgeProcess) -> None:
    many = {**PROXY, "X-Forwarded-For": "203.0.113.1"}
    connections = await asyncio.gather(*(edge.websocket(headers=many) for _ in range(100)))
    with pytest.raises(InvalidStatus):
        await edge.websocket(headers=many)
    assert len(edge.about("refused reason=too-many-connections")) == 1
    async with edge.websocket(headers={**PROXY, "X-Forwarded-For": "203.0.113.2"}) as other:
        await ask(other)
    await connections.pop().close()
    async with asyncio.timeout(5):
        while True:
            try:
                async with edge.websocket(headers=many) as again:
                    assert (await ask(again)).startswith("SIP/2.0 200")
                    break
            except InvalidStatus:
                continue  # our close was not seen yet
    await asyncio.gather(*(connection.close() for connection in connections))


async def test_a_peer_that_does_not_read_is_cut(edge: EdgeProcess) -> None:
    async with edge.websocket(max_queue=1) as connection:
        connection.transport.pause_reading()
        await connection.send(options(via="WSS", extra="X-Octets: 60000\r\nX-Times: 200\r\n").decode())
        await edge.line("refused reason=slow-reader")
        connection.transport.resume_reading()
        assert await closed(connection) == 1006
    assert len(edge.about("refused")) == 1


async def test_text_that_is_not_utf8_is_closed_with_1007(edge: EdgeProcess) -> None:
    async with edge.websocket() as connection:
        connection.transport.write(b"\x81\x82\x00\x00\x00\x00\xff\xfe")
        assert await closed(connection) == 1007
    assert len(edge.about("refused reason=not-utf8")) == 1


async def test_a_handshake_that_is_none_is_refused_in_one_line(edge: EdgeProcess) -> None:
    reader, writer = await asyncio.open_unix_connection(edge.socket)
    writer.write(b"GET /sip HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
    async with asyncio.timeout(5):
        assert (await reader.read()).startswith(b"HTTP/1.1 400")
    await edge.line("refused reason=websocket-handshake")
    assert len(edge.about("refused")) == 1
