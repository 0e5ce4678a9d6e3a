"""One endpoint on its own: requests as a peer puts them on the wire, and what came of them."""

import random

from ucplatform.sip.commands import PassUp, Send
from ucplatform.sip.endpoint import Endpoint
from ucplatform.sip.flow import Flow
from ucplatform.sip.message import Response

US, PEER = ("192.0.2.2", 5060), ("192.0.2.1", 5060)
UDP = Flow.udp(US, PEER)


def wire(
    method: str = "INVITE",
    *,
    branch: str = "z9hG4bK-1",
    to_tag: str = "",
    cseq: int = 1,
    forwards: int = 70,
    sent_by: str = "192.0.2.1:5060",
    call_id: str = "call-1",
    extra: str = "",
    transport: str = "UDP",
) -> bytes:
    """A request as a peer puts it on the wire; an empty branch makes it one of RFC 2543."""
    via = f"SIP/2.0/{transport} {sent_by}" + (f";branch={branch}" if branch else "")
    to = "<sip:201@example.com>" + (f";tag={to_tag}" if to_tag else "")
    return (
        f"{method} sip:201@192.0.2.2 SIP/2.0\r\nVia: {via}\r\nMax-Forwards: {forwards}\r\n"
        f"From: <sip:200@example.com>;tag=alice\r\nTo: {to}\r\n"
        f"Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n"
        f"Contact: <sip:200@192.0.2.1>\r\n{extra}Content-Length: 0\r\n\r\n"
    ).encode()


def endpoint(limit: int = 100) -> Endpoint:
    return Endpoint("1", rng=random.Random(1), limit=limit)


def responses(commands: list) -> list[int]:
    return [
        item.message.status
        for item in commands
        if isinstance(item, Send) and isinstance(item.message, Response)
    ]


def events(commands: list) -> list:
    return [command.event for command in commands if isinstance(command, PassUp)]


def got(node, kind: type) -> list:
    return [event for event in node.take() if isinstance(event, kind)]
