"""The certificates of the SIP TLS listener: several names (SNI), changed without a restart, and those of
clients."""

import datetime
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from cryptography import x509

from ucplatform.edge import log

#: Seconds between two looks at the files; only a handshake or a question for health looks at all.
LOOK_EVERY = 1.0
#: Health speaks of a certificate that ends within so many days.
WARN_DAYS = 30
#: Names of a directory of certificates that are taken in.
MAX_NAMES = 1000

Stamp = tuple[tuple[int, int, int], ...]


class Files(NamedTuple):
    """PEM files: the chain, leaf first, and its key, which may be the same file."""

    certificate: Path
    key: Path

    def stamp(self) -> Stamp:
        """Another one after every change. OSError when a file is not there."""
        return tuple((s.st_mtime_ns, s.st_size, s.st_ino) for s in (file.stat() for file in set(self)))


class Chain:
    """One certificate, loaded again when its files have changed. Files that are no good change nothing: the
    former certificate stays in use, and one line says so."""

    def __init__(self, files: Files, prepare: Callable[[ssl.SSLContext], None]) -> None:
        """OSError or ssl.SSLError when the files are no good."""
        self._prepare = prepare
        self.files = files
        self._seen = files.stamp()
        self._load()

    def look(self) -> None:
        """Take up what has changed."""
        try:
            stamp = self.files.stamp()
            if stamp == self._seen:
                return
            self._seen = stamp
            self._load()
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            log.error("tls-certificate-unusable", file=self.files.certificate, error=error)
        else:
            log.info("tls-certificate-loaded", file=self.files.certificate, ends=self.ends.date())

    def _load(self) -> None:
        context = server_context()
        context.load_cert_chain(*self.files)
        self._prepare(context)
        leaf = x509.load_pem_x509_certificate(self.files.certificate.read_bytes())
        self.context, self.ends, self.names = context, leaf.not_valid_after_utc, dns_names(leaf)


def server_context() -> ssl.SSLContext:
    """TLS 1.2 and 1.3, as a server (RFC 8996 has buried what is older)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    return context


def dns_names(certificate: x509.Certificate) -> list[str]:
    """The DNS names that it is for, lower case, `*.` in front where it is for all names below."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [name.lower() for name in names.get_values_for_type(x509.DNSName)]


class ServerContext:
    """The TLS context for new handshakes; call it to get it.

    `directory`, where given, holds certificates for other server names (SNI): `<name>.pem` with chain and
    key, or `<name>/fullchain.pem` and `<name>/privkey.pem` as ACME clients leave them. `client_ca` is a file
    of authorities whose clients may show a certificate, or have to (`client_required`).

    OSError, ssl.SSLError or ValueError from the constructor when the files are no good; later the old ones
    stay in use.
    """

    def __init__(
        self,
        certificate: Path,
        key: Path,
        *,
        directory: Path | None = None,
        client_ca: Path | None = None,
        client_required: bool = False,
    ) -> None:
        if client_required and client_ca is None:
            raise ValueError("client certificates are required, but no authority for them is given")
        self._directory = directory
        self._client_ca = client_ca
        self._verify = ssl.CERT_REQUIRED if client_required else ssl.CERT_OPTIONAL
        self._ca_seen = self._ca_stamp()
        self._main = Chain(Files(certificate, key), self._prepare)
        self._others: dict[Files, Chain] = {}
        self._bad: dict[Files, Stamp] = {}
        self._by_name: dict[str, Chain] = {}
        self._next_look = 0.0
        self._look()

    def __call__(self) -> ssl.SSLContext:
        self._look()
        return self._main.context

    def warnings(self) -> list[str]:
        """A sentence for each certificate that ends within 30 days, or has ended."""
        self._look()
        now = datetime.datetime.now(datetime.UTC)
        found = []
        for chain in [self._main, *self._others.values()]:
            days = (chain.ends - now).total_seconds() / 86400
            if days < WARN_DAYS:
                end = f"ends in {days:.0f} days" if days >= 0 else f"ended on {chain.ends.date()}"
                found.append(f"TLS certificate {chain.files.certificate.name} {end}")
        return found

    def _prepare(self, context: ssl.SSLContext) -> None:
        if self._client_ca is not None:
            context.load_verify_locations(self._client_ca)
            context.verify_mode = self._verify
        context.sni_callback = self._choose

    def _choose(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        """The certificate of the name that the client asks for, ours where there is none (RFC 6066 3)."""
        if not name or not self._by_name:
            return
        name = name.lower().rstrip(".")
        chain = self._by_name.get(name) or self._by_name.get("*." + name.partition(".")[2])
        if chain is not None:
            connection.context = chain.context

    def _look(self) -> None:
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + LOOK_EVERY
        if self._client_ca is not None and (stamp := self._ca_stamp()) not in (self._ca_seen, ()):
            self._ca_seen = stamp
            self._renew_all()
        self._main.look()
        if self._directory is not None:
            self._look_at_directory(self._directory)

    def _ca_stamp(self) -> Stamp:
        try:
            return Files(self._client_ca, self._client_ca).stamp() if self._client_ca is not None else ()
        except OSError:
            return ()

    def _renew_all(self) -> None:
        """The authorities of clients have changed."""
        try:
            self._main = Chain(self._main.files, self._prepare)
            self._others.clear()
            log.info("tls-client-authorities-loaded", file=self._client_ca)
        except (OSError, ValueError) as error:
            log.error("tls-client-authorities-unusable", file=self._client_ca, error=error)

    def _look_at_directory(self, directory: Path) -> None:
        found = dict(_listed(directory))
        for files in self._others.keys() - found.keys():
            del self._others[files]
        for files in found:
            known = self._others.get(files)
            if known is not None:
                known.look()
            else:
                self._take_in(files)
        by_name: dict[str, Chain] = {}
        for chain in self._others.values():
            by_name |= {name: chain for name in chain.names if name not in by_name}
        # What the operator has called it stands above what it says of itself.
        self._by_name = by_name | {found[files]: chain for files, chain in self._others.items()}

    def _take_in(self, files: Files) -> None:
        """A certificate that is new; one that is no good is named once, and again when it has changed."""
        try:
            stamp = files.stamp()
            if self._bad.get(files) == stamp:
                return
            self._bad[files] = stamp
            self._others[files] = Chain(files, self._prepare)
            del self._bad[files]
        except (OSError, ValueError) as error:
            log.error("tls-certificate-unusable", file=files.certificate, error=error)


def _listed(directory: Path) -> Iterator[tuple[Files, str]]:
    """The certificates of a directory with their names, in order; nothing where it cannot be read."""
    try:
        entries = sorted(directory.iterdir())[:MAX_NAMES]
    except OSError:
        return
    for entry in entries:
        if entry.suffix == ".pem":
            yield Files(entry, entry), entry.stem.lower()
        elif (entry / "fullchain.pem").exists():
            yield Files(entry / "fullchain.pem", entry / "privkey.pem"), entry.name.lower()


def names_of(peer: dict | None) -> list[str]:
    """The names in a client's verified certificate, as `ssl` gives it: SIP URIs and DNS names (RFC 5922 7.1),
    else its common name."""
    if not peer:
        return []
    names = [value for kind, value in peer.get("subjectAltName", ()) if kind in ("DNS", "URI")]
    if not names:
        names = [value for rdn in peer.get("subject", ()) for kind, value in rdn if kind == "commonName"]
    return [name.removeprefix("sip:").lower() for name in names]
