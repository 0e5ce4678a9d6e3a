"""The certificate of the SIP TLS listener: the operator's, or one made here on the first start."""

import datetime
import ipaddress
import os
import ssl
import time
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ucplatform.edge import log
from ucplatform.edge.segments import make_directory, write_atomically

YEARS = 10
RENEW_BEFORE = datetime.timedelta(days=30)
LOOK_EVERY = 5.0


def own_certificate(directory: Path, names: Iterable[str]) -> tuple[Path, Path]:
    """Paths of certificate and key in `directory`; made when missing, unreadable or about to end.

    `names` are the DNS names and addresses it is for. RSA, because some desk phones know nothing newer.
    """
    directory = make_directory(directory)
    certificate, key = directory / "sip-cert.pem", directory / "sip-key.pem"
    if not _lasts(certificate) or not key.exists():
        pem, secret = make_certificate(list(names))
        write_atomically(key, secret)
        write_atomically(certificate, pem)
        log.info("tls-certificate-made", file=certificate)
    return certificate, key


def _lasts(certificate: Path) -> bool:
    try:
        parsed = x509.load_pem_x509_certificate(certificate.read_bytes())
    except (OSError, ValueError):
        return False
    return parsed.not_valid_after_utc > datetime.datetime.now(datetime.UTC) + RENEW_BEFORE


def make_certificate(names: list[str]) -> tuple[bytes, bytes]:
    """A self-signed certificate for `names` (the first is its subject) and its key, both PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))  # phones without a clock are often a bit behind
        .not_valid_after(now + datetime.timedelta(days=365 * YEARS))
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), secret


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class ServerContext:
    """The TLS context for new handshakes; call it to get it.

    Looks at most every 5 s whether the files changed, so a renewed certificate needs no restart. OSError or
    ssl.SSLError from the constructor when the files are no good; later the old certificate stays in use then.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = (certificate, key)
        self._seen = self._stamp()
        self._context = self._load()
        self._next_look = time.monotonic() + LOOK_EVERY

    def __call__(self) -> ssl.SSLContext:
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + LOOK_EVERY
            self._look()
        return self._context

    def _look(self) -> None:
        try:
            stamp = self._stamp()
            if stamp != self._seen:
                self._context = self._load()
                self._seen = stamp
                log.info("tls-certificate-loaded", file=self._files[0])
        except (OSError, ssl.SSLError) as error:
            log.error("tls-certificate-unusable", file=self._files[0], error=error)

    def _stamp(self) -> tuple[float, ...]:
        return tuple(os.stat(file).st_mtime for file in self._files)

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(*self._files)
        return context
