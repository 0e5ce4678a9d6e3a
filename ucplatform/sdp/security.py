"""Values of the attributes that key a stream: fingerprint, setup, ICE credentials; and of a=rtcp."""

from __future__ import annotations

from dataclasses import dataclass

from ucplatform.sdp.errors import SdpError
from ucplatform.sdp.line import number
from ucplatform.sdp.media import Media

SETUPS = ("active", "passive", "actpass", "holdconn")
_HEX = frozenset("0123456789abcdefABCDEF")


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The value of a=fingerprint (RFC 8122 section 5): hash function in lower case, digest in upper case."""

    algorithm: str
    digest: str

    @classmethod
    def parse(cls, value: str) -> Fingerprint:
        """SdpError unless it is a hash name and pairs of hexadecimal digits with colons between."""
        words = value.split()
        if len(words) != 2:
            raise SdpError("fingerprint wants a hash and a digest")
        octets = words[1].split(":")
        if len(octets) > 64 or not all(len(octet) == 2 and _HEX.issuperset(octet) for octet in octets):
            raise SdpError("fingerprint is not pairs of hexadecimal digits")
        return cls(words[0].lower(), words[1].upper())

    def __str__(self) -> str:
        return f"{self.algorithm} {self.digest}"


@dataclass(frozen=True, slots=True)
class IceCredentials:
    """a=ice-ufrag and a=ice-pwd (RFC 8839 section 5.4)."""

    ufrag: str
    password: str


@dataclass(frozen=True, slots=True)
class RtcpAddress:
    """The value of a=rtcp (RFC 3605); `address` None means that of the media line."""

    port: int
    address: str | None = None

    @classmethod
    def parse(cls, value: str) -> RtcpAddress:
        """'9 IN IP4 0.0.0.0' or '53020'; SdpError otherwise."""
        words = value.split()
        if len(words) not in (1, 4):
            raise SdpError("rtcp wants a port, or a port and an address")
        return cls(number(words[0], 65535, "rtcp port"), words[3] if len(words) == 4 else None)

    def __str__(self) -> str:
        if self.address is None:
            return str(self.port)
        return f"{self.port} IN {'IP6' if ':' in self.address else 'IP4'} {self.address}"


def fingerprints_of(media: Media) -> list[Fingerprint]:
    """The fingerprints of this part: its own, else the session's; SdpError if one is malformed."""
    values = media.all("fingerprint") or (media.session.all("fingerprint") if media.session else [])
    return [Fingerprint.parse(value) for value in values]


def setup_of(media: Media) -> str | None:
    """The DTLS role asked for (RFC 4145), None when there is none or none we know."""
    value = media.inherited("setup")
    return value if value in SETUPS else None


def ice_of(media: Media) -> IceCredentials | None:
    """ICE credentials of this part or the session; None when this side does no ICE or they break RFC 8839."""
    ufrag, password = media.inherited("ice-ufrag"), media.inherited("ice-pwd")
    if ufrag is None or password is None:
        return None
    if not (4 <= len(ufrag) <= 256 and 22 <= len(password) <= 256):
        return None
    return IceCredentials(ufrag, password)
