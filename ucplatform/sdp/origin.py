"""The values of the o= and c= lines (RFC 8866 sections 5.2 and 5.7)."""

from __future__ import annotations

from dataclasses import dataclass

from ucplatform.sdp.errors import SdpError
from ucplatform.sdp.line import number

_HUGE = 10**20


@dataclass(frozen=True, slots=True)
class Origin:
    """Who made the description; session_id and version tell one description from the next."""

    username: str
    session_id: int
    version: int
    nettype: str
    addrtype: str
    address: str

    @classmethod
    def parse(cls, value: str) -> Origin:
        """The value behind `o=`. Read from the right: there are phones with a blank in the user name."""
        parts = value.rstrip(" ").rsplit(" ", 5)
        if len(parts) != 6 or not all(parts):
            raise SdpError("o= wants six fields")
        username, session_id, version, nettype, addrtype, address = parts
        return cls(
            username,
            number(session_id, _HUGE, "session id"),
            number(version, _HUGE, "session version"),
            nettype,
            addrtype,
            address,
        )

    def __str__(self) -> str:
        return (
            f"{self.username} {self.session_id} {self.version} {self.nettype} {self.addrtype} {self.address}"
        )


@dataclass(frozen=True, slots=True)
class Connection:
    """Where media goes; `address` without the TTL or count of multicast, which stay in `suffix`."""

    nettype: str
    addrtype: str
    address: str
    suffix: str = ""

    @classmethod
    def parse(cls, value: str) -> Connection:
        """The value behind `c=`."""
        parts = value.split()
        if len(parts) != 3:
            raise SdpError("c= wants three fields")
        address, slash, rest = parts[2].partition("/")
        return cls(parts[0], parts[1], address, slash + rest)

    @classmethod
    def to(cls, address: str) -> Connection:
        """The value for a plain IPv4 or IPv6 address."""
        return cls("IN", "IP6" if ":" in address else "IP4", address)

    @property
    def is_null(self) -> bool:
        """True for the hold of RFC 2543: send to nowhere."""
        return self.address in ("0.0.0.0", "::")

    def __str__(self) -> str:
        return f"{self.nettype} {self.addrtype} {self.address}{self.suffix}"
