"""Many telephones in one event loop: each number signs in, calls, answers, holds, resumes and hangs up.

For loads that SIPp cannot make: calls whose both sides are driven, and WebSockets. Messages are read with
nothing but splits: these are no tests of parsers. A request is sent again as RFC 3261 17.1.2.2 says (on UDP),
an answer to an INVITE until its ACK is here.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.e2e.instance import Person
from ucplatform.sip.digest import Challenge, authorize

T1, T2, GIVE_UP = 0.5, 4.0, 32.0
HEAD = "v=0\r\no=- {n} {n} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
PHONE = HEAD + "m=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na={direction}\r\n"
#: what a browser answers; nobody is behind its candidate, so sound never begins
BROWSER = (
    HEAD + "m=audio 40000 UDP/TLS/RTP/SAVPF 0\r\na=rtpmap:0 PCMU/8000\r\na=mid:{mid}\r\na=rtcp-mux\r\n"
    "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=setup:active\r\na={direction}\r\n"
    "a=fingerprint:sha-256 " + ":".join(["AB"] * 32) + "\r\n"
    "a=candidate:1 1 udp 2113937151 127.0.0.1 40000 typ host\r\n"
)
MIRROR = {"sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}


class Message:
    """A request or response: start line, headers in order, body."""

    def __init__(self, data: str) -> None:
        head, _, self.body = data.partition("\r\n\r\n")
        self.start, *lines = head.split("\r\n")
        self.lines = [line.partition(":") for line in lines]
        self.headers = {name.strip().lower(): value.strip() for name, _, value in reversed(self.lines)}
        self.status = int(self.start.split(" ", 2)[1]) if self.start.startswith("SIP/") else 0
        self.number, _, self.method = self.headers["cseq"].partition(" ")

    def all(self, name: str) -> list[str]:
        return [value.strip() for found, _, value in self.lines if found.strip().lower() == name]

    @property
    def direction(self) -> str:
        """Of the media, as the one who wrote it sees it."""
        return next((w for w in ("sendonly", "recvonly", "inactive") if f"a={w}" in self.body), "sendrecv")


class Refused(Exception):
    """A final answer that is no 2xx, or none at all (status 408)."""

    def __init__(self, status: int, what: str) -> None:
        super().__init__(f"{what}: {status}")
        self.status = status


@dataclass
class Talk:
    """One side of a call. `target` is the peer's Contact, `theirs` the direction it described last."""

    agent: Agent
    number: str
    call_id: str
    local: str
    remote: str
    target: str
    cseq: int = 1
    version: int = 1
    theirs: str = "sendrecv"
    mid: str = "0"
    up: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def describe(self, direction: str) -> str:
        """A re-INVITE with that direction; the direction of the answer."""
        self.version += 1
        answer = await self.ask("INVITE", body=self.agent.sdp(self, direction))
        return answer.direction

    async def hang_up(self) -> None:
        await self.ask("BYE")
        self.ended.set()

    async def ask(self, method: str, body: str = "", extra: tuple[str, ...] = ()) -> Message:
        """A request within the dialog and its 2xx; Refused otherwise. An INVITE's is acknowledged."""
        self.cseq += 1
        answer = await self.agent.transact(self, method, self.target, self.cseq, body, extra)
        if method == "INVITE":
            self.target = uri_of(answer.headers["contact"])
            self.agent.write(self, "ACK", self.target, self.cseq)
        return answer


class Agent:
    """Numbers behind one socket. What it is called for it answers at once: 180, then 200."""

    transport = "UDP"
    reliable = False
    body = PHONE

    def __init__(self, server: str, domain: str) -> None:
        self.server, self.domain = server, domain
        self.address = ""  # of our Via and Contact
        self.talks: dict[str, Talk] = {}  # by Call-ID
        self.retransmissions = 0
        self.faults: list[str] = []
        self.on_talk: Callable[[Talk], None] = lambda talk: None
        self._waiting: dict[tuple[str, str], asyncio.Future[Message]] = {}
        self._answers: dict[tuple[str, str], str] = {}  # final responses, to be repeated for copies
        self._unacked: dict[tuple[str, str], asyncio.TimerHandle] = {}
        self._count = itertools.count()

    def send(self, text: str) -> None:
        raise NotImplementedError

    # -- what we ask ------------------------------------------------------------------------------

    async def register(self, person: Person, seconds: int = 600) -> None:
        """Sign in with digest."""
        aor = f"sip:{person.number}@{self.domain}"
        talk = Talk(
            self, person.number, secrets.token_hex(8), f"<{aor}>;tag={secrets.token_hex(4)}", f"<{aor}>", ""
        )
        await self.signed(talk, person, "REGISTER", f"sip:{self.domain}", "", (f"Expires: {seconds}",))

    async def call(self, person: Person, number: str) -> Talk:
        """An answered call."""
        aor = f"sip:{person.number}@{self.domain}"
        to = f"sip:{number}@{self.domain}"
        call_id = secrets.token_hex(8)
        talk = Talk(self, person.number, call_id, f"<{aor}>;tag={secrets.token_hex(4)}", f"<{to}>", to)
        self.talks[call_id] = talk
        try:
            answer = await self.signed(talk, person, "INVITE", to, self.sdp(talk, "sendrecv"))
        except Refused:
            del self.talks[call_id]
            raise
        talk.remote, talk.target = answer.headers["to"], uri_of(answer.headers["contact"])
        talk.up = True
        self.write(talk, "ACK", talk.target, talk.cseq)
        return talk

    async def signed(
        self, talk: Talk, person: Person, method: str, uri: str, body: str, extra: tuple[str, ...] = ()
    ) -> Message:
        """Ask, answer the challenge, give the 2xx."""
        talk.cseq += 1
        try:
            return await self.transact(talk, method, uri, talk.cseq, body, extra)
        except Challenged as challenged:
            line = challenged.answer.headers["www-authenticate"]
        credentials = authorize(Challenge.parse(line), method, uri, person.number, person.secret, "c1")
        talk.cseq += 1
        line = f"Authorization: {credentials}"
        return await self.transact(talk, method, uri, talk.cseq, body, (*extra, line))

    async def transact(
        self, talk: Talk, method: str, uri: str, cseq: int, body: str, extra: tuple[str, ...]
    ) -> Message:
        """One transaction of the client's side; the 2xx, or Refused."""
        branch = f"z9hG4bK{next(self._count)}x{secrets.token_hex(4)}"
        text = self.text(talk, method, uri, cseq, body, extra, branch)
        key = (branch, method)
        answer = self._waiting[key] = asyncio.get_running_loop().create_future()
        self.send(text)
        again = self._again(text, answer, T1)
        try:
            found = await asyncio.wait_for(answer, GIVE_UP)
        except TimeoutError:
            raise Refused(408, f"{method} of {talk.number}") from None
        finally:
            again()
            del self._waiting[key]
        if found.status >= 300 and method == "INVITE":
            self.send(self.text(talk, "ACK", uri, cseq, "", (), branch, to=found.headers["to"]))
        if found.status == 401:
            raise Challenged(found)
        if found.status >= 300:
            raise Refused(found.status, f"{method} of {talk.number}")
        return found

    def _again(self, text: str, answer: asyncio.Future[Message], interval: float) -> Callable[[], None]:
        """Send it again and again on UDP until there is an answer; returns what ends that."""
        loop, timer = asyncio.get_running_loop(), None

        def fire() -> None:
            nonlocal timer, interval
            if not answer.done():
                self.retransmissions += 1
                self.send(text)
                interval = min(2 * interval, T2)
                timer = loop.call_later(interval, fire)

        if not self.reliable:
            timer = loop.call_later(interval, fire)
        return lambda: timer.cancel() if timer else None

    def write(self, talk: Talk, method: str, uri: str, cseq: int) -> None:
        """A request nobody answers: ACK."""
        self.send(self.text(talk, method, uri, cseq, "", (), f"z9hG4bK{secrets.token_hex(8)}"))

    def text(
        self,
        talk: Talk,
        method: str,
        uri: str,
        cseq: int,
        body: str,
        extra: tuple[str, ...],
        branch: str,
        to: str = "",
    ) -> str:
        kind = ("Content-Type: application/sdp",) if body else ()
        return "\r\n".join(
            [
                f"{method} {uri} SIP/2.0",
                f"Via: SIP/2.0/{self.transport} {self.address};rport;branch={branch}", "Max-Forwards: 70",
                f"From: {talk.local}", f"To: {to or talk.remote}", f"Call-ID: {talk.call_id}",
                f"CSeq: {cseq} {method}", f"Contact: {self.contact(talk.number)}", *extra, *kind,
                f"Content-Length: {len(body)}", "", body,
            ]
        )  # fmt: skip

    def contact(self, number: str) -> str:
        return f"<sip:{number}@{self.address};transport={self.transport.lower()}>"

    def sdp(self, talk: Talk, direction: str) -> str:
        return self.body.format(n=talk.version, direction=direction, mid=talk.mid)

    # -- what we are asked ------------------------------------------------------------------------

    def received(self, text: str) -> None:
        if not text.strip():
            return
        message = Message(text)
        if message.status:
            branch = message.headers["via"].partition("branch=")[2].partition(";")[0]
            waiting = self._waiting.get((branch, message.method))
            if waiting is not None and message.status >= 200 and not waiting.done():
                waiting.set_result(message)
            return
        method = message.start.partition(" ")[0]
        key = (message.headers["call-id"], message.number)
        if method == "ACK":
            timer = self._unacked.pop(key, None)
            if timer is not None:
                timer.cancel()
        elif (message.headers["call-id"], f"{message.number} {method}") in self._answers:
            self.send(self._answers[key[0], f"{message.number} {method}"])
        else:
            self._request(method, message)

    def _request(self, method: str, message: Message) -> None:
        talk = self.talks.get(message.headers["call-id"])
        if talk is None and method == "INVITE" and ";tag=" not in message.headers["to"]:
            self._ring(message)
        elif talk is None:
            self.reply(message, 481 if method != "OPTIONS" else 200)
        elif method in ("INVITE", "UPDATE") and message.body:
            talk.theirs, talk.target = message.direction, uri_of(message.headers["contact"])
            talk.version += 1
            self.reply(message, 200, talk, self.sdp(talk, MIRROR.get(talk.theirs, "sendrecv")))
        elif method == "INVITE":  # a refresh without an offer
            self.reply(message, 200, talk, self.sdp(talk, "sendrecv"))
        else:
            self.reply(message, 200, talk)
            if method == "BYE":
                talk.ended.set()

    def _ring(self, message: Message) -> None:
        number = uri_of(message.headers["to"]).partition(":")[2].partition("@")[0]
        local = f"{message.headers['to']};tag={secrets.token_hex(4)}"
        talk = Talk(
            self, number, message.headers["call-id"], local, message.headers["from"],
            uri_of(message.headers["contact"]),
        )  # fmt: skip
        talk.mid = message.body.partition("a=mid:")[2].partition("\r\n")[0] or "0"
        self.talks[talk.call_id] = talk
        self.reply(message, 180, talk)
        self.reply(message, 200, talk, self.sdp(talk, "sendrecv"))
        talk.up = True
        self.on_talk(talk)

    def reply(self, request: Message, status: int, talk: Talk | None = None, body: str = "") -> None:
        method = request.start.partition(" ")[0]
        to = talk.local if talk and ";tag=" not in request.headers["to"] else request.headers["to"]
        lines = [f"SIP/2.0 {status} {'OK' if status == 200 else 'So'}"]
        lines += [f"Via: {value}" for value in request.all("via")]
        lines += [f"Record-Route: {value}" for value in request.all("record-route")]
        lines += [f"{name}: {request.headers[name.lower()]}" for name in ("From", "Call-ID", "CSeq")]
        lines += [f"To: {to}"]
        if method == "INVITE" and talk:
            lines.append(f"Contact: {self.contact(talk.number)}")
        if body:
            lines.append("Content-Type: application/sdp")
        text = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", body])
        self.send(text)
        if status >= 200:
            call_id = request.headers["call-id"]
            self._answers[call_id, f"{request.number} {method}"] = text
            if method == "INVITE" and status < 300:
                self._until_ack((call_id, request.number), text, T1)

    def _until_ack(self, key: tuple[str, str], text: str, interval: float) -> None:
        """RFC 3261 13.3.1.4: on any transport."""

        def fire() -> None:
            if self.talks[key[0]].ended.is_set():
                self._unacked.pop(key, None)
                return
            self.retransmissions += 1
            self.send(text)
            self._until_ack(key, text, min(2 * interval, T2))

        self._unacked[key] = asyncio.get_running_loop().call_later(interval, fire)

    def close(self) -> None:
        for timer in self._unacked.values():
            timer.cancel()


class Challenged(Refused):
    """A 401."""

    def __init__(self, answer: Message) -> None:
        super().__init__(401, "challenged")
        self.answer = answer


class UdpAgent(Agent, asyncio.DatagramProtocol):
    """Behind one UDP port."""

    @classmethod
    async def open(cls, server: str, domain: str, address: str = "127.0.0.1") -> UdpAgent:
        host, _, port = server.partition(":")
        agent = cls(server, domain)
        await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: agent, local_addr=(address, 0), remote_addr=(host, int(port))
        )
        return agent

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._socket = transport
        transport.get_extra_info("socket").setsockopt(1, 8, 4 * 1024 * 1024)  # SOL_SOCKET, SO_RCVBUF
        self.address = "{}:{}".format(*transport.get_extra_info("sockname"))

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.received(data.decode())

    def error_received(self, error: Exception) -> None:
        """Nobody listens there for the moment: the edge is being restarted."""

    def send(self, text: str) -> None:
        self._socket.sendto(text.encode())

    def close(self) -> None:
        super().close()
        self._socket.close()


def uri_of(value: str) -> str:
    """What stands between the brackets."""
    return value.partition("<")[2].partition(">")[0] if "<" in value else value.partition(";")[0]


async def timed(action: Callable[[], object]) -> float:
    """Seconds that an awaitable took."""
    begun = time.monotonic()
    await action()  # type: ignore[misc]
    return time.monotonic() - begun
