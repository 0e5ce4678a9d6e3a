"""Telephones of the tests that speak SIP over one UDP socket, TCP or TLS connection, step by step."""

from __future__ import annotations

import asyncio
import itertools
import ssl
from typing import Any

from ucplatform.sip.digest import Challenge, authorize
from ucplatform.sip.flow import hostport
from ucplatform.sip.framing import MessageBytes, StreamFramer
from ucplatform.sip.message import Request, Response, make_response, parse_message


def sdp(port: int = 40000) -> str:
    return (
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
    )


SDP = sdp()
NUMBERS = itertools.count(1)


class Telephone(asyncio.DatagramProtocol):
    """`number` with `secret`; sends to `server`. What comes waits in `requests` and `responses`."""

    def __init__(self, number: str, secret: str, server: tuple[str, int], domain: str) -> None:
        self.number, self.secret, self.server, self.domain = number, secret, server, domain
        self.username = number
        self.requests: asyncio.Queue[Request] = asyncio.Queue()
        self.responses: asyncio.Queue[Response] = asyncio.Queue()
        self.via: tuple[str, ...] = ()
        self.transport, self.address = "UDP", ""
        self.tag = f"t{next(NUMBERS)}"
        self._transport: Any = None

    async def open(self, host: str = "127.0.0.1") -> Telephone:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(host, 0))
        self.address = hostport(self._transport.get_extra_info("sockname")[:2])
        return self

    def close(self) -> None:
        self._transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        message = parse_message(data)
        if isinstance(message, Request):
            self.requests.put_nowait(message)
        elif message.status > 100:
            self.responses.put_nowait(message)

    def send(self, data: bytes, to: tuple[str, int] | None = None) -> None:
        self._transport.sendto(data, to or self.server)

    @property
    def contact(self) -> str:
        other = "" if self.transport == "UDP" else f";transport={self.transport.lower()}"
        return f"<sip:{self.number}@{self.address}{other}>"

    def build(self, method: str, uri: str, *lines: str, body: str = "", cseq: int = 0) -> bytes:
        """A request from this telephone; `lines` are whole headers, Call-ID among them."""
        branch = f"z9hG4bK{next(NUMBERS)}"
        vias = self.via or (f"SIP/2.0/{self.transport} {self.address};rport",)
        head = [
            f"{method} {uri} SIP/2.0",
            *(f"Via: {via};branch={branch}{place}" for place, via in enumerate(vias)),
            "Max-Forwards: 70",
            f"CSeq: {cseq or next(NUMBERS)} {method}",
            *lines,
        ]
        if not any(line.startswith("Contact:") for line in lines):
            head.append(f"Contact: {self.contact}")
        if not any(line.startswith("From:") for line in lines):
            head.append(f"From: <sip:{self.number}@{self.domain}>;tag={self.tag}")
        if not any(line.startswith("To:") for line in lines):
            head.append(f"To: <{uri}>")
        head += ["Content-Type: application/sdp"] if body else []
        return "\r\n".join([*head, f"Content-Length: {len(body)}", "", body]).encode()

    async def ask(self, method: str, uri: str, *lines: str, body: str = "") -> Response:
        """Send a request outside of a dialog and answer the challenge; the first response but 401 and 100."""
        lines = (*lines, f"Call-ID: c{next(NUMBERS)}@{self.address}")
        self.send(self.build(method, uri, *lines, body=body))
        response = await self.response()
        if response.status == 401:
            challenge = Challenge.parse(response.headers.get("WWW-Authenticate") or "")
            credentials = authorize(challenge, method, uri, self.username, self.secret, "c")
            if method == "INVITE":
                self.acknowledge(response)
            self.send(self.build(method, uri, *lines, f"Authorization: {credentials}", body=body))
            response = await self.response()
        return response

    def acknowledge(self, response: Response, uri: str = "") -> None:
        """The ACK: of a failure in its transaction, of a 2xx to the Contact."""
        good = response.status < 300
        target = uri or (str(response.contacts[0].uri) if good else f"sip:{self.domain}")
        via = str(response.headers.values("Via")[0])
        lines = [f"{name}: {response.headers.get(name)}" for name in ("From", "To", "Call-ID")]
        lines += [f"Route: {hop}" for hop in reversed(response.headers.values("Record-Route")) if good]
        data = self.build("ACK", target, *lines, cseq=response.cseq.number)
        if not good:
            head, _, rest = data.decode().partition("\r\nVia: ")
            data = f"{head}\r\nVia: {via}\r\n{rest.partition(chr(13))[2][1:]}".encode()
        self.send(data)

    def inside(self, method: str, request: Request, tag: str, *lines: str) -> bytes:
        """A request inside the dialog that `request` opened with us, addressed to its Contact."""
        return self.build(
            method,
            str(request.contacts[0].uri),
            f"From: {request.headers.get('To')};tag={tag}",
            f"To: {request.headers.get('From')}",
            f"Call-ID: {request.call_id}",
            *(f"Route: {hop}" for hop in request.headers.values("Record-Route")),
            *lines,
        )

    async def register(self, *lines: str) -> Response:
        return await self.ask(
            "REGISTER", f"sip:{self.domain}", f"To: <sip:{self.number}@{self.domain}>", *lines
        )

    async def response(self) -> Response:
        async with asyncio.timeout(5):
            return await self.responses.get()

    async def request(self, method: str, seconds: float = 5) -> Request:
        """The next request of this method; others are passed over."""
        async with asyncio.timeout(seconds):
            while (request := await self.requests.get()).method != method:
                pass
        return request

    def answer(self, request: Request, status: int = 200, *, body: str = "") -> None:
        headers = [("Contact", self.contact)]
        kind = "application/sdp" if body else None
        response = make_response(
            request, status, to_tag=self.tag, headers=headers, body=body.encode(), content_type=kind
        )
        self.send(response.to_bytes(), (request.via.host.strip("[]"), request.via.port or 5060))

    async def call(
        self, callee: Telephone, port: int = 40000, other: int = 40000
    ) -> tuple[Response, Request]:
        """A call that is up: our 200 and the INVITE that the callee got. The ports are those of the media."""
        asking = self.ask("INVITE", f"sip:{callee.number}@{self.domain}", body=sdp(port))
        task = asyncio.get_running_loop().create_task(asking)
        invite = await callee.request("INVITE")
        callee.answer(invite, body=sdp(other))
        await callee.request("ACK")
        answer = await task
        assert answer.status == 200, answer.status
        self.acknowledge(answer)
        return answer, invite


class StreamTelephone(Telephone):
    """One on a TCP or TLS connection, which `close` breaks off."""

    async def connect(self, kind: str = "tcp") -> StreamTelephone:
        self.transport, secure = kind.upper(), None
        if kind == "tls":
            secure = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            secure.check_hostname, secure.verify_mode = False, ssl.CERT_NONE
        reader, self._writer = await asyncio.open_connection(*self.server, ssl=secure)
        self.address = hostport(self._writer.get_extra_info("sockname")[:2])
        self._reading = asyncio.get_running_loop().create_task(self._read(reader))
        return self

    async def _read(self, reader: asyncio.StreamReader) -> None:
        framer = StreamFramer()
        while data := await reader.read(65536):
            for event in framer.feed(data):
                if isinstance(event, MessageBytes):
                    self.datagram_received(event.data, self.server)

    def send(self, data: bytes, to: tuple[str, int] | None = None) -> None:
        self._writer.write(data)

    def close(self) -> None:
        self._reading.cancel()
        self._writer.close()
