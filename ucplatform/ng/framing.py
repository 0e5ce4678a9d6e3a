"""NG on a stream: cookie, blank, bencoded dictionary, back to back."""

from __future__ import annotations

from ucplatform.ng.bencode import MAX_SIZE, Scanner, Value
from ucplatform.ng.errors import NgError
from ucplatform.ng.message import MAX_COOKIE, decode


class StreamFramer:
    """Cuts a stream into messages. After an NgError the stream is beyond repair: close it."""

    def __init__(self, max_message: int = MAX_SIZE) -> None:
        self._max_message = max_message
        self._buffer = bytearray()
        self._body = 0  # index of the dictionary of the message being read, 0 while its cookie is incomplete
        self._scanner = Scanner()

    def feed(self, data: bytes) -> list[tuple[str, dict[str, Value]]]:
        """Messages that are complete now, as (cookie, dictionary). NgError when it is no NG."""
        self._buffer += data
        messages = []
        start = 0  # of the message being read: the buffer is cut once, at the end
        while True:
            start = self._skip_blank_lines(start)
            if not self._find_body(start):
                break
            end = self._scanner.scan(self._buffer, self._body)
            if end is None:
                break
            messages.append(decode(bytes(self._buffer[start:end])))
            start, self._body, self._scanner = end, 0, Scanner()
        self._cut(start)
        if len(self._buffer) > self._max_message:
            raise NgError(f"message over {self._max_message} octets")
        return messages

    def _skip_blank_lines(self, start: int) -> int:
        if not self._body:
            while start < len(self._buffer) and self._buffer[start] in b"\r\n":
                start += 1
        return start

    def _find_body(self, start: int) -> bool:
        if self._body:
            return True
        blank = self._buffer.find(b" ", start, start + MAX_COOKIE + 1)
        if blank == start or (blank < 0 and len(self._buffer) - start > MAX_COOKIE):
            raise NgError("no cookie on the stream")
        if blank < 0 or len(self._buffer) <= blank + 1:
            return False
        if self._buffer[blank + 1] != 0x64:  # 'd'
            raise NgError("no dictionary on the stream")
        self._body = blank + 1
        return True

    def _cut(self, start: int) -> None:
        del self._buffer[:start]
        if self._body:
            self._body -= start
            self._scanner.moved(start)
