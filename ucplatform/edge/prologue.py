"""What was said before there was a call: the first INVITE, its 100, the challenge and its ACK.

A call is opened by an authenticated INVITE only, yet its ladder should begin at the beginning. So the
messages of an
INVITE that has no call yet are kept for a while, in a bounded memory, and given to the trace once the
call is there.
"""

from __future__ import annotations

from collections import OrderedDict

from ucplatform.sip.flow import Flow
from ucplatform.sip.message import Request, Response

ATTEMPTS = 512
MESSAGES = 12
#: Octets of all of them together: attempts are strangers' work, and a message may have 64 KiB.
OCTETS = 4 * 1024 * 1024
METHODS = frozenset({"INVITE", "ACK"})

Line = tuple[float, str, Flow, bytes]
"""Unix time, "in" or "out", flow, the message as on the wire."""


class Prologue:
    """The last ATTEMPTS attempts, by Call-ID and the caller's tag; a stranger can only push out other
    strangers."""

    def __init__(self) -> None:
        self._attempts: OrderedDict[tuple[str, str], list[Line]] = OrderedDict()
        self._octets = 0

    def keep(self, message: Request | Response, line: Line) -> None:
        """Remember one message of an attempt; anything but INVITE and ACK is nobody's beginning."""
        method = message.method if isinstance(message, Request) else message.cseq.method
        if method not in METHODS:
            return
        key = (message.call_id, message.from_tag or "")
        lines = self._attempts.get(key)
        if lines is None:
            lines = self._attempts[key] = []
        if len(lines) < MESSAGES:
            lines.append(line)
            self._octets += len(line[3])
        while len(self._attempts) > ATTEMPTS or self._octets > OCTETS:
            self._drop(self._attempts.popitem(last=False)[1])

    def _drop(self, lines: list[Line]) -> None:
        self._octets -= sum(len(data) for _, _, _, data in lines)

    def take(self, call_id: str, from_tag: str) -> list[Line]:
        """The messages of the attempt that has become a call, in order."""
        lines = self._attempts.pop((call_id, from_tag), [])
        self._drop(lines)
        return lines
