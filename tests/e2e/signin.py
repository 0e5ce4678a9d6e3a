"""A device that signs in from a port of its choice and then leaves that port to somebody else."""

from __future__ import annotations

import secrets
import socket
import struct
import time

from tests.e2e.instance import Instance, Person
from ucplatform.sip.digest import Challenge, authorize
from ucplatform.sip.framing import MessageBytes, StreamFramer
from ucplatform.sip.message import Response, parse_message

SECONDS = 5


class _Line:
    """A UDP socket or a TCP connection to the house."""

    def __init__(self, instance: Instance, port: int, transport: str) -> None:
        host, _, server_port = instance.sip.partition(":")
        stream = transport == "tcp"
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM if stream else socket.SOCK_DGRAM)
        if stream:
            # Closed without a TIME_WAIT: the port is somebody else's at once.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.settimeout(SECONDS)
        self._socket.bind(("127.0.0.1", port))
        self._socket.connect((host, int(server_port)))
        self._framer = StreamFramer() if stream else None

    def __enter__(self) -> _Line:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, data: bytes) -> Response:
        """The final response to a request; a datagram that gets none in half a second is sent again."""
        deadline = time.monotonic() + SECONDS
        self._socket.settimeout(SECONDS if self._framer else 0.5)
        while time.monotonic() < deadline:
            self._socket.sendall(data)
            try:
                while True:
                    message = self._read()
                    if isinstance(message, Response) and message.status >= 200:
                        return message
            except TimeoutError:
                continue
        raise AssertionError("no answer to a REGISTER")

    def _read(self) -> object:
        while True:
            data = self._socket.recv(65536)
            if self._framer is None:
                return parse_message(data)
            for event in self._framer.feed(data):
                if isinstance(event, MessageBytes):
                    return parse_message(event.data)


def sign_in(
    instance: Instance,
    person: Person,
    port: int,
    transport: str = "udp",
    *,
    contact: str = "",
    headers: tuple[str, ...] = (),
) -> Response:
    """REGISTER from that port; `contact` may name {number}, {port} and {transport}. The answer."""
    contact = contact or "<sip:{number}@127.0.0.1:{port};transport={transport}>"
    contact = contact.format(number=person.number, port=port, transport=transport)
    call_id, tag = secrets.token_hex(8), secrets.token_hex(4)
    uri = f"sip:{instance.domain}"

    def register(cseq: int, *more: str) -> bytes:
        lines = [
            f"REGISTER {uri} SIP/2.0",
            f"Via: SIP/2.0/{transport.upper()} 127.0.0.1:{port};rport;branch=z9hG4bK{secrets.token_hex(6)}",
            "Max-Forwards: 70",
            f"From: <sip:{person.number}@{instance.domain}>;tag={tag}",
            f"To: <sip:{person.number}@{instance.domain}>",
            f"Call-ID: {call_id}",
            f"CSeq: {cseq} REGISTER",
            f"Contact: {contact}",
            "Expires: 600",
            *headers,
            *more,
            "Content-Length: 0",
        ]
        return "\r\n".join([*lines, "", ""]).encode()

    with _Line(instance, port, transport) as line:
        first = line.ask(register(1))
        challenge = Challenge.parse(first.headers.get("WWW-Authenticate") or "")
        credentials = authorize(challenge, "REGISTER", uri, person.number, person.secret, "c1")
        return line.ask(register(2, f"Authorization: {credentials}"))
