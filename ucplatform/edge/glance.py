"""A request as it can be seen without reading it: enough to send a newcomer away for a tenth of the price.

An overloaded edge sends away twice what it takes; reading those messages whole would cost more than it has.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ucplatform.sip.commands import Key
from ucplatform.sip.flow import Flow
from ucplatform.sip.message import MAX_HEADERS
from ucplatform.sip.transaction import MAGIC_COOKIE, SERVER

#: names as they are written, long and compact (RFC 3261 7.3.3), and the header they stand for
_NAMES = {
    **{name: b"Via" for name in (b"Via", b"via", b"VIA", b"v", b"V")},
    **{name: b"From" for name in (b"From", b"from", b"FROM", b"f", b"F")},
    **{name: b"To" for name in (b"To", b"to", b"TO", b"t", b"T")},
    **{name: b"Call-ID" for name in (b"Call-ID", b"Call-Id", b"call-id", b"CALL-ID", b"i", b"I")},
    **{name: b"CSeq" for name in (b"CSeq", b"Cseq", b"cseq", b"CSEQ")},
}
_VIA = re.compile(rb" *SIP/2\.0/[A-Z]+ ([a-z0-9.-]+)(?::([1-9][0-9]{0,4}))? *(?:;[^;,\"]*)+")
_BRANCH = re.compile(rb"; *branch=([^; ]+)")
_RPORT = re.compile(rb"; *rport *(?=;|$)")
_TAG = re.compile(rb"; *tag *=", re.IGNORECASE)
_RECEIVED = re.compile(rb"; *received *=", re.IGNORECASE)


class Glance(NamedTuple):
    """A request outside of any dialog. `key` names its server transaction; `back` are the header lines that
    its response repeats, the Via stamped and the To without tag."""

    key: Key
    credentials: bool
    replaces: bool
    back: tuple[bytes, ...]

    def answer(self, status: bytes, tag: bytes, *headers: bytes) -> bytes:
        """The whole response; `status` is "503 Service Unavailable", `tag` goes into the To."""
        lines = [line + b";tag=" + tag if line.startswith(b"To:") else line for line in self.back]
        return b"\r\n".join((b"SIP/2.0 " + status, *lines, *headers, b"Content-Length: 0", b"", b""))


def glance(data: bytes, flow: Flow) -> Glance | None:
    """None for what is in a dialog, and for what is written in an uncommon way: that must be read whole."""
    end = data.find(b"\r\n\r\n")
    if not 0 < end <= MAX_HEADERS:
        return None
    head = data[:end]
    if head.count(b"\n") != head.count(b"\r\n") or b"\r\n " in head or b"\r\n\t" in head:
        return None
    lines = head.split(b"\r\n")
    found: dict[bytes, bytes] = {}
    vias: list[bytes] = []
    credentials = replaces = False
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        header = _NAMES.get(name)
        if header is None:
            credentials = credentials or name.lower() in (b"authorization", b"proxy-authorization")
            replaces = replaces or name.lower() == b"replaces"
        elif header == b"Via":
            vias.append(value)
        elif header in found:
            return None
        else:
            found[header] = value
    if len(found) != 4 or not vias or _TAG.search(found[b"To"]) is not None:
        return None
    stamped = _stamp(vias[0], flow)
    if stamped is None:
        return None
    via, sent_by, branch = stamped
    key = (SERVER, branch.decode(), sent_by.decode(), lines[0].partition(b" ")[0].decode())
    back = [b"Via:" + value for value in (via, *vias[1:])]
    back += [header + b":" + value for header, value in found.items()]
    return Glance(key, credentials, replaces, tuple(back))


def _stamp(value: bytes, flow: Flow) -> tuple[bytes, bytes, bytes] | None:
    """The topmost Via as our response carries it (RFC 3261 18.2.1, RFC 3581), its sent-by as keys have it,
    its branch; None where the way back must be thought about."""
    match = _VIA.fullmatch(value)
    branch = _BRANCH.search(value)
    if match is None or branch is None or not branch[1].startswith(MAGIC_COOKIE.encode()):
        return None
    host, port = match[1], match[2] or b""
    if not branch[1].isascii() or _RECEIVED.search(value) is not None:
        return None
    source = flow.remote[0].encode()
    value, asked = _RPORT.subn(b";rport=%d" % flow.remote[1], value)
    if not asked and not flow.reliable and (host, int(port or 5060)) != (source, flow.remote[1]):
        return None
    if asked or host != source:
        value += b";received=" + source
    return value, host + b":" + port, branch[1]
