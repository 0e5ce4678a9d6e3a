"""Messages out of a byte stream (RFC 3261 section 18.3) and the keep-alives between them (RFC 5626 section
4.4.1).
"""

from __future__ import annotations

from dataclasses import dataclass

from ucplatform.sip.breaks import only_line_feeds
from ucplatform.sip.errors import ParseError
from ucplatform.sip.grammar import number
from ucplatform.sip.message import MAX_HEADERS, MAX_MESSAGE, parse_message, refusal


@dataclass(frozen=True, slots=True)
class MessageBytes:
    """One whole message, ready for `parse_message`."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Ping:
    """A double CRLF: answer it with one CRLF. Any number of them in one piece of the stream is one ping."""


@dataclass(frozen=True, slots=True)
class Pong:
    """A single CRLF: the answer to our ping (or the first half of a ping that the network has cut in two)."""


Event = MessageBytes | Ping | Pong


class StreamFramer:
    """Cuts one connection's bytes into messages. Each byte is looked at a bounded number of times."""

    def __init__(self, max_message: int = MAX_MESSAGE, max_headers: int = MAX_HEADERS) -> None:
        self._max_message = max_message
        self._max_headers = max_headers
        self._buffer = bytearray()
        self._searched = 0
        self._wanted = 0
        self._break = b""  # of the lines of the message that has begun, once the first line is whole
        self._half_ping = False
        self._error: ParseError | None = None

    @property
    def pending(self) -> int:
        """Octets held of a message that is not complete."""
        return len(self._buffer)

    @property
    def broken(self) -> ParseError | None:
        """What the next `feed` will raise, when the stream broke behind messages that were still good."""
        return self._error

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes, in order.

        Raises ParseError when message limits are lost or passed: close the connection, after answering
        `.request` with `.status` if both are there. What was complete before the fault is returned first; the
        next call raises.
        """
        if self._error is not None:
            raise _again(self._error)
        self._buffer += data
        events: list[Event] = []
        try:
            while self._advance(events):
                pass
        except ParseError as error:
            self._error = _again(error)
            self._buffer.clear()
            if not events:
                raise
        return events

    def _advance(self, events: list[Event]) -> bool:
        """Take one message or a run of CRLFs from the buffer; False when more bytes are needed."""
        buffer = self._buffer
        if not self._wanted:
            if buffer.startswith(b"\r\n"):
                self._take_breaks(events)
                return True
            if not buffer or buffer == b"\r":
                return False
            self._half_ping = False
            if not self._find_end():
                return False
        if len(buffer) < self._wanted:
            return False
        events.append(MessageBytes(bytes(buffer[: self._wanted])))
        del buffer[: self._wanted]
        self._wanted = self._searched = 0
        self._break = b""
        return True

    def _take_breaks(self, events: list[Event]) -> None:
        buffer = self._buffer
        end = 2
        while buffer.startswith(b"\r\n", end):
            end += 2
        del buffer[:end]
        double = end > 2 or self._half_ping
        self._half_ping = not double
        events.append(Ping() if double else Pong())

    def _find_end(self) -> bool:
        """Learn the length of the message the buffer starts with; False when its headers are incomplete."""
        buffer = self._buffer
        if not self._break and buffer.find(b"\n", self._searched) >= 0:
            self._break = b"\n" if only_line_feeds(buffer) else b"\r\n"
        empty_line = 2 * (self._break or b"\r\n")
        end = buffer.find(empty_line, self._searched)
        if end > self._max_headers or (end < 0 and len(buffer) > self._max_headers + 3):
            raise self._beyond_repair(ParseError("headers are too large", 513), self._max_headers)
        if end < 0:
            self._searched = max(0, len(buffer) - 3)
            return False
        try:
            length = _content_length(bytes(buffer[:end]), self._break)
        except ParseError as error:
            raise self._beyond_repair(error, end) from None
        whole = end + len(empty_line) + length
        if whole > self._max_message:
            raise self._beyond_repair(ParseError("message is too large", 513), end)
        self._wanted = whole
        return True

    def _beyond_repair(self, error: ParseError, end: int) -> ParseError:
        """`error` with what can be read of the request, for an answer before the connection is closed."""
        try:
            message = parse_message(bytes(self._buffer[:end]) + 2 * (self._break or b"\r\n"))
        except ParseError as reading:
            if reading.request is None:
                return ParseError(error.reason, None)
            message = reading.request
        return refusal(error, message)


def _again(error: ParseError) -> ParseError:
    """The same error without the frames that raised it: those hold the framer, which holds the error, and
    the whole ring would wait for the collector.
    """
    return ParseError(error.reason, error.status, error.request)


def _content_length(head: bytes, line_break: bytes) -> int:
    """Content-Length of the header block, which a stream cannot do without (section 20.14)."""
    found = None
    if line_break == b"\n" and b"\r" in head:
        raise ParseError("stray line break")
    lines = head.split(line_break)
    for index, line in enumerate(lines):
        # A line that begins with a blank belongs to the one before; it is no header of its own.
        if line[:1] not in (b"l", b"L", b"c", b"C"):
            continue
        name, _, value = line.partition(b":")
        if name.rstrip(b" \t").lower() not in (b"l", b"content-length"):
            continue
        if found is not None:
            raise ParseError("more than one Content-Length")
        while index + 1 < len(lines) and lines[index + 1][:1] in (b" ", b"\t"):
            index += 1
            value += lines[index]
        found = number(value.decode("latin-1"), 2**31, "Content-Length")
    if found is None:
        raise ParseError("Content-Length is missing")
    return found
