"""SIP over UDP through real sockets."""

import asyncio
import socket

import pytest
from aioice import stun

from tests.edge.conftest import Station
from tests.edge.responder import options
from ucplatform.edge.limits import Limits
from ucplatform.edge.transports import ListenConfig
from ucplatform.edge.udp import udp_socket
from ucplatform.sip.flow import Flow, hostport

BOTH = ListenConfig(udp=[("127.0.0.1", 0), ("::1", 0)])


class Peer:
    """A UDP socket in the loop."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        self.sock.bind((host, 0))
        self.address = self.sock.getsockname()[:2]

    def send(self, data: bytes, to: tuple[str, int]) -> None:
        self.sock.sendto(data, to)

    async def receive(self) -> bytes:
        async with asyncio.timeout(5):
            return await asyncio.get_running_loop().sock_recv(self.sock, 65536)


@pytest.mark.parametrize(("index", "host"), [(0, "127.0.0.1"), (1, "::1")])
async def test_answers_on_the_flow_it_was_asked_by(station, index: int, host: str) -> None:
    edge: Station = await station(BOTH)
    peer = Peer(host)
    peer.send(options(), edge.address("udp", index))
    reply = await peer.receive()
    here, there = hostport(edge.address("udp", index)), hostport(peer.address)
    assert reply.startswith(b"SIP/2.0 200 OK\r\n")
    assert f"X-Flow: udp/{there}/{here} udp {there} {here}\r\n".encode() in reply


async def test_a_wildcard_listener_knows_which_address_faces_the_peer(station) -> None:
    edge: Station = await station(ListenConfig(udp=[("0.0.0.0", 0)]))
    peer = Peer()
    port = edge.address("udp")[1]
    peer.send(options(), ("127.0.0.1", port))
    await peer.receive()
    flow = edge.responder.flows[0]
    assert flow.local == ("127.0.0.1", port)
    assert flow == edge.transports.udp_flow(peer.address)


@pytest.mark.parametrize("bound", ["127.0.0.1", "0.0.0.0"])
async def test_behind_a_nat_peers_see_the_advertised_address(station, bound: str) -> None:
    edge: Station = await station(ListenConfig(udp=[(bound, 0)]), advertised={"127.0.0.1": "203.0.113.7"})
    peer = Peer()
    port = edge.address("udp")[1]
    peer.send(options(), ("127.0.0.1", port))
    assert f" {hostport(('203.0.113.7', port))}\r\n".encode() in await peer.receive()
    assert edge.transports.udp_flow(peer.address).local == ("203.0.113.7", port)


async def test_sends_first_through_the_listener_of_the_family(station) -> None:
    edge: Station = await station(BOTH)
    for index, host in enumerate(["127.0.0.1", "::1"]):
        peer = Peer(host)
        flow = edge.transports.udp_flow(peer.address)
        assert flow.local == edge.address("udp", index)
        assert edge.transports.send(flow, options())
        assert await peer.receive() == options()
        assert edge.transports.is_open(flow)


async def test_a_flow_of_an_earlier_life_is_good(station) -> None:
    """Registrations are read back with the flow they came by, perhaps from a port we no longer have."""
    edge: Station = await station(BOTH)
    peer = Peer()
    assert edge.transports.send(Flow.udp(("127.0.0.1", 9), peer.address), b"x" * 20)
    assert await peer.receive() == b"x" * 20


async def test_keep_alives_are_not_messages(station) -> None:
    edge: Station = await station(BOTH)
    peer = Peer()
    for data in (b"\r\n\r\n", b"\x00", b""):
        peer.send(data, edge.address("udp"))
    peer.send(options(), edge.address("udp"))
    await peer.receive()
    assert edge.responder.heard.qsize() == 1


@pytest.mark.parametrize(("index", "host"), [(0, "127.0.0.1"), (1, "::1")])
async def test_stun_keep_alives_are_answered_and_are_no_messages(station, index: int, host: str) -> None:
    """RFC 5626 3.5.2: the device learns whether its NAT still gives it the same address."""
    edge: Station = await station(BOTH)
    peer = Peer(host)
    request = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
    for data in (b"\x00" * 20, bytes(request)[:16], bytes(request)):
        peer.send(data, edge.address("udp", index))
    reply = stun.parse_message(await peer.receive())
    assert reply.transaction_id == request.transaction_id
    assert reply.attributes["XOR-MAPPED-ADDRESS"] == peer.address
    assert edge.responder.heard.empty()


async def test_a_large_datagram_arrives_whole(station) -> None:
    edge: Station = await station(BOTH)
    peer = Peer()
    data = options(body=b"b" * 60_000)
    peer.send(data, edge.address("udp"))
    await peer.receive()
    assert (await edge.responder.heard.get())[0] == data


async def test_a_burst_is_not_lost_while_the_loop_is_busy(station) -> None:
    """The receive buffer holds what comes while the loop does something else."""
    edge: Station = await station(BOTH)
    peer = Peer()
    for number in range(2000):
        peer.send(options(str(number)), edge.address("udp"))  # nothing is awaited: the loop stands still
    async with asyncio.timeout(10):
        for _ in range(2000):
            await edge.responder.heard.get()


def test_raises_the_receive_buffer() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
        usual = plain.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    with udp_socket(("127.0.0.1", 0), Limits()) as sock:
        # The kernel caps what an unprivileged process may have, and always doubles what it gives.
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) > usual


async def test_flows_are_bounded(station) -> None:
    edge: Station = await station(BOTH, Limits(udp_flows=8))
    for number in range(50):
        peer = Peer()
        peer.send(options(str(number)), edge.address("udp"))
        assert (await peer.receive()).startswith(b"SIP/2.0 200")
    assert all(len(listener._flows) <= 8 for listener in edge.transports._udp)


async def test_names_are_not_looked_up(station) -> None:
    edge: Station = await station(BOTH)
    with pytest.raises(ValueError):
        edge.transports.udp_flow(("localhost", 5060))


async def test_without_a_listener_of_the_family_there_is_no_flow(station) -> None:
    edge: Station = await station(ListenConfig(udp=[("127.0.0.1", 0)]))
    with pytest.raises(OSError):
        edge.transports.udp_flow(("::1", 5060))


async def test_a_taken_port_is_named(station) -> None:
    edge: Station = await station(BOTH)
    host, port = edge.address("udp")
    with pytest.raises(OSError, match=f"udp {host}:{port}"):
        await station(ListenConfig(udp=[(host, port)]))


async def test_a_fault_of_ours_is_a_line_and_no_more(station, lines) -> None:
    edge: Station = await station(BOTH)
    good, edge.transports._on_data = edge.transports._on_data, lambda data, flow: 1 // 0
    peer = Peer()
    peer.send(options(), edge.address("udp"))
    async with asyncio.timeout(5):
        while not lines.about("message-failed"):
            await asyncio.sleep(0)
    edge.transports._on_data = good
    peer.send(options(), edge.address("udp"))
    assert (await peer.receive()).startswith(b"SIP/2.0 200")


async def test_sends_nothing_after_close(station) -> None:
    edge: Station = await station(BOTH)
    flow = edge.transports.udp_flow(("127.0.0.1", 5060))
    await edge.transports.close()
    assert not edge.transports.send(flow, options())
