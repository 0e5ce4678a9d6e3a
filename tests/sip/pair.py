"""Two endpoints and a network between them on a fake clock: messages take time, get lost, arrive as bytes."""

import heapq
import random
from collections.abc import Callable

from ucplatform.sip.commands import (
    CancelTimer,
    Command,
    Event,
    Key,
    PassUp,
    RequestReceived,
    Send,
    SetTimer,
    Terminated,
)
from ucplatform.sip.endpoint import LIMIT, Endpoint
from ucplatform.sip.flow import Flow
from ucplatform.sip.headers import Headers
from ucplatform.sip.message import Request, Response, make_response
from ucplatform.sip.timers import TimerQueue
from ucplatform.sip.uri import Uri

A = ("192.0.2.1", 5060)
B = ("192.0.2.2", 5060)
DELAY = 0.01


def label(message: Request | Response) -> str:
    """`INVITE` for a request, `200 INVITE` for a response."""
    return message.method if isinstance(message, Request) else f"{message.status} {message.method}"


def build(
    method: str, *, cseq: int = 1, call_id: str = "call-1", to_tag: str = "", **headers: str
) -> Request:
    """A request as a user hands it to the endpoint: without Via. Keywords are headers, `_` for `-`."""
    lines = [
        ("From", "<sip:200@example.com>;tag=alice"),
        ("To", "<sip:201@example.com>" + (f";tag={to_tag}" if to_tag else "")),
        ("Call-ID", call_id),
        ("CSeq", f"{cseq} {method}"),
        ("Contact", "<sip:200@192.0.2.1>"),
    ]
    lines += [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Request(method, Uri.parse("sip:201@192.0.2.2"), Headers(lines))


class Node:
    """One endpoint, its end of the flow, its timers, and all that it told its user."""

    def __init__(self, name: str, flow: Flow, limit: int) -> None:
        self.name = name
        self.flow = flow
        self.endpoint = Endpoint(name, rng=random.Random(name), limit=limit)
        self.timers = TimerQueue()
        self.events: list[Event] = []
        self.ended: list[Key] = []

    def take(self) -> list[Event]:
        """The events since the last call."""
        events, self.events = self.events, []
        return events


class Pair:
    """Endpoints `a` and `b`. `lose(sender, label, count)` is asked for each message; count begins at 1.

    `log` holds (time, sender, label) of everything sent, lost or not; times are exact, the clock starts at 0.
    """

    def __init__(self, transport: str = "udp", limit: int = LIMIT) -> None:
        self.now = 0.0
        if transport == "udp":
            flows = Flow.udp(A, B), Flow.udp(B, A)
        else:
            flows = Flow(f"{transport}-1", transport, A, B), Flow(f"{transport}-2", transport, B, A)
        self.a = Node("a", flows[0], limit)
        self.b = Node("b", flows[1], limit)
        self.lose: Callable[[str, str, int], bool] = lambda sender, what, count: False
        self.log: list[tuple[float, str, str]] = []
        self.sent: list[tuple[Node, Send]] = []
        self._air: list[tuple[float, int, Node, bytes]] = []

    def do(self, node: Node, commands: list[Command]) -> None:
        """Carry out what an endpoint asked for."""
        for command in commands:
            if isinstance(command, Send):
                self._transmit(node, command)
            elif isinstance(command, SetTimer):
                node.timers.set(command.key, command.at)
            elif isinstance(command, CancelTimer):
                node.timers.cancel(command.key)
            elif isinstance(command, PassUp):
                node.events.append(command.event)
            elif isinstance(command, Terminated):
                node.ended.append(command.key)

    def _transmit(self, node: Node, send: Send) -> None:
        what = label(send.message)
        self.log.append((round(self.now, 6), node.name, what))
        self.sent.append((node, send))
        count = sum(1 for _, name, seen in self.log if (name, seen) == (node.name, what))
        if not self.lose(node.name, what, count):
            peer = self.b if node is self.a else self.a
            heapq.heappush(self._air, (self.now + DELAY, len(self.log), peer, send.message.to_bytes()))

    def run(self, seconds: float = 0.1) -> None:
        """Let time pass: deliver what arrives and fire what is due, in order."""
        end = self.now + seconds
        while True:
            due = [(at, node) for node in (self.a, self.b) if (at := node.timers.next_at()) is not None]
            timer = min(due, key=lambda pair: pair[0], default=(end + 1, self.a))
            arrival = self._air[0][0] if self._air else end + 1
            if min(timer[0], arrival) > end:
                break
            self.now = min(timer[0], arrival)
            if arrival <= timer[0]:
                _, _, node, data = heapq.heappop(self._air)
                self.do(node, node.endpoint.receive(data, node.flow, self.now))
            else:
                node = timer[1]
                key = node.timers.pop_due(self.now)
                if key is not None:
                    self.do(node, node.endpoint.fire(key, self.now))
        self.now = end

    def times(self, sender: str, what: str) -> list[float]:
        """When a message was sent, to the millisecond."""
        return [round(at, 3) for at, name, seen in self.log if (name, seen) == (sender, what)]

    def messages(self, sender: str, what: str) -> list[Request | Response]:
        """The messages themselves, as they were given to the network."""
        return [
            send.message for node, send in self.sent if node.name == sender and label(send.message) == what
        ]

    # What a user does, in one word each; `a` calls, `b` answers.

    def call(self, method: str = "INVITE", ttl: float | None = None, **headers: str) -> Key:
        """`a` sends a request."""
        key, commands = self.a.endpoint.request(
            build(method, **headers), self.a.flow, self.now, context=method, ttl=ttl
        )
        self.do(self.a, commands)
        return key

    def answer(
        self, event: Event, status: int, to_tag: str = "bob", *, reliably: bool = False, body: bytes = b""
    ) -> Response:
        """`b` answers a request that it got."""
        assert isinstance(event, RequestReceived)
        headers = [("Contact", "<sip:201@192.0.2.2>"), *([("Require", "100rel")] if reliably else [])]
        response = make_response(event.request, status, to_tag=to_tag, headers=headers, body=body)
        self.do(self.b, self.b.endpoint.respond(event.key, response, self.now))
        return response

    def cancel(self, key: Key) -> None:
        """`a` cancels its INVITE."""
        self.do(self.a, self.a.endpoint.cancel(key, self.now))

    def ack(self, to_tag: str = "bob", cseq: int = 1) -> None:
        """`a` acknowledges a 2xx."""
        ack = build("ACK", to_tag=to_tag, cseq=cseq)
        self.do(self.a, self.a.endpoint.acknowledge(ack, self.a.flow, self.now))

    def settle(self) -> None:
        """Let all transactions end; nothing may be left behind."""
        self.run(200)
        for node in (self.a, self.b):
            parts = (node.endpoint, node.endpoint._reliable)
            tables = [value for part in parts for value in vars(part).values() if isinstance(value, dict)]
            assert not any(tables), tables
            assert len(node.timers) == 0
