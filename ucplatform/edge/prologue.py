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
METHODS = frozenset({"INVITE", "ACK"})

Line = tuple[float, str, Flow, bytes]
"""Unix time, "in" or "out", flow, the message as on the wire."""


class Prologue:
    """The last ATTEMPTS attempts, by Call-ID and the caller's tag; a stranger can only push out other
    strangers."""

    def __init__(self) -> None:
        self._attempts: OrderedDict[tuple[str, str], list[Line]] = OrderedDict()

    def keep(self, message: Request | Response, line: Line) -> None:
        """Remember one message of an attempt; anything but INVITE and ACK is nobody's beginning."""
        method = message.method if isinstance(message, Request) else message.cseq.method
        if method not in METHODS:
            return
        key = (message.call_id, message.from_tag or "")
        lines = self._attempts.get(key)
        if lines is None:
            lines = self._attempts[key] = []
            if len(self._attempts) > ATTEMPTS:
                self._attempts.popitem(last=False)
        if len(lines) < MESSAGES:
            lines.append(line)

    def take(self, call_id: str, from_tag: str) -> list[Line]:
        """The messages of the attempt that has become a call, in order."""
        return self._attempts.pop((call_id, from_tag), [])
