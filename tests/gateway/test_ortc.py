"""The private names of aiortc and aioice that gateway/ortc.py stands on. When one moves, this fails first."""

import asyncio
import inspect
import socket
from importlib.metadata import version

import pytest
from aioice.candidate import Candidate
from aioice.ice import CandidatePair, Connection, StunProtocol
from aioice.stun import Class, Message, Method, parse_message
from aiortc import RTCCertificate, RTCDtlsTransport, RTCIceGatherer, RTCIceTransport
from pylibsrtp import Session

from gateway.carrier import Address, Carrier, Port
from gateway.ortc import Dtls, Gatherer, IceConnection
from tests.gateway.carriers import Ice, MakeCarrier
from tests.ports import own_block


def test_versions_are_the_ones_that_were_read() -> None:
    assert (version("aiortc"), version("aioice"), version("pylibsrtp")) == ("1.16.0", "0.13.0", "1.0.0")


def parameters(function: object) -> list[str]:
    return list(inspect.signature(function).parameters)  # type: ignore[arg-type]


def test_signatures() -> None:
    assert parameters(Connection.get_component_candidates) == ["self", "component", "addresses", "timeout"]
    assert parameters(Connection.data_received) == ["self", "data", "component"]
    assert parameters(Connection.check_incoming) == ["self", "message", "addr", "protocol"]
    assert parameters(Connection.check_complete) == ["self", "pair"]
    assert parameters(StunProtocol.datagram_received) == ["self", "data", "addr"]
    assert parameters(RTCDtlsTransport._handle_rtp_data) == ["self", "data", "arrival_time_ms"]
    assert parameters(RTCDtlsTransport._handle_rtcp_data) == ["self", "data"]
    assert parameters(RTCDtlsTransport._set_role) == ["self", "role"]
    assert parameters(Session.protect) == parameters(Session.unprotect_rtcp) == ["self", "packet"]
    assert {"remote_addr", "local_candidate"} <= set(dir(CandidatePair))
    assert CandidatePair.State.SUCCEEDED


async def test_attributes(carrier: MakeCarrier) -> None:
    connection = IceConnection([], True, carrier(Ice()))
    assert isinstance(connection._queue, asyncio.Queue)
    assert connection._nominated == {} and connection._protocols == []
    gatherer = Gatherer(connection)
    ice = RTCIceTransport(gatherer)
    assert ice._connection is connection and ice.role == "controlling"
    dtls = Dtls(ice, [RTCCertificate.generateCertificate()])
    assert dtls._rx_srtp is None and dtls._tx_srtp is None and dtls._role == "auto"
    assert "_connection" in vars(RTCIceGatherer(iceServers=[]))
    assert "_nominated" in inspect.getsource(Connection.sendto)
    assert "self._rx_srtp" in inspect.getsource(RTCDtlsTransport._setup_srtp)
    assert "recv" in inspect.getsource(RTCIceTransport.__init__)
    await ice.stop()


async def test_a_check_without_priority_is_dropped(carrier: MakeCarrier) -> None:
    """aioice itself would raise KeyError, out of its own loop when the check came early."""
    connection = IceConnection([], False, carrier(Ice()))
    message = Message(Method.BINDING, Class.REQUEST)
    with pytest.raises(KeyError):
        protocol = StunProtocol(connection)
        protocol.local_candidate = Candidate("1", 1, "udp", 1, "127.0.0.1", 4000, "host")
        Connection.check_incoming(connection, message, ("127.0.0.1", 1), protocol)
    connection.check_incoming(message, ("127.0.0.1", 1), protocol)
    assert connection.drops.stun == 1


class Chosen:
    """Passes on what a connection tells its carrier, and remembers it."""

    def __init__(self, carried: Carrier) -> None:
        self._carried = carried
        self.chosen: asyncio.Queue[Address | None] = asyncio.Queue()
        self.admitted: set[Address] = set()

    def __getattr__(self, name: str) -> object:
        return getattr(self._carried, name)

    def admit(self, port: Port, address: Address) -> None:
        self.admitted.add(address)
        self._carried.admit(port, address)

    def peer(self, port: Port, address: Address | None, *, locked: bool) -> None:
        self.chosen.put_nowait(address)
        self._carried.peer(port, address, locked=locked)


class Foot:
    """One address of a controlling peer that speaks nothing but connectivity checks (RFC 8445)."""

    def __init__(self, connection: IceConnection, ours: tuple[str, int]) -> None:
        self.connection = connection
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(ours)
        self.socket.setblocking(False)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.socket.getsockname()
        return host, port

    def send(self, message: Message, key: str) -> None:
        message.add_message_integrity(key.encode())
        self.socket.send(bytes(message))

    def check(self, *, nominate: bool = False) -> None:
        request = Message(Method.BINDING, Class.REQUEST)
        request.attributes["USERNAME"] = f"{self.connection.local_username}:peer"
        request.attributes["PRIORITY"] = 1
        request.attributes["ICE-CONTROLLING"] = 1
        if nominate:
            request.attributes["USE-CANDIDATE"] = None
        self.send(request, self.connection.local_password)

    async def asked(self) -> Message:
        """The next check that comes in."""
        while True:
            message = parse_message(await asyncio.get_running_loop().sock_recv(self.socket, 2048))
            if message.message_class == Class.REQUEST:
                return message

    async def answer(self) -> None:
        transaction = (await self.asked()).transaction_id
        response = Message(Method.BINDING, Class.RESPONSE, transaction_id=transaction)
        response.attributes["XOR-MAPPED-ADDRESS"] = self.socket.getpeername()
        self.send(response, "secret-of-the-peer")


async def test_a_pair_whose_check_was_cut_short_can_still_be_chosen(carrier: MakeCarrier) -> None:
    """A peer may prefer another pair after the first is up, as Chromium does: its DTLS comes from there."""
    ours = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ours.bind(("127.0.0.1", own_block().take()))
    ice = Ice()
    carried = Chosen(carrier(ice))
    connection = ice.connection = IceConnection([ours], False, carried)
    await connection.gather_candidates()
    connection.remote_username, connection.remote_password = "peer", "secret-of-the-peer"
    first, second = (Foot(connection, ours.getsockname()) for _ in range(2))
    connecting = asyncio.create_task(connection.connect())
    async with asyncio.timeout(5):
        second.check()
        await second.asked()  # and gives no answer
        first.check(nominate=True)
        await first.answer()
        await connecting
        assert connection.selected is not None and connection.selected[1] == first.address
        second.check(nominate=True)
        await second.answer()
        while await carried.chosen.get() != second.address:
            pass
    assert connection.selected[1] == second.address
    assert second.address in carried.admitted
    await connection.close()
    carried.close()
    ours.close()
    for foot in (first, second):
        foot.socket.close()


async def test_packets_before_the_handshake_go_nowhere(carrier: MakeCarrier) -> None:
    """SRTP that comes before there are keys is thrown away, and nothing leaves in the clear."""
    ours = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    ours.bind(("127.0.0.1", own_block().take()))
    theirs = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    theirs.bind(("127.0.0.1", own_block().take()))
    ice = Ice()
    carried = carrier(ice)
    port = await carried.listen(ours)
    carried.admit(port, theirs.getsockname())
    carried.peer(port, theirs.getsockname(), locked=False)
    carried.out.append(0, 0, bytes(160), 0.0)
    carried.send_rtcp(bytes(20))
    theirs.sendto(b"\x80\x00" + bytes(20), ours.getsockname())
    theirs.sendto(
        b"\x14last", ours.getsockname()
    )  # looks like DTLS, so it comes up: what came before is over
    async with asyncio.timeout(5):
        assert await ice.raws.get() == b"\x14last"
    assert carried.thrown_away == 1 and carried.out.packets == 0
    with pytest.raises(BlockingIOError):
        theirs.recv(2048)
    await port.close()
    carried.close()
    ours.close()
    theirs.close()
