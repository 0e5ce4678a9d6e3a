"""A caller that knows to microseconds when its 180 came: the kernel notes when each datagram arrives, so it
does not matter when this process gets to read it. SIPp's clock ticks every 4 ms."""

import gc
import heapq
import itertools
import secrets
import select
import socket
import struct
import time
from dataclasses import dataclass, field

from tests.e2e.instance import Person
from ucplatform.sip.digest import Challenge, authorize

SO_TIMESTAMPNS = 35  # Linux; the socket module has no name for it
T1 = 0.5
SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 101\r\n"
    "a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=inactive\r\n"
)


def take(sock: socket.socket) -> tuple[bytes, int]:
    """A datagram of a socket with SO_TIMESTAMPNS, and the kernel's time of its arrival in ns."""
    data, notes, _, _ = sock.recvmsg(65536, 64)
    seconds, nanoseconds = struct.unpack("qq", notes[0][2][:16])
    return data, seconds * 1_000_000_000 + nanoseconds


@dataclass
class Call:
    """One call as its caller sees it. `pending`: CSeq and method of the request that waits for its answer."""

    number: int
    person: Person
    called: str
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    to: str = ""
    target: str = ""
    pending: tuple[int, str] | None = None
    text: bytes = b""
    asked: int = 0
    ringing: float | None = None  # ms
    done: bool = False


class Probe:
    """Calls at an even pace from one UDP socket, each `talk` seconds long; `run` gives them all."""

    def __init__(self, server: str, domain: str, pairs: list[tuple[Person, Person]], talk: float) -> None:
        host, _, port = server.partition(":")
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 1024 * 1024)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.connect((host, int(port)))
        self._socket.setblocking(False)
        self._own = "{}:{}".format(*self._socket.getsockname())
        self._domain, self._pairs, self._talk = domain, pairs, talk
        self._calls: dict[str, Call] = {}
        self._due: list[tuple[float, int, str, Call, float]] = []  # when, tie-breaker, what, for whom, T
        self._order = itertools.count()
        self.retransmissions = 0

    def run(self, calls: int, rate: float, patience: float = 40.0) -> list[Call]:
        """Begin so many calls, so many a second; back when all have ended or patience has."""
        begun = time.monotonic() + 0.1
        for number in range(calls):
            caller, called = self._pairs[number % len(self._pairs)]
            self._plan(begun + number / rate, "call", Call(number, caller, called.number))
        everybody = [call for _, _, _, call, _ in self._due]
        end = begun + calls / rate + self._talk + patience
        gc.disable()
        try:
            while not all(call.done for call in everybody) and time.monotonic() < end:
                self._turn(min(end, time.monotonic() + 1))
        finally:
            gc.enable()
            self._socket.close()
        return everybody

    def _turn(self, end: float) -> None:
        """Until `end`: what is due, and what has come."""
        while (now := time.monotonic()) < end:
            while self._due and self._due[0][0] <= now:
                _, _, what, call, interval = heapq.heappop(self._due)
                self._carry_out(what, call, interval)
            wait = min(self._due[0][0] if self._due else end, end) - time.monotonic()
            if wait > 0 and not select.select([self._socket], [], [], wait)[0]:
                continue
            self._read()

    def _read(self) -> None:
        while True:
            try:
                data, at = take(self._socket)
            except (BlockingIOError, ConnectionRefusedError):
                return
            self._received(data.decode(), at)

    def _plan(self, when: float, what: str, call: Call, interval: float = T1) -> None:
        heapq.heappush(self._due, (when, next(self._order), what, call, interval))

    def _carry_out(self, what: str, call: Call, interval: float) -> None:
        if what == "call":
            self._calls[call.id] = call
            call.to = f"<sip:{call.called}@{self._domain}>"
            call.target = f"sip:{call.called}@{self._domain}"
            self._ask(call, "INVITE", 1, body=SDP)
        elif what == "bye":
            self._ask(call, "BYE", 3)
        elif call.text == what.encode() and call.pending is not None:  # not answered yet: once more
            self.retransmissions += 1
            self._socket.send(call.text)
            self._plan(time.monotonic() + 2 * interval, what, call, 2 * interval)

    def _ask(self, call: Call, method: str, cseq: int, extra: str = "", body: str = "") -> None:
        text = self._text(call, method, cseq, extra, body)
        call.text, call.pending = text.encode(), (cseq, method)
        call.asked = time.time_ns()
        self._socket.send(call.text)
        self._plan(time.monotonic() + T1, text, call)

    def _text(
        self, call: Call, method: str, cseq: int, extra: str = "", body: str = "", refused: bool = False
    ) -> str:
        """`refused`: an ACK of the INVITE's own transaction (RFC 3261 17.1.1.3)."""
        branch = f"z9hG4bK{call.id}{cseq}{method if method != 'INVITE' and not refused else ''}"
        kind = "Content-Type: application/sdp\r\n" if body else ""
        return (
            f"{method} {call.target} SIP/2.0\r\nVia: SIP/2.0/UDP {self._own};rport;branch={branch}\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:{call.person.number}@{self._domain}>;tag=p{call.number}\r\n"
            f"To: {call.to}\r\nCall-ID: {call.id}\r\nCSeq: {cseq} {method}\r\n"
            f"Contact: <sip:{call.person.number}@{self._own}>\r\n{extra}{kind}"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        )

    def _received(self, text: str, at: int) -> None:
        lines = text.partition("\r\n\r\n")[0].split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        call = self._calls.get(headers.get("call-id", ""))
        if call is None or not lines[0].startswith("SIP/2.0 "):
            return
        status = int(lines[0].split(" ")[1])
        cseq, _, method = headers["cseq"].partition(" ")
        if status == 180 and call.ringing is None:
            call.ringing = (at - call.asked) / 1e6
        if call.pending != (int(cseq), method):
            if method == "INVITE" and 200 <= status < 300:  # its ACK was lost, or is late
                self._socket.send(self._text(call, "ACK", 2).encode())
            return
        if method == "INVITE" and status < 200:
            call.text = b""  # RFC 3261 17.1.1.2: no copies once a provisional response is here
            return
        call.pending = None
        self._answered(call, method, status, headers)

    def _answered(self, call: Call, method: str, status: int, headers: dict[str, str]) -> None:
        if method == "BYE":
            call.done = True
        elif status == 401:
            ack = self._text(call, "ACK", 1, refused=True).replace(f"To: {call.to}", f"To: {headers['to']}")
            self._socket.send(ack.encode())
            challenge = Challenge.parse(headers["www-authenticate"])
            number, secret = call.person.number, call.person.secret
            line = authorize(challenge, "INVITE", call.target, number, secret, "c1")
            self._ask(call, "INVITE", 2, f"Authorization: {line}\r\n", SDP)
        elif status < 300:
            call.to = headers["to"]
            call.target = headers["contact"].partition("<")[2].partition(">")[0]
            self._socket.send(self._text(call, "ACK", 2).encode())
            self._plan(time.monotonic() + self._talk, "bye", call)
        else:
            call.ringing, call.done = None, True
            call.to = headers["to"]
            self._socket.send(self._text(call, "ACK", 2, refused=True).encode())
