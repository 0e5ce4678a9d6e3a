"""SIP over TCP through real sockets: framing, keep-alive, and what gets a connection cut."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.edge.conftest import Lines, Station, until
from tests.edge.responder import options
from ucplatform.edge.limits import Limits
from ucplatform.edge.transports import ListenConfig, Transports
from ucplatform.sip.flow import Flow

TCP = ListenConfig(tcp=[("127.0.0.1", 0), ("::1", 0)])
QUICK = Limits(idle_s=0.3)
REQUEST = options(via="TCP")


@asynccontextmanager
async def connect(
    address: tuple[str, int],
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(*address)
    try:
        yield reader, writer
    finally:
        writer.close()


async def answer(reader: asyncio.StreamReader) -> bytes:
    """The head of the next message."""
    async with asyncio.timeout(5):
        return await reader.readuntil(b"\r\n\r\n")


async def ended(reader: asyncio.StreamReader) -> bytes:
    """What comes before the end of the connection, however it ends."""
    data = b""
    async with asyncio.timeout(10):
        try:
            while more := await reader.read(65536):
                data += more
        except ConnectionError:
            pass
    return data


async def lost(edge: Station) -> tuple[Flow, str]:
    async with asyncio.timeout(10):
        return await edge.responder.lost.get()


@pytest.mark.parametrize("index", [0, 1])
async def test_answers_over_the_connection(station, index: int) -> None:
    edge: Station = await station(TCP)
    async with connect(edge.address("tcp", index)) as (reader, writer):
        writer.write(REQUEST)
        head = await answer(reader)
        flow = edge.responder.flows[0]
        assert head.startswith(b"SIP/2.0 200 OK\r\n") and flow.id.startswith("tcp-")
        assert flow.local == edge.address("tcp", index)
        assert flow.remote == writer.get_extra_info("sockname")[:2]
    flow_lost, reason = await lost(edge)
    assert flow_lost == flow and reason == "closed" and not edge.transports.is_open(flow)


async def test_messages_come_in_any_pieces(station) -> None:
    edge: Station = await station(TCP)
    async with connect(edge.address("tcp")) as (reader, writer):
        for octet in REQUEST:
            writer.write(bytes([octet]))
            await writer.drain()
        writer.write(REQUEST * 20)
        for _ in range(21):
            assert (await answer(reader)).startswith(b"SIP/2.0 200")
    assert edge.responder.heard.qsize() == 21


async def test_a_ping_is_answered(station) -> None:
    edge: Station = await station(TCP)
    async with connect(edge.address("tcp")) as (reader, writer):
        writer.write(b"\r\n\r\n")
        async with asyncio.timeout(5):
            assert await reader.readexactly(2) == b"\r\n"
    assert edge.responder.heard.empty()


async def test_a_silent_connection_is_cut(station, lines: Lines) -> None:
    edge: Station = await station(TCP, QUICK)
    async with connect(edge.address("tcp")) as (reader, _):
        assert await ended(reader) == b""
    assert (await lost(edge))[1] == "silent"
    assert len(lines.about("reason=silent")) == 1


async def test_an_unfinished_message_is_cut_however_slowly_it_grows(station, lines: Lines) -> None:
    edge: Station = await station(TCP, QUICK)
    async with connect(edge.address("tcp")) as (reader, writer):
        writer.write(REQUEST)
        await answer(reader)
        gone = asyncio.ensure_future(ended(reader))
        while not gone.done():
            writer.write(b"X")
            await asyncio.wait([gone], timeout=0.05)
    assert (await lost(edge))[1] == "unfinished"
    assert len(lines.about("reason=unfinished")) == 1


@pytest.mark.parametrize("first", [REQUEST, b"\r\n\r\n"])
async def test_who_has_spoken_may_be_silent(station, first: bytes) -> None:
    edge: Station = await station(TCP, QUICK)
    async with connect(edge.address("tcp")) as (reader, writer), connect(edge.address("tcp")) as (other, _):
        writer.write(first)
        await reader.readuntil(b"\r\n")
        await ended(other)  # a silent one that came later is gone by now
        writer.write(REQUEST)
        while not (await answer(reader)).startswith(b"SIP/2.0 200"):
            pass


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (options(via="TCP", length=False), b"400"),
        (options(via="TCP", length=False).replace(b"\r\n\r\n", b"\r\nContent-Length: 70000\r\n\r\n"), b"513"),
        (options(via="TCP", extra=f"X: {'x' * 9000}\r\n"), b""),
        (b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", b""),
        (b"\x16\x03\x01" + b"\x00" * 9000, b""),
    ],
)
async def test_a_stream_beyond_repair_is_closed_with_one_line(
    station, lines: Lines, data: bytes, status: bytes
) -> None:
    edge: Station = await station(TCP)
    async with connect(edge.address("tcp")) as (reader, writer):
        writer.write(data)
        reply = await ended(reader)
    assert reply.startswith(b"SIP/2.0 " + status) if status else b" 200 " not in reply
    assert (await lost(edge))[1] == "malformed"
    assert len(lines.about("refused")) == 1 and len(lines.about("reason=malformed-stream")) == 1


async def test_what_came_before_the_fault_is_answered(station, lines: Lines) -> None:
    edge: Station = await station(TCP)
    async with connect(edge.address("tcp")) as (reader, writer):
        writer.write(REQUEST + b"nonsense\r\n\r\n")
        assert (await ended(reader)).startswith(b"SIP/2.0 200")
    assert len(lines.about("malformed-stream")) == 1


async def test_100_connections_an_address(station, lines: Lines) -> None:
    edge: Station = await station(TCP)
    connections = [await asyncio.open_connection(*edge.address("tcp")) for _ in range(100)]
    async with connect(edge.address("tcp")) as (reader, _):
        assert await ended(reader) == b""
    async with connect(edge.address("tcp", 1)) as (reader, writer):  # another address
        writer.write(REQUEST)
        await answer(reader)
    assert len(lines.about("reason=too-many-connections")) == 1
    connections.pop()[1].close()
    await lost(edge)
    await until(lambda: edge.transports.admission.count("127.0.0.1") == 99)
    async with connect(edge.address("tcp")) as (reader, writer):
        writer.write(REQUEST)
        assert (await answer(reader)).startswith(b"SIP/2.0 200")
    for _, writer in connections:
        writer.close()
    await until(lambda: edge.transports.admission.count("127.0.0.1") == 0)


async def test_a_trusted_proxy_may_have_more(station) -> None:
    edge: Station = await station(TCP, Limits(connections_per_address=2), trusted=("127.0.0.0/8",))
    connections = [await asyncio.open_connection(*edge.address("tcp")) for _ in range(10)]
    for reader, writer in connections:
        writer.write(REQUEST)
        assert (await answer(reader)).startswith(b"SIP/2.0 200")
        writer.close()


async def test_a_peer_that_does_not_read_is_cut(station, lines: Lines) -> None:
    edge: Station = await station(TCP)
    host, port = edge.address("tcp")
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(sock, (host, port))
    ask = options(via="TCP", extra="X-Octets: 60000\r\nX-Times: 200\r\n")
    await loop.sock_sendall(sock, ask)
    assert (await lost(edge))[1] == "slow"
    assert len(lines.about("reason=slow-reader")) == 1
    sock.close()


async def test_closing_a_flow_sends_what_is_queued(station) -> None:
    edge: Station = await station(TCP)
    async with connect(edge.address("tcp")) as (reader, writer):
        writer.write(options(via="TCP", extra="X-Octets: 60000\r\n"))
        _, flow = await edge.responder.heard.get()
        edge.transports.close_flow(flow.id, "signed out")
        assert not edge.transports.send(flow, REQUEST)
        assert (await ended(reader)).endswith(b"x" * 60000)
    assert await lost(edge) == (flow, "signed out")


def with_via(sent_by: str, alias: str = ";alias") -> bytes:
    return REQUEST.replace(b"client.invalid;", f"{sent_by}{alias};".encode())


async def test_a_connection_that_its_peer_offers_is_used_for_requests_to_it(station) -> None:
    """RFC 5923: `alias` in the Via, and the address in it is the peer's own."""
    edge: Station = await station(TCP)
    async with connect(edge.address("tcp")) as (reader, writer):
        writer.write(with_via("127.0.0.1:5099"))
        await answer(reader)
        flow = await edge.transports.connect("tcp", ("127.0.0.1", 5099))
        assert flow == edge.responder.flows[0] and edge.transports.send(flow, REQUEST)
        assert (await answer(reader)).startswith(b"OPTIONS")
    await lost(edge)
    with pytest.raises(OSError):  # it is gone, and nobody listens there
        await edge.transports.connect("tcp", ("127.0.0.1", 5099))


@pytest.mark.parametrize(
    "first",
    [
        with_via("127.0.0.1:5099", alias=""),
        with_via("127.0.0.2:5099"),
        with_via("phone.test:5099"),
        b"\r\n\r\n",
    ],
)
async def test_nobody_gets_the_requests_for_another_address(station, first: bytes) -> None:
    edge: Station = await station(TCP)
    async with connect(edge.address("tcp")) as (reader, writer):
        writer.write(first + REQUEST)
        await reader.readuntil(b"SIP/2.0 200")
        for host in ("127.0.0.1", "127.0.0.2"):
            with pytest.raises(OSError):
                await edge.transports.connect("tcp", (host, 5099))


async def test_only_the_first_message_of_a_connection_can_offer_it(station) -> None:
    edge: Station = await station(TCP)
    async with connect(edge.address("tcp")) as (reader, writer):
        for n in range(3):
            writer.write(with_via(f"127.0.0.1:{5090 + n}"))
            await answer(reader)
        assert len(edge.transports._aliases) == 1
    await lost(edge)
    assert not edge.transports._aliases and not edge.transports._alias_of


async def test_two_connections_may_offer_the_same_address(station) -> None:
    """Whichever ends first, the end of both is told."""
    edge: Station = await station(TCP)
    async with connect(edge.address("tcp")) as first, connect(edge.address("tcp")) as second:
        for reader, writer in (first, second):
            writer.write(with_via("127.0.0.1:5099"))
            await answer(reader)
        second[1].close()
        ended_first, _ = await lost(edge)
        first[1].close()
        ended_last, _ = await lost(edge)
    assert (ended_last, ended_first) == tuple(edge.responder.flows)
    assert not edge.transports._aliases and not edge.transports._alias_of


async def test_connects_once_to_each_remote(station) -> None:
    edge: Station = await station(TCP)
    other: Station = await station(TCP)
    remote = other.address("tcp")
    flows = await asyncio.gather(*(edge.transports.connect("tcp", remote) for _ in range(5)))
    assert len({flow.id for flow in flows}) == 1
    flow = flows[0]
    # What stands in Via and Contact must be a place that answers: our listener, not the port we left from.
    assert flow.remote == remote and flow.local == edge.address("tcp")
    assert edge.transports.send(flow, REQUEST)
    assert (await edge.responder.heard.get())[0].startswith(b"SIP/2.0 200 OK")
    edge.transports.close_flow(flow.id, "done")
    await lost(edge)
    again = await edge.transports.connect("tcp", remote)
    assert again.id != flow.id and edge.transports.is_open(again)


async def test_a_connection_we_opened_may_be_silent(station) -> None:
    edge: Station = await station(TCP, QUICK)
    other: Station = await station(ListenConfig(tcp=[("127.0.0.1", 0)]))
    flow = await edge.transports.connect("tcp", other.address("tcp"))
    async with connect(edge.address("tcp")) as (reader, _):
        await ended(reader)
    assert edge.transports.is_open(flow)


async def test_a_connection_that_cannot_be_made_is_an_error(station) -> None:
    edge: Station = await station(TCP, Limits(connect_s=0.2))
    with pytest.raises(OSError):
        await edge.transports.connect("tcp", ("127.0.0.1", 1))
    with pytest.raises(OSError):
        await edge.transports.connect("tcp", ("127.0.0.1", 1))  # and is tried anew
    silent = socket.socket()
    silent.bind(("127.0.0.1", 0))
    silent.listen(0)
    fillers = [socket.socket() for _ in range(3)]
    for filler in fillers:  # its queue is full: further SYNs are not answered
        filler.setblocking(False)
        filler.connect_ex(silent.getsockname())
    with pytest.raises(TimeoutError):
        await edge.transports.connect("tcp", silent.getsockname())
    for sock in [silent, *fillers]:
        sock.close()


async def test_a_taken_port_is_named_and_nothing_stays_open(station) -> None:
    edge: Station = await station(TCP)
    host, port = edge.address("tcp")
    with pytest.raises(OSError, match=f"tcp {host}:{port}"):
        await station(ListenConfig(udp=[("127.0.0.1", port)], tcp=[(host, port)]))
    await station(ListenConfig(udp=[("127.0.0.1", port)]))


async def test_closing_ends_every_connection_and_calls_nothing_back(station) -> None:
    edge: Station = await station(TCP)
    async with connect(edge.address("tcp")) as (reader, writer):
        writer.write(REQUEST)
        await answer(reader)
        address = edge.address("tcp")
        await edge.transports.close()
        assert await ended(reader) == b""
    with pytest.raises(OSError):
        await asyncio.open_connection(*address)
    assert edge.responder.lost.empty()


def test_flow_ids_are_not_used_again_by_a_later_life():
    def transports() -> Transports:
        return Transports(on_data=lambda data, flow: None, on_flow_lost=lambda flow, reason: None)

    assert transports().new_id("ws") != transports().new_id("ws")
