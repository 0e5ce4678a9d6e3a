"""Line breaks of peers that end their lines by LF alone, where RFC 3261 section 7 wants CRLF."""


def only_line_feeds(data: bytes | bytearray, start: int = 0) -> bool:
    """Whether the first line of the message at `start` ends by a bare LF."""
    first = data.find(b"\n", start)
    return first >= 0 and data[first - 1 : first] != b"\r"


def with_crlf(data: bytes) -> bytes:
    """The same message with CRLF; a mixture of both stays as it is, and is refused as malformed.

    Two readers of a mixture may disagree on where a header ends; the body is nobody's business here.
    """
    head, empty_line, body = data.lstrip(b"\n").partition(b"\n\n")
    if b"\r" in head:
        return data
    head = head.replace(b"\n", b"\r\n")
    return head + b"\r\n\r\n" + body if empty_line else head
