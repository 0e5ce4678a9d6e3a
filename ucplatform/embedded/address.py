"""Where a process listens: `host:port`, `[v6]:port` or `unix:/path`."""

import asyncio
import errno
import socket
from dataclasses import dataclass


class AddressError(Exception):
    """A setting does not name an address, or it cannot be had; `str()` is a sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Address:
    """`path` is set for a unix socket, else `host` and `port`."""

    host: str = ""
    port: int = 0
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> "Address":
        if text.startswith("unix:"):
            return cls(path="/" + text.removeprefix("unix:").lstrip("/"))
        host, colon, port = text.strip().rpartition(":")
        if not (colon and port.isascii() and port.isdecimal()) or not 0 < int(port) < 65536:
            raise AddressError(f"{text!r} is not host:port")
        return cls(host.strip("[]") or "0.0.0.0", int(port))

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def reachable(self) -> "Address":
        """The address to connect to: a listener on every address is reached by loopback."""
        loopback = {"0.0.0.0": "127.0.0.1", "::": "::1"}
        return Address(loopback.get(self.host, self.host), self.port, self.path)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self.path:
            return await asyncio.open_unix_connection(self.path)
        return await asyncio.open_connection(self.host, self.port)


@dataclass(frozen=True, slots=True)
class Port:
    """A port that a role will listen on. `kind` is udp or tcp, `variable` the setting that moves it."""

    variable: str
    kind: str
    address: Address

    def check(self, role: str) -> None:
        """Raise AddressError when the port cannot be bound now."""
        if self.address.path:
            return
        family = socket.AF_INET6 if ":" in self.address.host else socket.AF_INET
        kind = socket.SOCK_DGRAM if self.kind == "udp" else socket.SOCK_STREAM
        with socket.socket(family, kind) as trial:
            if self.kind == "tcp":  # as every server does: a connection in TIME_WAIT is no obstacle
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind((self.address.host, self.address.port))
                if self.kind == "tcp":
                    trial.listen(1)
            except OSError as error:
                raise AddressError(self._sentence(role, error)) from None

    def _sentence(self, role: str, error: OSError) -> str:
        where = f"{self.kind.upper()} port {self.address.port} on {self.address.host or '*'}"
        if error.errno == errno.EADDRINUSE:
            where += " is taken by another program"
        elif error.errno == errno.EACCES:
            where += " needs more rights than this user has"
        elif error.errno == errno.EADDRNOTAVAIL:
            where = f"{self.address.host} is no address of this machine ({where})"
        else:
            where += f" cannot be had: {error.strerror or error}"
        return (
            f"{where}. The role {role} needs it. Stop that program or set {self.variable} to another address."
        )
