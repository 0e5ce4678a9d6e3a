"""Their errors and ours. Whoever reads from the network catches `ParseError`; `UsageError` is a bug of the
caller.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ucplatform.sip.message import Request


class SipError(Exception):
    """Everything this package raises."""


class ParseError(SipError):
    """The peer sent something that cannot be accepted.

    `status` is the SIP status to answer with, or None when the message is to be dropped in silence
    (responses, ACK, and whatever has no Via to answer by). `reason` is plain ASCII and fit for a log line or
    a reason phrase. `request` is what could be read of a refused request, for a stateless answer; its typed
    headers may still raise.
    """

    def __init__(self, reason: str, status: int | None = 400, request: Request | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.request = request


class UsageError(SipError):
    """This side asked for something that must not go on the wire, such as a line break in a header."""
