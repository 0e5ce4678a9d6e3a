"""SIP requests and responses: an ordered header list, typed values read on demand (RFC 3261 section 7)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from ucplatform.sip.breaks import only_line_feeds, with_crlf
from ucplatform.sip.errors import ParseError, UsageError
from ucplatform.sip.grammar import BLANK, is_token, number, split_commas
from ucplatform.sip.headers import CSeq, Headers, NameAddr, Replaces, Via, known_key
from ucplatform.sip.reasons import REASONS as REASONS
from ucplatform.sip.uri import Uri

MAX_HEADERS = 8192
"""Limit on start line and headers together, bytes."""

MAX_MESSAGE = 65536
"""Limit on a whole message, bytes."""

_Contacts = tuple[tuple[NameAddr, ...], bool]


class Message:
    """What requests and responses share. Typed properties raise ParseError(400) when the header is malformed.

    After `validate` none of them raises until a header is changed. Values are read once and remembered by the
    header list itself, which forgets them at every change. The lists that come back are the caller's own.
    """

    __slots__ = ("body", "headers")

    def __init__(self, headers: Headers, body: bytes = b"") -> None:
        self.headers = headers
        self.body = body

    def start_line(self) -> str:
        """First line without its line break."""
        raise NotImplementedError

    @property
    def call_id(self) -> str:
        """Call-ID as written; it is compared byte by byte (section 20.8)."""
        return self.headers.typed("call-id", _read_call_id)

    @property
    def from_(self) -> NameAddr:
        """From (section 20.20)."""
        return self.headers.typed("from", _read_from)

    @property
    def to(self) -> NameAddr:
        """To (section 20.39)."""
        return self.headers.typed("to", _read_to)

    @property
    def from_tag(self) -> str | None:
        """Tag of From, None when it has none."""
        return self.headers.typed("from", _read_from).tag

    @property
    def to_tag(self) -> str | None:
        """Tag of To, None outside of dialogs."""
        return self.headers.typed("to", _read_to).tag

    @property
    def cseq(self) -> CSeq:
        """CSeq (section 20.16)."""
        return self.headers.typed("cseq", _read_cseq)

    @property
    def vias(self) -> list[Via]:
        """All Via values, topmost first; at least one."""
        return list(self.headers.typed("via", _read_vias))

    @property
    def via(self) -> Via:
        """The topmost Via."""
        return self.headers.typed("via", _read_vias)[0]

    @property
    def contacts(self) -> list[NameAddr]:
        """Contact values; empty for `Contact: *`, see `contact_star`."""
        return list(self.headers.typed("contact", _read_contacts)[0])

    @property
    def contact_star(self) -> bool:
        """Whether the Contact is `*`: remove all registrations (section 10.2.2)."""
        return self.headers.typed("contact", _read_contacts)[1]

    @property
    def contact(self) -> NameAddr | None:
        """The first Contact value."""
        contacts = self.headers.typed("contact", _read_contacts)[0]
        return contacts[0] if contacts else None

    @property
    def routes(self) -> list[NameAddr]:
        """Route values, next hop first (section 20.34)."""
        return list(self.headers.typed("route", _read_routes))

    @property
    def record_routes(self) -> list[NameAddr]:
        """Record-Route values, last proxy first (section 20.30)."""
        return list(self.headers.typed("record-route", _read_record_routes))

    @property
    def content_type(self) -> str | None:
        """Media type in lower case without parameters, such as `application/sdp`; None without a header."""
        value = self.headers.get("content-type")
        return None if value is None else value.partition(";")[0].replace(" ", "").replace("\t", "").lower()

    @property
    def max_forwards(self) -> int | None:
        """Max-Forwards, 0 to 255 (section 20.22); None when there is no header."""
        value = self.headers.get("max-forwards")
        return None if value is None else number(value, 255, "Max-Forwards")

    @property
    def expires(self) -> int | None:
        """Expires in seconds, below 2**32 (section 20.19); None when there is no header."""
        value = self.headers.get("expires")
        return None if value is None else number(value, 2**32 - 1, "Expires")

    @property
    def require(self) -> list[str]:
        """Option tags in Require, lower case (section 20.32)."""
        return [tag.lower() for tag in self.headers.values("require")]

    @property
    def supported(self) -> list[str]:
        """Option tags in Supported, lower case (section 20.37)."""
        return [tag.lower() for tag in self.headers.values("supported")]

    @property
    def replaces(self) -> Replaces | None:
        """Replaces (RFC 3891); None when there is no header."""
        value = self.headers.get("replaces")
        return None if value is None else Replaces.parse(value)

    def to_bytes(self) -> bytes:
        """The message for the wire. Content-Length is always right, whatever the headers say."""
        start = self.start_line()
        if "\r" in start or "\n" in start:
            raise UsageError("line break in the start line")
        length = len(self.body)
        lines = [start]
        placed = False
        for key, name, value in self.headers.wire_items():
            if key != "content-length":
                lines.append(f"{name}: {value}")
            elif not placed:
                lines.append(f"{name}: {length}")
                placed = True
        if not placed:
            lines.append(f"Content-Length: {length}")
        lines.append("\r\n")
        try:
            return "\r\n".join(lines).encode("utf-8", "surrogateescape") + self.body
        except UnicodeEncodeError as error:
            raise UsageError("text that has no UTF-8 form") from error


class Request(Message):
    """A request. `method` is case-sensitive (section 7.1)."""

    __slots__ = ("method", "uri")

    def __init__(self, method: str, uri: Uri, headers: Headers, body: bytes = b"") -> None:
        self.method = method
        self.uri = uri
        self.headers = headers
        self.body = body

    def start_line(self) -> str:
        """`INVITE sip:201@example.com SIP/2.0`"""
        return f"{self.method} {self.uri} SIP/2.0"

    def copy(self) -> Request:
        """An independent copy."""
        return Request(self.method, self.uri, self.headers.copy(), self.body)

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.uri}>"


class Response(Message):
    """A response. `status` is 100 to 699; `reason` may be empty and may hold any text but line breaks."""

    __slots__ = ("reason", "status")

    def __init__(self, status: int, reason: str, headers: Headers, body: bytes = b"") -> None:
        self.status = status
        self.reason = reason
        self.headers = headers
        self.body = body

    def start_line(self) -> str:
        """`SIP/2.0 180 Ringing`"""
        return f"SIP/2.0 {self.status} {self.reason}"

    @property
    def method(self) -> str:
        """Method of the request that this answers, from CSeq."""
        return self.cseq.method

    def copy(self) -> Response:
        """An independent copy."""
        return Response(self.status, self.reason, self.headers.copy(), self.body)

    def __repr__(self) -> str:
        return f"<Response {self.status} {self.reason}>"


def make_response(
    request: Request,
    status: int,
    reason: str | None = None,
    *,
    to_tag: str | None = None,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    content_type: str | None = None,
) -> Response:
    """The response to `request` (section 8.2.6): Via, From, To, Call-ID and CSeq copied as they came.

    Record-Route is copied into 101 to 299 (section 12.1.1), Timestamp into 100. Where To has no tag, every
    response above 100 gets one: `to_tag`, or a hash of branch and Call-ID, so that repeated stateless answers
    are the same (section 8.2.7). Works for a request that failed validation: what is missing or malformed is
    copied as it is.
    """
    source = request.headers
    copied = [(name.lower(), name, value) for name in ("Via", "From") for value in source.all(name)]
    copied += [("to", "To", _tagged(request, value, status, to_tag)) for value in source.all("to")[:1]]
    copied += [(name.lower(), name, value) for name in ("Call-ID", "CSeq") for value in source.all(name)[:1]]
    if status == 100:
        copied += [("timestamp", "Timestamp", value) for value in source.all("timestamp")]
    elif status < 300:
        copied += [("record-route", "Record-Route", value) for value in source.all("record-route")]
    answer = Headers.from_wire(copied)
    answer.share(source, "from", "call-id", "cseq")
    for name, value in headers:
        answer.add(name, value)
    if content_type is not None:
        answer.add("Content-Type", content_type)
    return Response(status, REASONS.get(status, "") if reason is None else reason, answer, body)


def _tagged(request: Request, value: str, status: int, to_tag: str | None) -> str:
    if status == 100 and to_tag is None:
        return value
    try:
        if request.to.tag is not None:
            return value
        return f"{value};tag={to_tag or _stateless_tag(request)}"
    except ParseError:
        return value


def _stateless_tag(request: Request) -> str:
    try:
        branch = request.via.branch or ""
    except ParseError:
        branch = ""
    seed = f"{branch}\n{request.headers.get('call-id')}\n{request.headers.get('from')}"
    return hashlib.blake2b(seed.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()


def _required(headers: Headers, name: str) -> str:
    value = headers.get(name)
    if not value:
        raise ParseError(f"{name} is missing")
    return value


def _read_call_id(headers: Headers) -> str:
    return _required(headers, "call-id")


def _read_from(headers: Headers) -> NameAddr:
    return NameAddr.parse(_required(headers, "from"))


def _read_to(headers: Headers) -> NameAddr:
    return NameAddr.parse(_required(headers, "to"))


def _read_cseq(headers: Headers) -> CSeq:
    return CSeq.parse(_required(headers, "cseq"))


def _read_vias(headers: Headers) -> tuple[Via, ...]:
    _required(headers, "via")
    return tuple([Via.parse(part) for line in headers.all("via") for part in split_commas(line)])


def _read_contacts(headers: Headers) -> _Contacts:
    lines = headers.all("contact")
    if lines == ["*"]:
        return (), True
    return tuple([NameAddr.parse(part) for line in lines for part in split_commas(line)]), False


def _read_routes(headers: Headers) -> tuple[NameAddr, ...]:
    return _read_route_set(headers, "route")


def _read_record_routes(headers: Headers) -> tuple[NameAddr, ...]:
    return _read_route_set(headers, "record-route")


def _read_route_set(headers: Headers, name: str) -> tuple[NameAddr, ...]:
    routes = []
    for line in headers.all(name):
        for part in split_commas(line):
            if not part.strip(BLANK).endswith(">") and ">" not in part:
                raise ParseError(f"{name} needs angle brackets")
            routes.append(NameAddr.parse(part))
    return tuple(routes)


# Headers that may stand once only (sections 7.3.1 and 20): with two of them, two readers may act on
# different ones.
_SINGLE_NAMES = """
call-id cseq from to max-forwards content-length content-type expires min-expires replaces refer-to
referred-by event subscription-state session-expires min-se rack rseq mime-version timestamp max-breadth
join target-dialog refer-sub privacy
"""
_SINGLE = frozenset(_SINGLE_NAMES.split())

# One class of characters behind a literal: nothing to backtrack over.
_FOLD = re.compile(r"\r\n[ \t]+")

# Stands in for a Request-URI that cannot be read, in requests that only serve to be answered.
_NO_URI = Uri("", opaque="?")


def parse_message(data: bytes) -> Request | Response:
    """One message from a datagram, a WebSocket frame or the stream framer.

    Line breaks before it (section 7.5) and octets behind Content-Length (section 18.3) are ignored. Folded
    lines are joined by one blank; lines that all end by LF alone are taken as if they ended by CRLF. Raises
    ParseError: with a status and the readable part of a request where it can be answered, with status None
    where it is to be dropped. What comes back still has to pass `validate`.
    """
    start = 0
    while data.startswith(b"\r\n", start):
        start += 2
    if only_line_feeds(data, start):
        data, start = with_crlf(data[start:]), 0
    end = data.find(b"\r\n\r\n", start)
    problem = None
    if end < 0:
        problem = ParseError("no empty line behind the headers")
        end = len(data)
    rest = data[end + 4 :]
    if end - start > MAX_HEADERS:
        problem = ParseError("headers are too large", 513)
        end = start + MAX_HEADERS
    text = data[start:end].decode("utf-8", "surrogateescape")
    if "\r\n " in text or "\r\n\t" in text:
        text = _FOLD.sub(" ", text)
    lines = text.split("\r\n")
    breaks = len(lines) - 1
    if text.count("\n") != breaks or text.count("\r") != breaks:
        problem = problem or ParseError("stray line break")
        lines = [line.replace("\r", " ").replace("\n", " ") for line in lines]
    start_line = lines[0]
    headers, broken = _read_lines(lines)
    message, unreadable = _read_start_line(start_line, headers)
    problem = unreadable or problem or broken
    if problem is None:
        try:
            message.body = _cut_body(headers, rest)
        except ParseError as error:
            problem = error.with_traceback(None)  # a frame and its own error keep each other alive
    if problem is not None:
        raise refusal(problem, message)
    return message


def _read_lines(lines: list[str]) -> tuple[Headers, ParseError | None]:
    """All header lines that can be read, and the first error among them."""
    items = []
    problem = None
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        key = known_key(name)
        if key is None:
            name = name.rstrip(BLANK)
            if not colon or not is_token(name):
                if line:
                    problem = problem or ParseError("malformed header line")
                continue
            key = known_key(name) or name.lower()
        elif not colon:
            problem = problem or ParseError("malformed header line")
            continue
        items.append((key, name, value.strip(BLANK)))
    return Headers.from_wire(items), problem


def _read_start_line(line: str, headers: Headers) -> tuple[Request | Response, ParseError | None]:
    """The message without its body. Raises for what is no SIP at all; else tells what is wrong with it."""
    words = line.split(" ")
    method = words[0]
    if method[:4].upper() == "SIP/":
        return _read_status_line(line, headers), None
    version = line.rstrip(BLANK).rpartition(" ")[2].upper()
    if not is_token(method) or not version.startswith("SIP/"):
        raise ParseError("not SIP", None)
    if version != "SIP/2.0":
        return Request(method, _NO_URI, headers), ParseError("SIP version is not 2.0", 505)
    if len(words) != 3:
        return Request(method, _NO_URI, headers), ParseError("malformed request line")
    try:
        return Request(method, Uri.parse(words[1]), headers), None
    except ParseError as error:
        return Request(method, _NO_URI, headers), ParseError(f"Request-URI: {error.reason}")


def _read_status_line(line: str, headers: Headers) -> Response:
    version, _, rest = line.partition(" ")
    code, _, reason = rest.partition(" ")
    # Three digits exactly, never a number that overflows into a valid status (RFC 4475 3.1.2.19).
    if version.upper() != "SIP/2.0" or len(code) != 3 or not (code.isascii() and code.isdigit()):
        raise ParseError("malformed status line", None)
    if not "100" <= code <= "699":
        raise ParseError("status out of range", None)
    return Response(int(code), reason, headers)


def _cut_body(headers: Headers, rest: bytes) -> bytes:
    """The body by Content-Length; without one, all of the datagram (section 18.3)."""
    lengths = headers.all("content-length")
    if not lengths:
        return rest
    if len(lengths) > 1:
        raise ParseError("more than one Content-Length")
    length = number(lengths[0], 2**31, "Content-Length")
    if length > len(rest):
        raise ParseError("body is shorter than Content-Length")
    return rest[:length]


def refusal(error: ParseError, message: Request | Response) -> ParseError:
    """The error with the status to answer: none for responses, for ACK (17) and where no Via says whereto."""
    if isinstance(message, Response):
        return ParseError(error.reason, None)
    if message.method == "ACK" or "via" not in message.headers:
        return ParseError(error.reason, None, message)
    return ParseError(error.reason, error.status, message)


def validate(message: Request | Response) -> None:
    """The one validation step (sections 8.2, 16.3 and 18.1.2): afterwards no typed property raises.

    Raises ParseError with the status to answer, or None when the message is to be dropped. What only one role
    may refuse is left to it: unknown methods (405), Require (420), Max-Forwards 0 (483), credentials, body
    types.
    """
    try:
        _validate_headers(message)
        if isinstance(message, Request):
            _validate_request(message)
    except ParseError as error:
        raise refusal(error, message) from None


def _validate_headers(message: Message) -> None:
    headers = message.headers
    for key in headers.repeated():
        if key in _SINGLE:
            raise ParseError(f"more than one {key}")
    call_id = message.call_id
    if " " in call_id or "\t" in call_id:
        raise ParseError("malformed Call-ID")
    headers.typed("via", _read_vias)
    if message.from_.tag == "" or message.to.tag == "":
        raise ParseError("empty tag")
    headers.typed("cseq", _read_cseq)
    headers.typed("contact", _read_contacts)
    headers.typed("route", _read_routes)
    headers.typed("record-route", _read_record_routes)
    _ = message.max_forwards, message.expires, message.replaces


def _validate_request(request: Request) -> None:
    if request.cseq.method != request.method:
        raise ParseError("CSeq names another method")
    if request.uri.scheme not in ("sip", "sips"):
        raise ParseError("unsupported URI scheme", 416)
    if request.uri.headers:
        # Section 19.1.1: not allowed here, and never to be turned into headers (RFC 4475 3.1.2.11).
        raise ParseError("headers in the Request-URI")
    if request.contact_star and (request.method != "REGISTER" or request.expires != 0):
        # Section 10.2.2
        raise ParseError("Contact * without REGISTER and Expires 0")
