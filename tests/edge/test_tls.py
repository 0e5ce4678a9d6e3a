"""SIP over TLS: the certificate, handshakes that fail or never come, renewal without a restart."""

import asyncio
import contextlib
import datetime
import socket
import ssl
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.edge.conftest import Lines, Station, until
from tests.edge.responder import options
from tests.edge.test_stream import answer, ended
from ucplatform.edge import tls
from ucplatform.edge.limits import Limits
from ucplatform.edge.own_certificate import own_certificate
from ucplatform.edge.tls import ServerContext, names_of
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


async def test_a_key_that_does_not_fit_is_made_again(tmp_path: Path) -> None:
    """A power cut between the two files, or an operator who copied one of them."""
    _, key = own_certificate(tmp_path, ["phone.local"])
    _, other = own_certificate(tmp_path / "other", ["phone.local"])
    key.write_bytes(other.read_bytes())
    ServerContext(*own_certificate(tmp_path, ["phone.local"]))


async def test_edges_that_start_at_once_share_one_certificate(tmp_path: Path) -> None:
    """The first start of a house of several edges: whoever is second takes what the first has made."""
    script = (
        "import sys; from pathlib import Path; from ucplatform.edge.own_certificate import own_certificate;"
        "sys.stdin.readline(); files = own_certificate(Path(sys.argv[1]), ['phone.local']);"
        "print(*(file.read_text() for file in files))"
    )
    edges = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", script, str(tmp_path / "tls"), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(4)
    ]
    said = await asyncio.gather(*(edge.communicate(b"now\n") for edge in edges))
    assert [edge.returncode for edge in edges] == [0] * 4
    assert len({files for files, _ in said}) == 1
    ServerContext(tmp_path / "tls" / "sip-cert.pem", tmp_path / "tls" / "sip-key.pem")


@pytest.fixture
def always_look(monkeypatch) -> None:
    """Every handshake looks at the files, not the first of each second."""
    monkeypatch.setattr(tls, "LOOK_EVERY", 0.0)


async def shown(edge: Station, name: str | None = "phone.local") -> x509.Certificate:
    """The certificate that a client which asks for `name` is shown."""
    _, writer = await asyncio.open_connection(
        *edge.address("tls"), ssl=unchecked(), server_hostname=name or ""
    )
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return x509.load_der_x509_certificate(der)


async def test_a_renewed_certificate_needs_no_restart(
    station, tmp_path: Path, always_look, lines: Lines
) -> None:
    edge: Station = await station(listening(tmp_path))
    former = await shown(edge)
    (tmp_path / "sip-cert.pem").unlink()
    own_certificate(tmp_path, ["phone.local"])
    renewed = await shown(edge)
    assert renewed.serial_number != former.serial_number and lines.about("tls-certificate-loaded")
    for _ in range(3):
        (tmp_path / "sip-cert.pem").write_text("nonsense")
        assert await shown(edge) == renewed
    assert len(lines.about("tls-certificate-unusable")) == 3, "one line for each change, whoever looks"
    assert await shown(edge) == renewed
    assert len(lines.about("tls-certificate-unusable")) == 3


async def test_connections_that_are_up_outlast_a_renewal(station, tmp_path: Path, always_look) -> None:
    edge: Station = await station(listening(tmp_path))
    reader, writer = await asyncio.open_connection(*edge.address("tls"), ssl=unchecked())
    (tmp_path / "sip-cert.pem").unlink()
    own_certificate(tmp_path, ["phone.local"])
    await shown(edge)
    writer.write(REQUEST)
    assert (await answer(reader)).startswith(b"SIP/2.0 200")
    writer.close()


def put(file: Path, *names: str, key: Path | None = None, days: int = 90) -> None:
    """A certificate for `names` that ends in so many days, with its key in the same file or in another."""
    file.parent.mkdir(exist_ok=True, parents=True)
    secret = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, secret.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=90))
        .not_valid_after(now + datetime.timedelta(days=days, hours=6))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .sign(secret, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    text = secret.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    if key is not None:
        key.write_bytes(text)
        text = b""
    file.write_bytes(text + certificate.public_bytes(pem))


async def test_each_name_has_its_certificate(station, tmp_path: Path, always_look, lines: Lines) -> None:
    """SNI (RFC 6066 3): by the name of the file, by the names in it, and by a name for all below."""
    directory = tmp_path / "names"
    put(directory / "a.test.pem", "other.test")
    put(
        directory / "b.test" / "fullchain.pem", "b.test", "*.b.test", key=directory / "b.test" / "privkey.pem"
    )
    (directory / "broken.test.pem").write_text("nonsense")
    files = own_certificate(tmp_path, ["phone.local"])
    context = ServerContext(*files, directory=directory)
    edge: Station = await station(ListenConfig(tls=[("127.0.0.1", 0)], tls_context=context))

    async def subject(name: str | None) -> str:
        return (await shown(edge, name)).subject.rfc4514_string().removeprefix("CN=")

    assert [await subject(name) for name in ("a.test", "other.test", "A.Test")] == ["other.test"] * 3
    assert [await subject(name) for name in ("b.test", "x.b.test")] == ["b.test"] * 2
    for name in ("y.x.b.test", "broken.test", "phone.local", None):
        assert await subject(name) == "phone.local"
    assert len(lines.about("tls-certificate-unusable")) == 1
    put(directory / "c.test.pem", "c.test")
    (directory / "a.test.pem").unlink()
    assert [await subject(name) for name in ("c.test", "a.test")] == ["c.test", "phone.local"]


async def test_nothing_older_than_tls_1_2(station, tmp_path: Path) -> None:
    edge: Station = await station(listening(tmp_path))
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = unchecked()
        context.minimum_version = context.maximum_version = version
        _, writer = await asyncio.open_connection(*edge.address("tls"), ssl=context)
        assert writer.get_extra_info("ssl_object").version() == version.name.replace("_", ".")
        writer.close()
    old = unchecked()
    old.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(OSError):
        await asyncio.open_connection(*edge.address("tls"), ssl=old)


# -- certificates of clients -----------------------------------------------------------------------


async def asking(station, directory: Path, required: bool) -> Station:
    """An edge that knows the authority of clients `client.pem`."""
    put(directory / "client.pem", "proxy.test")
    files = own_certificate(directory / "own", ["phone.local"])
    context = ServerContext(*files, client_ca=directory / "client.pem", client_required=required)
    return await station(ListenConfig(tls=[("127.0.0.1", 0)], tls_context=context))


async def test_a_client_may_show_a_certificate(station, tmp_path: Path, lines: Lines) -> None:
    edge = await asking(station, tmp_path, required=False)
    for known in (False, True):
        context = unchecked()
        if known:
            context.load_cert_chain(tmp_path / "client.pem")
        reader, writer = await asyncio.open_connection(*edge.address("tls"), ssl=context)
        writer.write(REQUEST)
        assert (await answer(reader)).startswith(b"SIP/2.0 200")
        assert bool(lines.about("tls-client")) is known
        writer.close()
    assert "names=proxy.test" in lines.about("tls-client")[0]


async def test_a_client_may_have_to_show_a_certificate(station, tmp_path: Path, lines: Lines) -> None:
    edge = await asking(station, tmp_path, required=True)
    put(tmp_path / "stranger.pem", "proxy.test")
    stranger, known = unchecked(), unchecked()
    stranger.load_cert_chain(tmp_path / "stranger.pem")
    known.load_cert_chain(tmp_path / "client.pem")
    for context in (unchecked(), stranger):
        with contextlib.suppress(OSError):  # with TLS 1.3 the refusal comes behind the client's handshake
            reader, writer = await asyncio.open_connection(*edge.address("tls"), ssl=context)
            writer.write(REQUEST)
            assert await ended(reader) == b""
    await until(lambda: len(lines.about("handshake-failed")) == 2)
    assert edge.responder.heard.empty()
    reader, writer = await asyncio.open_connection(*edge.address("tls"), ssl=known)
    writer.write(REQUEST)
    assert (await answer(reader)).startswith(b"SIP/2.0 200")
    writer.close()


def test_to_require_certificates_needs_an_authority(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="authority"):
        ServerContext(*own_certificate(tmp_path, ["phone.local"]), client_required=True)


def test_the_names_of_a_client() -> None:
    san = (("DNS", "Proxy.test"), ("URI", "sip:example.com"), ("IP Address", "192.0.2.1"))
    assert names_of({"subjectAltName": san}) == ["proxy.test", "example.com"]
    assert names_of({"subject": ((("commonName", "old.test"),),)}) == ["old.test"] and names_of(None) == []


# -- the end of a certificate ----------------------------------------------------------------------


def test_an_end_is_told_30_days_ahead(tmp_path: Path, monkeypatch, always_look) -> None:
    context = ServerContext(*own_certificate(tmp_path, ["phone.local"]), directory=tmp_path / "names")
    assert context.warnings() == []
    for days, said in ((31, None), (12, "ends in 12 days"), (-2, "ended on")):
        put(tmp_path / "names" / "a.test.pem", "a.test", days=days)
        told = context.warnings()
        assert (len(told) == 1 and said in told[0] and "a.test.pem" in told[0]) if said else told == []


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
