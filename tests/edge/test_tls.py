"""SIP over TLS: the certificate, handshakes that fail or never come, renewal without a restart."""

import asyncio
import socket
import ssl
from pathlib import Path

import pytest
from cryptography import x509

from tests.edge.conftest import Lines, Station, until
from tests.edge.responder import options
from tests.edge.test_stream import answer, ended
from ucplatform.edge import tls
from ucplatform.edge.limits import Limits
from ucplatform.edge.tls import ServerContext, own_certificate
from ucplatform.edge.transports import ListenConfig

REQUEST = options(via="TLS")


def listening(directory: Path) -> ListenConfig:
    files = own_certificate(directory, ["phone.local", "127.0.0.1"])
    return ListenConfig(tls=[("127.0.0.1", 0)], tls_context=ServerContext(*files))


def trusting(directory: Path) -> ssl.SSLContext:
    """A client that trusts our certificate and nothing else."""
    return ssl.create_default_context(cafile=str(directory / "sip-cert.pem"))


@pytest.mark.parametrize("name", ["phone.local", "127.0.0.1"])
async def test_answers_over_tls(station, tmp_path: Path, name: str) -> None:
    edge: Station = await station(listening(tmp_path))
    reader, writer = await asyncio.open_connection(
        *edge.address("tls"), ssl=trusting(tmp_path), server_hostname=name
    )
    writer.write(REQUEST)
    assert (await answer(reader)).startswith(b"SIP/2.0 200")
    flow = edge.responder.flows[0]
    assert flow.id.startswith("tls-") and flow.transport == "tls" and flow.secure
    assert flow.local == edge.address("tls") and flow.remote == writer.get_extra_info("sockname")
    writer.close()
    async with asyncio.timeout(5):
        assert (await edge.responder.lost.get())[0] == flow


async def test_the_certificate_is_made_once_and_kept_private(tmp_path: Path) -> None:
    certificate, key = own_certificate(tmp_path / "tls", ["phone.local", "192.0.2.1"])
    before = certificate.read_bytes()
    assert own_certificate(tmp_path / "tls", ["phone.local"]) == (certificate, key)
    assert certificate.read_bytes() == before
    assert key.stat().st_mode & 0o777 == 0o600
    names = x509.load_pem_x509_certificate(before).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert names.value.get_values_for_type(x509.DNSName) == ["phone.local"]
    assert [str(ip) for ip in names.value.get_values_for_type(x509.IPAddress)] == ["192.0.2.1"]


async def test_a_damaged_certificate_is_made_again(tmp_path: Path) -> None:
    certificate, _ = own_certificate(tmp_path, ["phone.local"])
    certificate.write_bytes(b"nonsense")
    ServerContext(*own_certificate(tmp_path, ["phone.local"]))


async def test_a_renewed_certificate_needs_no_restart(
    station, tmp_path: Path, monkeypatch, lines: Lines
) -> None:
    monkeypatch.setattr(tls, "LOOK_EVERY", 0.0)
    edge: Station = await station(listening(tmp_path))
    (tmp_path / "sip-cert.pem").unlink()
    own_certificate(tmp_path, ["phone.local"])
    _, writer = await asyncio.open_connection(
        *edge.address("tls"), ssl=trusting(tmp_path), server_hostname="phone.local"
    )
    writer.close()
    (tmp_path / "sip-cert.pem").write_text("nonsense")
    _, writer = await asyncio.open_connection(*edge.address("tls"), ssl=unchecked())
    writer.close()
    assert lines.about("tls-certificate-unusable")


def unchecked() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def test_a_failed_handshake_is_a_line_and_is_not_counted(station, tmp_path: Path, lines: Lines) -> None:
    edge: Station = await station(listening(tmp_path))
    with pytest.raises(ssl.SSLCertVerificationError):
        await asyncio.open_connection(*edge.address("tls"), ssl=ssl.create_default_context())
    reader, writer = await asyncio.open_connection(*edge.address("tls"))
    writer.write(REQUEST)  # no TLS at all
    await ended(reader)
    writer.close()
    await until(lambda: len(lines.about("handshake-failed")) == 2)
    assert edge.transports.admission.count("127.0.0.1") == 0


async def test_handshakes_that_never_come_count_and_are_cut(station, tmp_path: Path, lines: Lines) -> None:
    edge: Station = await station(listening(tmp_path), Limits(idle_s=0.5, connections_per_address=3))
    connections = [await asyncio.open_connection(*edge.address("tls")) for _ in range(4)]
    await asyncio.gather(*(ended(reader) for reader, _ in connections))
    assert len(lines.about("reason=too-many-connections")) == 1
    await until(lambda: len(lines.about("handshake-failed")) == 3)
    assert edge.transports.admission.count("127.0.0.1") == 0
    for _, writer in connections:
        writer.close()


async def test_a_peer_that_does_not_read_is_cut(station, tmp_path: Path, lines: Lines) -> None:
    edge: Station = await station(listening(tmp_path))
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(edge.address("tls"))
    sock.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=sock, ssl=unchecked(), server_hostname="", limit=1024)
    reader._transport.pause_reading()
    writer.write(options(via="TLS", extra="X-Octets: 60000\r\nX-Times: 200\r\n"))
    async with asyncio.timeout(10):
        assert (await edge.responder.lost.get())[1] == "slow"
    assert len(lines.about("reason=slow-reader")) == 1
    writer.close()


async def test_connects_out(station, tmp_path: Path, monkeypatch) -> None:
    edge: Station = await station(ListenConfig())
    other: Station = await station(listening(tmp_path))
    flow = await edge.transports.connect("tls", other.address("tls"))
    edge.transports.send(flow, REQUEST)
    async with asyncio.timeout(5):
        assert (await edge.responder.heard.get())[0].startswith(b"SIP/2.0 200")
    edge.transports.close_flow(flow.id, "done")
    async with asyncio.timeout(5):
        await edge.responder.lost.get()
    with pytest.raises(ssl.SSLError):  # a name asks for proof, which a certificate of its own making is not
        await edge.transports.connect("tls", other.address("tls"), "phone.local")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "sip-cert.pem"))
    assert await edge.transports.connect("tls", other.address("tls"), "phone.local")
