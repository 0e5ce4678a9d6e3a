"""A SIP element that answers OPTIONS, to stand behind the transports in their tests."""

import asyncio
from collections.abc import Mapping
from typing import Any

from ucplatform.edge.transports import Transports
from ucplatform.sip.errors import ParseError
from ucplatform.sip.flow import Flow, hostport
from ucplatform.sip.message import Request, make_response, parse_message


def options(
    call: str = "1", *, via: str = "UDP", body: bytes = b"", extra: str = "", length: bool = True
) -> bytes:
    """An OPTIONS request; `extra` are whole header lines."""
    head = (
        f"OPTIONS sip:edge@example.com SIP/2.0\r\n"
        f"Via: SIP/2.0/{via} client.invalid;branch=z9hG4bK{call};rport\r\n"
        f"Max-Forwards: 70\r\nFrom: <sip:200@example.com>;tag=a\r\nTo: <sip:edge@example.com>\r\n"
        f"Call-ID: {call}\r\nCSeq: 1 OPTIONS\r\n{extra}"
    )
    head += f"Content-Length: {len(body)}\r\n\r\n" if length else "\r\n"
    return head.encode() + body


class Responder:
    """Answers each OPTIONS with 200 and the flow it came by; `X-Octets: n` asks for a body of that size.

    What happened can be awaited: `await responder.lost.get()` gives (flow, reason).
    """

    def __init__(self, **parts: Any) -> None:
        self.parts = parts
        self.transports: Transports | None = None
        self.flows: list[Flow] = []
        self.heard: asyncio.Queue[tuple[bytes, Flow]] = asyncio.Queue()
        self.lost: asyncio.Queue[tuple[Flow, str]] = asyncio.Queue()
        self.commands: list[Mapping[str, Any]] = []

    async def start(self, transports: Transports) -> None:
        self.transports = transports

    async def stop(self) -> None:
        pass

    def take_options(self, options: Mapping[str, Any]) -> None:
        pass

    def health(self) -> dict[str, Any]:
        return {"state": "ready", "lacks": []}

    async def execute(self, command: Mapping[str, Any]) -> None:
        self.commands.append(command)

    def on_data(self, data: bytes, flow: Flow) -> None:
        assert self.transports is not None
        self.heard.put_nowait((data, flow))
        self.flows.append(flow)
        try:
            message = parse_message(data)
        except ParseError:
            return
        if not isinstance(message, Request) or message.method != "OPTIONS":
            return
        size = int(message.headers.get("X-Octets") or 0)
        path = f"{flow.id} {flow.transport} {hostport(flow.remote)} {hostport(flow.local)}"
        response = make_response(message, 200, headers=[("X-Flow", path)], body=b"x" * size)
        for _ in range(int(message.headers.get("X-Times") or 1)):
            if not self.transports.send(flow, response.to_bytes()):
                return

    def on_flow_lost(self, flow: Flow, reason: str) -> None:
        self.lost.put_nowait((flow, reason))
