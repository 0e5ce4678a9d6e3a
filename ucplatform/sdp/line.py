"""One line of SDP, kept as it came, and the reading of numbers without Python's generosity."""

from __future__ import annotations

from dataclasses import dataclass

from ucplatform.sdp.errors import SdpError

MAX_SIZE = 16 * 1024
MAX_LINES = 1024


@dataclass(frozen=True, slots=True)
class Line:
    """`kind=value` and its own line end, so that what was not touched is written back byte for byte.

    A blank line (some phones end their body with one) has kind ''.
    """

    kind: str
    value: str
    end: str = "\r\n"

    def __str__(self) -> str:
        return f"{self.kind}={self.value}{self.end}" if self.kind else f"{self.value}{self.end}"


def to_text(data: str | bytes) -> str:
    """Octets to text that goes back to the same octets; SdpError over MAX_SIZE."""
    if isinstance(data, str):
        try:
            data = data.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            raise SdpError("text that no octets stand for") from None
    if len(data) > MAX_SIZE:
        raise SdpError(f"body of {len(data)} octets, {MAX_SIZE} are taken")
    return data.decode("utf-8", "surrogateescape")


def split_lines(text: str) -> list[Line]:
    """Text to lines, ends kept. CRLF and bare LF end a line (RFC 8866 section 5: accept both)."""
    pieces = text.split("\n")
    if len(pieces) > MAX_LINES + 1:
        raise SdpError(f"more than {MAX_LINES} lines")
    last = len(pieces) - 1
    lines = []
    for number, piece in enumerate(pieces):
        if number == last and not piece:
            break
        end = "" if number == last else "\n"
        if piece.endswith("\r"):
            piece, end = piece[:-1], "\r" + end
        lines.append(_line(piece, end, number + 1))
    return lines


def _line(piece: str, end: str, number: int) -> Line:
    if "\r" in piece or "\0" in piece:
        raise SdpError(f"line {number}: control character")
    if not piece.strip(" \t"):
        return Line("", piece, end)
    kind = piece[0]
    if piece[1:2] != "=" or not (kind.isascii() and kind.isalpha()):
        raise SdpError(f"line {number}: not of the form x=value")
    return Line(kind, piece[2:], end)


def number(text: str, maximum: int, what: str) -> int:
    """Decimal ASCII digits only: int() would take signs, blanks, underscores and other scripts' digits."""
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise SdpError(f"{what} is not a number")
    value = int(text)
    if value > maximum:
        raise SdpError(f"{what} is over {maximum}")
    return value
