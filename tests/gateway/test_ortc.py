"""The private names of aiortc and aioice that gateway/ortc.py stands on. When one moves, this fails first."""

import asyncio
import inspect
from importlib.metadata import version

import pytest
from aioice.candidate import Candidate
from aioice.ice import CandidatePair, Connection, StunProtocol
from aioice.stun import Class, Message, Method
from aiortc import RTCCertificate, RTCDtlsTransport, RTCIceGatherer, RTCIceTransport
from pylibsrtp import Session

from gateway.ortc import Dtls, Gatherer, IceConnection, SecureTransport


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


async def test_attributes() -> None:
    connection = IceConnection([], controlling=True)
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


async def test_a_check_without_priority_is_dropped() -> None:
    """aioice itself would raise KeyError, out of its own loop when the check came early."""
    connection = IceConnection([], controlling=False)
    message = Message(Method.BINDING, Class.REQUEST)
    with pytest.raises(KeyError):
        protocol = StunProtocol(connection)
        protocol.local_candidate = Candidate("1", 1, "udp", 1, "127.0.0.1", 4000, "host")
        Connection.check_incoming(connection, message, ("127.0.0.1", 1), protocol)
    connection.check_incoming(message, ("127.0.0.1", 1), protocol)
    assert connection.drops.stun == 1


async def test_packets_before_the_handshake_go_nowhere() -> None:
    heard: list[bytes] = []
    secure = SecureTransport(
        [],
        RTCCertificate.generateCertificate(),
        controlling=True,
        on_rtp=heard.append,
        on_rtcp=heard.append,
        on_state=lambda part, state: None,
    )
    secure.send_rtp(bytes(20))
    secure.send_rtcp(bytes(20))
    secure._connection.on_srtp(b"\x80\x00" + bytes(20))
    assert not heard and not secure.ready and secure.drops.srtp == 1
    await secure.close()
