"""A certificate of our own making, for a SIP TLS listener to which the operator has given none."""

import datetime
import fcntl
import ipaddress
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


def own_certificate(directory: Path, names: Iterable[str]) -> tuple[Path, Path]:
    """Paths of certificate and key in `directory`; made when missing, unreadable, no pair, or about to end.
    Several edges may ask at once: one makes it for all.

    `names` are the DNS names and addresses it is for. RSA, because some desk phones know nothing newer.
    """
    directory = make_directory(directory)
    certificate, key = directory / "sip-cert.pem", directory / "sip-key.pem"
    with (directory / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _lasts(certificate, key):
            pem, secret = make_certificate(list(names))
            write_atomically(key, secret)
            write_atomically(certificate, pem)
            log.info("tls-certificate-made", file=certificate)
    return certificate, key


def _lasts(certificate: Path, key: Path) -> bool:
    try:
        parsed = x509.load_pem_x509_certificate(certificate.read_bytes())
        secret = serialization.load_pem_private_key(key.read_bytes(), None)
    except (OSError, ValueError, TypeError):
        return False
    soon = datetime.datetime.now(datetime.UTC) + RENEW_BEFORE
    return parsed.public_key() == secret.public_key() and parsed.not_valid_after_utc > soon


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
