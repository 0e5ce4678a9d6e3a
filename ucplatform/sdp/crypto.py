"""The value of a=crypto: a stream's SRTP key in the description itself (RFC 4568)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from ucplatform.sdp.errors import SdpError
from ucplatform.sdp.line import number
from ucplatform.sdp.media import Media

#: suite → octets of its master key and salt (RFC 4568 6.2, RFC 6188 4, RFC 7714 14.2)
SUITES: Mapping[str, int] = MappingProxyType(
    {
        "AES_CM_128_HMAC_SHA1_80": 30,
        "AES_CM_128_HMAC_SHA1_32": 30,
        "AES_256_CM_HMAC_SHA1_80": 46,
        "AES_256_CM_HMAC_SHA1_32": 46,
        "AEAD_AES_128_GCM": 28,
        "AEAD_AES_256_GCM": 44,
    }
)
PROTOCOLS = frozenset({"RTP/SAVP", "RTP/SAVPF"})
"""The transport protocols of media whose keys stand in the description."""

MOST = 32  # lines of one part that are looked at
_INLINE = "inline:"


@dataclass(frozen=True, slots=True)
class Crypto:
    """`key` is master key and salt. `life` is the part behind it as written ('2^31', '' for none); a master
    key identifier is not taken (section 6.1 ties it to several keys). `parameters`: session parameters as
    written."""

    tag: int
    suite: str
    key: bytes = field(repr=False)
    life: str = ""
    parameters: tuple[str, ...] = ()

    @classmethod
    def parse(cls, value: str) -> Crypto:
        """SdpError for another method than `inline`, for more than one key, for a key that does not fit its
        suite, and for a suite that nobody knows."""
        words = value.split()
        if len(words) < 3:
            raise SdpError("crypto wants a tag, a suite and a key")
        tag, suite, keys = number(words[0], 999_999_999, "crypto tag"), words[1], words[2]
        if suite not in SUITES:
            raise SdpError("crypto suite is not known")
        if not keys.lower().startswith(_INLINE) or ";" in keys:
            raise SdpError("crypto wants one key, inline")
        encoded, *rest = keys[len(_INLINE) :].split("|")
        if len(rest) > 1 or any(":" in part for part in rest):
            raise SdpError("crypto with a master key identifier")
        return cls(tag, suite, _key(encoded, SUITES[suite]), rest[0] if rest else "", tuple(words[3:]))

    def __str__(self) -> str:
        key = base64.b64encode(self.key).decode()
        life = f"|{self.life}" if self.life else ""
        return " ".join([str(self.tag), self.suite, f"{_INLINE}{key}{life}", *self.parameters])

    @property
    def plain(self) -> bool:
        """Whether nothing in it changes what SRTP does; a hint for the replay window does not (6.3.7)."""
        return all(parameter.upper().startswith("WSH=") for parameter in self.parameters)


def _key(encoded: str, size: int) -> bytes:
    """Base64, whose padding some leave out."""
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise SdpError("crypto key is not Base64") from None
    if len(key) != size:
        raise SdpError("crypto key does not fit its suite")
    return key


def cryptos_of(media: Media) -> list[Crypto]:
    """The keys of this part that can be used, in its own order; what cannot be read or would change SRTP is
    passed over (RFC 4568 5.1.2 and 6.3)."""
    found = []
    for value in media.all("crypto")[:MOST]:
        try:
            crypto = Crypto.parse(value)
        except SdpError:
            continue
        if crypto.plain:
            found.append(crypto)
    return found
