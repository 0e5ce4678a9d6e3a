"""STUN Binding requests (RFC 8489), which devices send to the SIP port as keep-alive (RFC 5626 section
3.5.2).

The answer says where the request came from: so a device learns that its NAT has given it another address. It
is little larger than the request, so it amplifies nothing.
"""

from __future__ import annotations

import ipaddress
import struct

from ucplatform.sip.flow import Address

HEADER = 20
LONGEST = 548
COOKIE = 0x2112A442
REQUEST, SUCCESS, FAILURE = 0x0001, 0x0101, 0x0111
XOR_MAPPED_ADDRESS, ERROR_CODE, UNKNOWN_ATTRIBUTES = 0x0020, 0x0009, 0x000A
#: Attributes up to this one must be understood (section 14); of those a keep-alive may carry we know none.
MUST = 0x7FFF
#: Known, though nothing comes of them: MAPPED-ADDRESS, USERNAME, MESSAGE-INTEGRITY and the like.
KNOWN = frozenset({0x0001, 0x0006, 0x0008, 0x0014, 0x0015, 0x001C, 0x001E})
MAX_UNKNOWN = 8


def is_stun(data: bytes) -> bool:
    """Whether a datagram is STUN and cannot be SIP: two zero bits in front and the cookie (section 5)."""
    return len(data) >= HEADER and data[0] < 4 and data[4:8] == b"\x21\x12\xa4\x42"


def answer(data: bytes, remote: Address) -> bytes | None:
    """The answer to the Binding request in `data` from `remote`; None for what wants none."""
    kind, length = struct.unpack_from("!HH", data)
    if kind != REQUEST or length != len(data) - HEADER or length % 4 or len(data) > LONGEST:
        return None
    unknown = _unknown(data)
    if unknown is None:
        return None
    if unknown:
        code = struct.pack("!HHHBB", ERROR_CODE, 4, 0, 4, 20)
        named = struct.pack(f"!{len(unknown)}H", *unknown)
        padding = b"\0" * (-len(named) % 4)
        listed = struct.pack("!HH", UNKNOWN_ATTRIBUTES, len(named)) + named + padding
        return _message(FAILURE, data, code + listed)
    return _message(SUCCESS, data, _mapped(remote, data[4:HEADER]))


def _unknown(data: bytes) -> list[int] | None:
    """Attributes that must be understood and are not (section 6.3.1); None when they cannot be read."""
    found: list[int] = []
    at = HEADER
    while at < len(data):
        kind, length = struct.unpack_from("!HH", data, at)
        at += 4 + length + -length % 4
        if at > len(data):
            return None
        if kind <= MUST and kind not in KNOWN and len(found) < MAX_UNKNOWN:
            found.append(kind)
    return found


def _mapped(remote: Address, key: bytes) -> bytes:
    """XOR-MAPPED-ADDRESS (section 14.2); `key` is cookie and transaction id."""
    address = ipaddress.ip_address(remote[0].partition("%")[0]).packed
    hidden = bytes(a ^ b for a, b in zip(address, key, strict=False))
    family = 1 if len(address) == 4 else 2
    port = remote[1] ^ (COOKIE >> 16)
    return struct.pack("!HHBBH", XOR_MAPPED_ADDRESS, 4 + len(hidden), 0, family, port) + hidden


def _message(kind: int, request: bytes, attributes: bytes) -> bytes:
    return struct.pack("!HH", kind, len(attributes)) + request[4:HEADER] + attributes
