"""Somebody on the network who writes SIP by hand: what a phone would never send."""

from __future__ import annotations

import secrets
import socket
import time

from tests.e2e.instance import Instance, Person
from ucplatform.sip.digest import Challenge, authorize
from ucplatform.sip.message import Request, Response, parse_message

SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
)


class Stranger:
    """One UDP socket, at the address `source`. `number` is who it says it is."""

    def __init__(self, instance: Instance, number: str, source: str = "127.0.0.1") -> None:
        host, _, port = instance.sip.partition(":")
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((source, 0))
        self._socket.connect((host, int(port)))
        self.address = "{}:{}".format(*self._socket.getsockname())
        self.instance = instance
        self.number = number
        self.tag = secrets.token_hex(4)
        self.call_id = secrets.token_hex(8)
        self.cseq = 0
        self.answer: Response | None = None

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Stranger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def request(
        self,
        method: str,
        to: str,
        *headers: str,
        body: str = "",
        call_id: str = "",
        from_tag: str = "",
        to_tag: str = "",
        seconds: float = 5.0,
    ) -> Response:
        """Send one request and wait for its final response; an INVITE's failure is acknowledged. TimeoutError
        when none comes within `seconds`."""
        self._socket.settimeout(seconds)
        self.cseq += 1
        branch = f"z9hG4bK{secrets.token_hex(6)}"
        target = f"sip:{to}@{self.instance.domain}"
        lines = [
            f"{method} {target} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.address};rport;branch={branch}",
            "Max-Forwards: 70",
            f"From: <sip:{self.number}@{self.instance.domain}>;tag={from_tag or self.tag}",
            f"To: <{target}>" + (f";tag={to_tag}" if to_tag else ""),
            f"Call-ID: {call_id or self.call_id}",
            f"CSeq: {self.cseq} {method}",
            f"Contact: <sip:{self.number}@{self.address}>",
            *headers,
        ]
        if body:
            lines.append("Content-Type: application/sdp")
        self._socket.send("\r\n".join([*lines, f"Content-Length: {len(body)}", "", body]).encode())
        response = self._final(branch)
        if method == "INVITE" and response.status >= 300:
            ack = [lines[0].replace("INVITE", "ACK", 1), *lines[1:4], f"To: {response.to}", lines[5],
                   f"CSeq: {self.cseq} ACK", "Content-Length: 0", "", ""]  # fmt: skip
            self._socket.send("\r\n".join(ack).encode())
        return response

    def _final(self, branch: str) -> Response:
        while True:
            message = parse_message(self._socket.recv(65536))
            if isinstance(message, Request) or message.status < 200 or message.via.branch != branch:
                continue
            return message

    def wait_request(self, method: str, seconds: float) -> Request:
        """The next request of that method that comes in, whatever else comes before it."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                message = parse_message(self._socket.recv(65536))
            except TimeoutError:
                break
            if isinstance(message, Request) and message.method == method:
                return message
        raise AssertionError(f"no {method} within {seconds:g} s")

    def signed(
        self,
        method: str,
        to: str,
        person: Person,
        password: str = "",
        body: str = "",
        headers: tuple[str, ...] = (),
    ) -> Response:
        """Ask, answer the challenge as `person` (with `password` in place of theirs), give the outcome."""
        first = self.request(method, to, *headers, body=body)
        assert first.status == 401, first.status
        challenge = Challenge.parse(first.headers.get("WWW-Authenticate") or "")
        credentials = authorize(
            challenge,
            method,
            f"sip:{to}@{self.instance.domain}",
            person.number,
            password or person.secret,
            "c1",
        )
        return self.request(method, to, f"Authorization: {credentials}", *headers, body=body)

    def call(self, to: str, person: Person) -> float:
        """Call, hang up at the answer; how long it took from the first INVITE to the answer, in seconds."""
        self.call_id, self.tag = secrets.token_hex(8), secrets.token_hex(4)
        began = time.perf_counter()
        answer = self.signed("INVITE", to, person, body=SDP)
        took = time.perf_counter() - began
        assert answer.status == 200, answer.status
        self._acknowledge(to, answer.to_tag or "")
        assert self.request("BYE", to, to_tag=answer.to_tag or "").status == 200
        return took

    def _acknowledge(self, to: str, to_tag: str) -> None:
        """The ACK of a 2xx (RFC 3261 13.2.2.4)."""
        target = f"sip:{to}@{self.instance.domain}"
        lines = [
            f"ACK {target} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.address};rport;branch=z9hG4bK{secrets.token_hex(6)}",
            "Max-Forwards: 70",
            f"From: <sip:{self.number}@{self.instance.domain}>;tag={self.tag}",
            f"To: <{target}>;tag={to_tag}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {self.cseq} ACK",
        ]
        self._socket.send("\r\n".join([*lines, "Content-Length: 0", "", ""]).encode())
