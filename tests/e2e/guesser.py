"""`python -m tests.e2e.guesser SERVER SOURCE DOMAIN NUMBER RIGHT GUESSES`: guesses as fast as it can.

It answers one challenge with GUESSES REGISTER requests, of which the second half carries the right secret:
whoever is cut after the limit opens nothing, whoever is not is in at once. Prints what came back as JSON:
{"statuses": {"403": n, …}, "cut_after": seconds from the fifth refusal to the last answer, "took": seconds}.
"""

import json
import socket
import sys
import time

from ucplatform.sip.digest import Challenge, authorize
from ucplatform.sip.message import Response, parse_message

LIMIT = 5
PAUSE_EVERY, PAUSE_SECONDS = 20, 0.004


class Guesser:
    """One socket at `source`; all requests belong to one registration."""

    def __init__(self, server: str, source: str, domain: str, number: str) -> None:
        host, _, port = server.partition(":")
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((source, 0))
        self.socket.connect((host, int(port)))
        self.address = "{}:{}".format(*self.socket.getsockname())
        self.domain, self.number = domain, number
        self.statuses: dict[int, int] = {}
        self.refused_at: list[float] = []
        self.last = 0.0

    def register(self, cseq: int, authorization: str = "") -> None:
        who = f"<sip:{self.number}@{self.domain}>"
        lines = [
            f"REGISTER sip:{self.domain} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.address};rport;branch=z9hG4bK-guess-{cseq}",
            "Max-Forwards: 70",
            f"From: {who};tag=g{cseq}",
            f"To: {who}",
            f"Call-ID: guess-{cseq}-{self.address}",
            f"CSeq: {cseq} REGISTER",
            f"Contact: <sip:{self.number}@{self.address}>",
            *([f"Authorization: {authorization}"] if authorization else []),
            "Content-Length: 0",
        ]
        self.socket.send(("\r\n".join(lines) + "\r\n\r\n").encode())

    def challenge(self) -> Challenge:
        self.socket.settimeout(5)
        self.register(1)
        response = parse_message(self.socket.recv(65536))
        return Challenge.parse(response.headers.get("WWW-Authenticate") or "")

    def read(self) -> None:
        """Whatever has come back so far."""
        while True:
            try:
                message = parse_message(self.socket.recv(65536))
            except (BlockingIOError, TimeoutError):
                return
            if isinstance(message, Response):
                self.last = time.monotonic()
                self.statuses[message.status] = self.statuses.get(message.status, 0) + 1
                if message.status == 403:
                    self.refused_at.append(self.last)

    def guess(self, right: str, guesses: int) -> None:
        challenge = self.challenge()
        uri = f"sip:{self.domain}"
        self.socket.setblocking(False)
        for number in range(1, guesses + 1):
            secret = right if number > guesses // 2 else f"guess-{number}"
            credentials = authorize(challenge, "REGISTER", uri, self.number, secret, "c", number)
            self.register(number + 1, str(credentials))
            if number % PAUSE_EVERY == 0:  # as fast as the socket's buffer lets them through
                time.sleep(PAUSE_SECONDS)
                self.read()
        end = time.monotonic() + 0.3
        while time.monotonic() < end:
            self.socket.settimeout(0.05)
            self.read()


def main() -> None:
    server, source, domain, number, right, guesses = sys.argv[1:]
    began = time.monotonic()
    guesser = Guesser(server, source, domain, number)
    guesser.guess(right, int(guesses))
    limit = guesser.refused_at[LIMIT - 1] if len(guesser.refused_at) >= LIMIT else guesser.last
    took = time.monotonic() - began
    print(json.dumps({"cut_after": guesser.last - limit, "took": took, "statuses": guesser.statuses}))


if __name__ == "__main__":
    main()
