"""Calls that were challenged and not heard of again: each is one line in the log.

A first INVITE without credentials is how every good call begins (RFC 3261 22.2), so the challenge itself
is no event. A caller that brings none within PATIENCE seconds has been refused.
"""

from __future__ import annotations

from collections import OrderedDict

from ucplatform.sip.commands import RequestReceived

PATIENCE = 5.0
#: Beyond this the oldest are told of at once: a flood must not fill memory.
LIMIT = 1024

Attempt = tuple[str, str]
"""Call-ID and the caller's tag."""


class Challenges:
    """Attempts by the time they were challenged; times are Unix seconds."""

    def __init__(self) -> None:
        self._open: OrderedDict[Attempt, tuple[float, RequestReceived]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    def asked(self, event: RequestReceived, now: float) -> None:
        """An INVITE was challenged; its retransmissions and repetitions are the same attempt."""
        self._open.setdefault(_attempt(event), (now, event))

    def answered(self, event: RequestReceived) -> None:
        """The attempt brought credentials, good or bad."""
        self._open.pop(_attempt(event), None)

    def overdue(self, now: float) -> list[RequestReceived]:
        """Take out the attempts that are over, oldest first."""
        found = []
        while self._open:
            attempt, (asked, event) = next(iter(self._open.items()))
            if asked + PATIENCE > now and len(self._open) <= LIMIT:
                break
            del self._open[attempt]
            found.append(event)
        return found


def _attempt(event: RequestReceived) -> Attempt:
    return event.request.call_id, event.request.from_tag or ""
