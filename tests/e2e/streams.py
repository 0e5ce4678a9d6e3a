"""Telephones on TLS connections and WebSockets, step by step, with their dialogs."""

from __future__ import annotations

import asyncio
import secrets
import ssl
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tests.e2e.instance import Instance, Person
from tests.edge.telephone import StreamTelephone, Telephone, sdp
from ucplatform.sip.dialog import Dialog
from ucplatform.sip.digest import Challenge, authorize
from ucplatform.sip.message import Request, Response, make_response, parse_message

KINDS = ("tls", "ws", "wss")
FINGERPRINT = ":".join(["AB"] * 32)


def browser_sdp(setup: str = "actpass", direction: str = "sendrecv", version: int = 1) -> str:
    """What a page says: ICE, DTLS-SRTP, one port (RFC 8829). Nothing listens behind it."""
    lines = [
        "v=0", f"o=- 7 {version} IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0",
        "m=audio 9 UDP/TLS/RTP/SAVPF 0 101", "c=IN IP4 0.0.0.0", "a=mid:0", f"a={direction}", "a=rtcp-mux",
        "a=ice-ufrag:abcd", "a=ice-pwd:abcdefghijklmnopqrstuvwx", f"a=setup:{setup}",
        f"a=fingerprint:sha-256 {FINGERPRINT}", "a=rtpmap:0 PCMU/8000", "a=rtpmap:101 telephone-event/8000",
    ]  # fmt: skip
    return "\r\n".join([*lines, ""])


def description(
    phone: Telephone, direction: str = "sendrecv", setup: str = "actpass", version: int = 1
) -> str:
    """What this kind of telephone offers, or answers."""
    if isinstance(phone, WebSocketTelephone):
        return browser_sdp(setup, direction, version)
    return sdp().replace("o=- 1 1", f"o=- 1 {version}") + f"a={direction}\r\n"


class WebSocketTelephone(Telephone):
    """One on a WebSocket (RFC 7118): its Contact leads nowhere but through the connection."""

    async def connect(self, url: str) -> WebSocketTelephone:
        secure = unchecked() if url.startswith("wss") else None
        self.transport = url.partition(":")[0].upper()
        self.address = f"{secrets.token_hex(6)}.invalid"
        self._socket: ClientConnection = await connect(url, subprotocols=["sip"], ssl=secure)  # type: ignore[list-item]
        self._out: asyncio.Queue[str | bytes] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._read()), loop.create_task(self._write())]
        return self

    async def _read(self) -> None:
        async for data in self._socket:
            self.datagram_received(data.encode() if isinstance(data, str) else data, self.server)

    async def _write(self) -> None:
        while True:
            await self._socket.send(await self._out.get())

    @property
    def contact(self) -> str:
        return f"<sip:{self.number}@{self.address};transport=ws>"

    def send(self, data: bytes, to: tuple[str, int] | None = None) -> None:
        self._out.put_nowait(data.decode())

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._socket.transport.abort()


def unchecked() -> ssl.SSLContext:
    """The house's certificate is its own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def telephone(instance: Instance, person: Person, kind: str) -> Telephone:
    """A telephone of `person`, on a connection of that kind ("udp" too), not registered yet."""
    server = ("127.0.0.1", instance.tls_port if kind == "tls" else instance.sip_port)
    arguments = (person.number, person.secret, server, instance.domain)
    if kind == "udp":
        return await Telephone(*arguments).open()
    if kind == "tls":
        return await StreamTelephone(*arguments).connect("tls")
    base = instance.http if kind == "ws" else instance.https
    return await WebSocketTelephone(*arguments).connect(base.replace("http", "ws", 1) + "/sip")


class Talk:
    """One side of a call: an INVITE that was sent or that came, and the dialog behind its answer."""

    def __init__(self, phone: Telephone, request: Request) -> None:
        self.phone, self.request = phone, request
        self.dialog: Dialog | None = None
        self.versions = 1

    def body(self, direction: str = "sendrecv", setup: str = "actpass") -> str:
        """A description as this telephone has it, a new one each time."""
        self.versions += 1
        return description(self.phone, direction, setup, self.versions)

    # -- calling

    @classmethod
    async def place(cls, phone: Telephone, number: str, *lines: str, body: str | None = None) -> Talk:
        """An INVITE whose challenge is answered; what comes then waits in the telephone."""
        uri, call_id = f"sip:{number}@{phone.domain}", f"Call-ID: {secrets.token_hex(8)}"
        text = description(phone) if body is None else body
        phone.send(phone.build("INVITE", uri, call_id, *lines, body=text))
        challenge = await phone.response()
        assert challenge.status == 401, challenge.status
        phone.acknowledge(challenge)
        asked = Challenge.parse(challenge.headers.get("WWW-Authenticate") or "")
        credentials = authorize(asked, "INVITE", uri, phone.number, phone.secret, "c")
        data = phone.build("INVITE", uri, call_id, *lines, f"Authorization: {credentials}", body=text)
        phone.send(data)
        return cls(phone, _request(data))

    async def answered(self) -> Response:
        """The 200, acknowledged."""
        answer = await final(self.phone)
        assert answer.status == 200, f"{answer.status} {answer.reason}"
        self.dialog = Dialog.from_response(self.request, answer)
        self._out(self.dialog.ack(answer.cseq.number))
        return answer

    def cancel(self) -> None:
        """CANCEL of the INVITE (RFC 3261 9.1)."""
        data = self.request.to_bytes().partition(b"\r\n\r\n")[0].decode()
        lines = [line for line in data.split("\r\n")[1:] if line.split(":")[0] in _CANCELLED]
        lines.append(f"CSeq: {self.request.cseq.number} CANCEL")
        head = [f"CANCEL {self.request.uri} SIP/2.0", *lines, "Content-Length: 0", "", ""]
        self.phone.send("\r\n".join(head).encode())

    # -- being called

    @classmethod
    async def wait(cls, phone: Telephone) -> Talk:
        """The next INVITE that comes."""
        return cls(phone, await phone.request("INVITE"))

    def reply(self, status: int, body: str = "", *headers: tuple[str, str]) -> None:
        """Answer the INVITE; with a 2xx the dialog is there."""
        answer(self.phone, self.request, status, body, *headers)
        if 200 <= status < 300:
            self.dialog = Dialog.from_request(self.request, self.phone.tag)

    # -- inside

    async def ask(self, method: str, *headers: tuple[str, str], body: str = "") -> Response:
        """A request inside the dialog; its final response. The ACK of a re-INVITE's goes by itself."""
        assert self.dialog is not None
        self.dialog, request = self.dialog.request(
            method, contact=self.phone.contact, headers=list(headers), body=body.encode(),
            content_type="application/sdp" if body else None,
        )  # fmt: skip
        self._out(request)
        response = await final(self.phone)
        if method == "INVITE" and response.status == 200:
            self._out(self.dialog.ack(response.cseq.number))
        return response

    async def prack(self, response: Response) -> Response:
        """The PRACK of a reliable response; the answer to it."""
        _, request = Dialog.from_response(self.request, response).prack(response)
        self._out(request)
        return await final(self.phone)

    def _out(self, request: Request) -> None:
        via = (
            f"SIP/2.0/{self.phone.transport} {self.phone.address};rport;branch=z9hG4bK{secrets.token_hex(6)}"
        )
        request.headers.prepend("Via", via)
        self.phone.send(request.to_bytes())


_CANCELLED = ("Via", "Max-Forwards", "From", "To", "Call-ID")


def _request(data: bytes) -> Request:
    message = parse_message(data)
    assert isinstance(message, Request)
    return message


def answer(phone: Telephone, request: Request, status: int, body: str = "", *headers: Any) -> None:
    """Answer any request, in its dialog if it has one."""
    response = make_response(
        request, status, to_tag=phone.tag, headers=[("Contact", phone.contact), *headers], body=body.encode(),
        content_type="application/sdp" if body else None,
    )  # fmt: skip
    phone.send(response.to_bytes(), (request.via.host.strip("[]"), request.via.port or 5060))


async def final(phone: Telephone) -> Response:
    """The next final response."""
    while (response := await phone.response()).status < 200:
        pass
    return response
