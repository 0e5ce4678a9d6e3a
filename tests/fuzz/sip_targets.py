"""What SIP's own parsers promise: their own error and no other, and that what is written reads the same."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.fuzz.samples import BODIES, HEADERS
from tests.fuzz.target import Target
from ucplatform import sip
from ucplatform.edge.link import GREETING_LONGEST, Greeting, LinkError
from ucplatform.edge.masking import mask
from ucplatform.sip import fields, grammar, multipart
from ucplatform.sip.commands import PassUp, RequestReceived, Send, SetTimer
from ucplatform.sip.digest import NonceIssuer, find_credentials, ha1, verify
from ucplatform.sip.endpoint import Endpoint
from ucplatform.sip.errors import ParseError
from ucplatform.sip.flow import Flow
from ucplatform.sip.framing import MessageBytes, StreamFramer
from ucplatform.sip.headers import Headers
from ucplatform.sip.message import Message, Request, make_response, parse_message, validate
from ucplatform.sip.uri import Uri

ROOT = Path(__file__).resolve().parents[2]
#: our own messages, and those of RFC 4475 where a copy lies beside the project
FILES = [
    *sorted((ROOT / "tests/data/sip").glob("*.sip")),
    *sorted((ROOT.parent / "shared/torture/rfc4475").glob("*.dat")),
]
MESSAGES = tuple(path.read_bytes() for path in FILES)
WORDS = (
    b"\r\n", b"\r", b"\n", b"\0", b'"', b"\\", b'\\"', b"<", b">", b",", b";", b":", b"@", b"?", b"%",
    b"%00", b"[::1]", b"[", b"]", b"=", b" ", b"\t", b"*", b"(", b")", b"\xff", b"\xc3\xa9", b"\xed\xa0\x80",
    b"SIP/2.0", b"SIP/2.0/UDP ", b"9" * 30, b"-1", b"0", b"4294967296", b"\xd9\xa3", b"Via: ", b"v:",
    b"l: 3\r\n", b"\r\n\r\n", b"\r\n ", b"tag=", b";tag=", b";lr", b"branch=z9hG4bK", b"sip:", b"sips:",
    b"tel:", b"Digest ", b"nonce=", b'realm="', b"CSeq: 1 INVITE\r\n", b"Contact: *\r\n", b"INVITE",
    b"REGISTER", b"Require: x\r\n", b"Replaces: a;to-tag=b;from-tag=c\r\n",
    b"Session-Expires: 90;refresher=uac\r\n", b"expires=", b"reason=", b"to-tag=", b"from-tag=",
    b"index=1.1", b'="a;b"', b'="', b'="a b,c"', b"example.com:5060", b"alice@example.com",
)  # fmt: skip
BODY_WORDS = (
    b"\r\n--x\r\n", b"\r\n--x--", b"--x", b"--y", b"--", b"multipart/mixed;boundary=x\n", b"boundary=",
    b"\r\n\r\n", b"Content-Type: application/sdp\r\n", b"c: multipart/mixed;boundary=y\r\n", b"e: gzip\r\n",
    b"Content-Disposition: session;handling=optional\r\n", b"Content-Transfer-Encoding: base64\r\n",
)  # fmt: skip
GREETING_WORDS = (
    b"{",
    b"}",
    b"[",
    b'"',
    b"\\ud800",
    b"null",
    b"1e999",
    b"NaN",
    b"\xff\xfe",
    b",",
    b":",
    b"\0",
)
FLOW = Flow.udp(("192.0.2.1", 5060), ("192.0.2.9", 5062))
HEAD = b"REGISTER sip:lab.example SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKx\r\nAuthorization: "


def one_line(data: bytes) -> str:
    """A header value as the message parser gives it: any octets, no line breaks."""
    return data.decode("utf-8", "surrogateescape").replace("\r", " ").replace("\n", " ")


def message(data: bytes) -> None:
    """What the endpoint does with any datagram: read, validate, answer, write. Whatever is to be answered can
    be; what is taken can be read in full, and reads the same once it was written."""
    try:
        first = parse_message(data)
        validate(first)
    except ParseError as error:
        assert error.status is None or 400 <= error.status < 700
        assert error.reason.isascii() and error.reason.isprintable()
        if error.status is not None:
            assert error.request is not None
            make_response(error.request, error.status).to_bytes()
        raise
    read_everything(first)
    written = first.to_bytes()
    again = parse_message(written)
    validate(again)
    assert again.start_line() == first.start_line() and again.body == first.body
    assert lines(again) == lines(first) and again.to_bytes() == written
    if isinstance(first, Request):
        answer = parse_message(make_response(first, 200).to_bytes())
        validate(answer)
        assert answer.to_tag


def lines(message: Message) -> list[tuple[str, str]]:
    """All header lines but Content-Length, which is always written anew."""
    return [pair for pair in message.headers if pair[0].lower() not in ("content-length", "l")]


def read_everything(message: Message) -> None:
    """All typed properties: none raises after `validate`. The readers of `fields` may refuse, no more."""
    assert message.vias[0] == message.via
    for value in (message.from_, message.to, message.cseq, *message.vias, *message.contacts, *message.routes):
        assert "\r" not in str(value) and "\n" not in str(value)
    _ = message.call_id, message.from_tag, message.to_tag, message.contact, message.contact_star
    _ = message.record_routes, message.content_type, message.max_forwards, message.expires, message.require
    _ = message.supported, message.replaces
    for reader in READERS:
        try:
            str(reader(message))
        except ParseError:
            pass


def readers() -> Iterator[Callable[[Message], object]]:
    """The functions of `fields` that read a header from a message."""
    for name, value in vars(fields).items():
        if getattr(value, "__name__", "") == "reader" and not name.startswith("_"):
            yield value


READERS = tuple(readers())


def value_types() -> Iterator[type]:
    """The typed header values that SIP's modules define: what has both `parse` and `__str__`."""
    for entry in pkgutil.iter_modules(sip.__path__):
        module = importlib.import_module(f"{sip.__name__}.{entry.name}")
        for value in vars(module).values():
            if isinstance(value, type) and value.__module__ == module.__name__ and "parse" in vars(value):
                yield value


TYPES = tuple(value_types())


def value(typed: Any) -> Callable[[bytes], object]:
    """One typed header: what was written reads the same, and brings no line break into a message."""

    def check(data: bytes) -> None:
        found = typed.parse(one_line(data))
        written = str(found)
        assert "\r" not in written and "\n" not in written
        assert typed.parse(written) == found

    return check


def lists(data: bytes) -> None:
    """The scanners below all typed headers, which but for two refuse nothing."""
    text = one_line(data)
    assert ",".join(grammar.split_commas(text)).count(",") == text.count(",")
    grammar.percent_decode(text)
    assert grammar.unquote(grammar.quote(text)) == text
    params = grammar.parse_params(text)
    assert grammar.parse_params(grammar.format_params(params)[1:]) == params
    grammar.number(text, 255, "number")


def equality(data: bytes) -> None:
    """URIs: every one equals itself, and none is equal one way only (RFC 3261 section 19.1.4)."""
    left, _, right = one_line(data).partition("|")
    first, second = Uri.parse(left), Uri.parse(right)
    assert first.equals(first) and first.equals(second) == second.equals(first)


def credentials() -> Callable[[bytes], object]:
    """An Authorization line on its way through the server, whose trace never shows the response."""
    issuer, expected = NonceIssuer(b"secret"), ha1("200", "lab.example", "secret")

    def check(data: bytes) -> None:
        mask(HEAD + data)
        issuer.check(one_line(data), 1, 100.0)
        found = find_credentials(
            parse_message(HEAD + data + b"\r\n\r\n").headers, "Authorization", "lab.example"
        )
        if found is not None:
            verify(found, "REGISTER", expected)
            issuer.check(found.nonce, found.nc, 100.0)

    return check


def bodies(data: bytes) -> None:
    """A body of several parts: the first line is its Content-Type. What is found stands in it."""
    kind, _, body = data.partition(b"\n")
    request = Request("INVITE", Uri("sip", host="a"), Headers([("Content-Type", one_line(kind))]), body)
    found = multipart.part(request, "application/sdp")
    assert found is None or found in body
    strange = multipart.unknown(request, {"application/sdp"})
    assert strange is None or strange != "application/sdp" or found is None


def framing(data: bytes) -> None:
    """A stream: where the network cuts it does not matter. The first octet says how it is cut."""
    step = (1, 7, 100, 1460)[data[0] % 4] if data else 1
    step = max(step, len(data) // 400)
    whole, cut = feed([data]), feed([data[at : at + step] for at in range(0, len(data), step)])
    assert cut == whole
    if whole[1] is not None:
        raise whole[1]


class Broken(ParseError):
    """A stream that broke; equal when it broke for the same reason."""

    def __init__(self, error: ParseError) -> None:
        super().__init__(error.reason, error.status)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Broken) and (self.reason, self.status) == (other.reason, other.status)

    __hash__ = None  # type: ignore[assignment]


def feed(pieces: list[bytes]) -> tuple[list[bytes], Broken | None]:
    """The whole messages, and what broke the stream."""
    framer = StreamFramer()
    found: list[bytes] = []
    for piece in pieces:
        try:
            found += [event.data for event in framer.feed(piece) if isinstance(event, MessageBytes)]
        except ParseError as error:
            return found, Broken(error)
        if framer.broken is not None:
            return found, Broken(framer.broken)
    return found, None


class Peer:
    """An endpoint that a hostile peer writes to, with a user behind it: refuses nothing, raises nothing, and
    all that it sends can be written. It is a new one after every 50 inputs, so that findings stand alone."""

    AGE = 50

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, data: bytes) -> None:
        if self._count % self.AGE == 0:
            self._endpoint, self._now, self._timers = Endpoint("1", limit=40), 0.0, {}
        self._count += 1
        self._now += 0.05
        self._carry_out(self._endpoint.receive(data, FLOW, self._now))
        for key in [key for key, at in self._timers.items() if at <= self._now]:
            if self._timers.pop(key, None) is not None:
                self._carry_out(self._endpoint.fire(key, self._now))

    def _carry_out(self, commands: list[Any]) -> None:
        for command in commands:
            if isinstance(command, Send):
                command.message.to_bytes()
            elif isinstance(command, SetTimer):
                self._timers[command.key] = command.at
            elif isinstance(command, PassUp) and isinstance(command.event, RequestReceived):
                self._answer(command.event)

    def _answer(self, event: RequestReceived) -> None:
        for status in (180, 200) if self._count % 2 else (486,):
            answer = make_response(event.request, status, to_tag="ours")
            self._carry_out(self._endpoint.respond(event.key, answer, self._now))


def greeting(data: bytes) -> None:
    """What an edge says first to another, before either has proved anything."""
    found = Greeting.parse(data)
    assert Greeting.parse(found.to_bytes()) == found


def header_values() -> tuple[bytes, ...]:
    """Every header value of the messages that can be read: what typed headers look like in traffic."""
    found: set[str] = set()
    for data in MESSAGES:
        try:
            read: Headers = parse_message(data).headers
        except ParseError:
            continue
        found |= {text for _, text in read if 0 < len(text) < 400}
    return tuple(text.encode("utf-8", "surrogateescape") for text in sorted(found))


def seeds_of(name: str) -> tuple[bytes, ...]:
    """Its own samples over and over, so that two of three inputs begin with them; and any other value."""
    own, others = HEADERS[name], header_values()
    return (own * (2 * len(others) // len(own) + 1)) + others


def targets() -> Iterator[Target]:
    own = (ParseError,)
    streams = tuple(b"".join(MESSAGES[at : at + 3]) for at in range(0, len(MESSAGES) - 3, 2))
    pairs = tuple(a + b"|" + b for a in HEADERS["Uri"] for b in HEADERS["Uri"])
    yield Target("sip-message", message, own, MESSAGES, WORDS, 70_000, 6)
    yield Target("sip-endpoint", Peer(), (), MESSAGES, WORDS, 70_000, 4)
    yield Target("sip-framing", framing, own, streams, WORDS, 70_000, 3)
    yield Target("sip-multipart", bodies, own, BODIES, BODY_WORDS + WORDS, 70_000)
    yield Target("sip-authorization", credentials(), own, seeds_of("Credentials"), WORDS)
    yield Target("sip-lists", lists, own, header_values(), WORDS)
    yield Target("sip-uri-equality", equality, own, pairs, WORDS)
    first = (
        Greeting("e1", "1700000000", "abcdef").to_bytes(),
        b'{"edge": "\\u00e9", "life": "1", "nonce": "x"}',
    )
    yield Target("link-greeting", greeting, (LinkError,), first, GREETING_WORDS, GREETING_LONGEST)
    for typed in TYPES:
        name = typed.__name__
        yield Target(f"sip-{name.lower()}", value(typed), own, seeds_of(name), WORDS)
