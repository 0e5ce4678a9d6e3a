"""GRUUs (RFC 5627): URIs of the house that lead to one device of an extension and to no other.

The public one names the device. A temporary one tells nobody whose it is; all there is to know of it is
written, sealed, in its user part, so no table of them is kept.
"""

from __future__ import annotations

import binascii
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple
from urllib.parse import quote

from ucplatform.sip.tokens import token
from ucplatform.sip.uri import Uri

PREFIX = "tgruu."
LONGEST = 200
"""Characters of a temporary one's user part; ours are far shorter."""

_SEAL, _SALT, _MARK = 12, 8, 8
# What a URI parameter may hold as it is, beside letters, digits and "_.-~" (RFC 3261 25.1, paramchar).
_PLAIN = ":[]/&+$!*'()"
# Characters of an instance that is worth remembering: a URN of a UUID has 47.
_SHORT = 128


class Gruu(NamedTuple):
    """What a GRUU says: the extension, and the device by its instance id or by its mark (the other is empty).
    One that we never gave has no number."""

    number: str
    instance: str = ""
    mark: bytes = b""


class Gruus:
    """Makes and reads them. `secret` is the house's own and outlasts restarts, as registrations do."""

    def __init__(self, domain: str, secret: bytes) -> None:
        self._domain = domain
        self._seal_key = blake2b(secret, person=b"uc gruu seal").digest()
        self._veil_key = blake2b(secret, person=b"uc gruu veil").digest()

    def public(self, number: str, instance: str) -> str:
        """The lasting one (section 3.1.1): the same after every registration of this device."""
        escaped = _escaped_short(instance) if len(instance) <= _SHORT else _escaped(instance)
        return f"sip:{number}@{self._domain};gr={escaped}"

    def temporary(self, number: str, instance: str, call_id: str) -> str:
        """One of many (section 3.1.2), good as long as the device registers with this Call-ID."""
        text = bytes.fromhex(token(_SALT)) + mark(instance, call_id) + number.encode()
        seal = self._seal(text)
        user = urlsafe_b64encode(seal + self._veiled(seal, text)).rstrip(b"=").decode()
        return f"sip:{PREFIX}{user}@{self._domain};gr"

    def read(self, uri: Uri) -> Gruu | None:
        """What `uri` says; None when it is no GRUU."""
        value = uri.param("gr") if uri.params else None
        if value is None:
            return None
        if value:
            return Gruu(uri.username, instance=value)
        user = uri.username
        return self._open(user[len(PREFIX) :]) if user.startswith(PREFIX) else Gruu("")

    def _open(self, user: str) -> Gruu:
        try:
            data = urlsafe_b64decode(user + "=" * (-len(user) % 4)) if len(user) <= LONGEST else b""
        except (ValueError, binascii.Error):
            return Gruu("")
        seal, text = data[:_SEAL], self._veiled(data[:_SEAL], data[_SEAL:])
        if not hmac.compare_digest(seal, self._seal(text)):
            return Gruu("")
        return Gruu(text[_SALT + _MARK :].decode(), mark=text[_SALT : _SALT + _MARK])

    def _seal(self, text: bytes) -> bytes:
        return blake2b(text, key=self._seal_key, digest_size=_SEAL).digest()

    def _veiled(self, seal: bytes, text: bytes) -> bytes:
        """`text` hidden, or shown again. Each has another seal, so no stretch of the veil is used twice."""
        veil = b""
        while len(veil) < len(text):
            veil += blake2b(seal, key=self._veil_key, salt=len(veil).to_bytes(2, "big")).digest()
        size = len(text)
        return (int.from_bytes(text, "big") ^ int.from_bytes(veil[:size], "big")).to_bytes(size, "big")


def mark(instance: str, call_id: str) -> bytes:
    """One device in one run of its registrations (section 4.2: a new Call-ID ends the temporary ones)."""
    return blake2b(f"{instance}\n{call_id}".encode("utf-8", "surrogateescape"), digest_size=_MARK).digest()


def same_instance(one: str, other: str) -> bool:
    """Instance ids with or without brackets; URNs are compared without regard to case (RFC 4122 3)."""
    return _bare(one).lower() == _bare(other).lower()


def _escaped(instance: str) -> str:
    return quote(_bare(instance), safe=_PLAIN, errors="surrogateescape")


# Remembered are only those as long as instances are: strangers' long ones may not fill the memory.
_escaped_short = lru_cache(maxsize=4096)(_escaped)


def _bare(instance: str) -> str:
    return instance.removeprefix("<").removesuffix(">")
