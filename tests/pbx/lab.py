"""A call on the bench: its inputs are real SIP messages, its commands are looked at, no socket is opened."""

from __future__ import annotations

import itertools
from typing import Any

from ucplatform.pbx import machine
from ucplatform.pbx.call import Call
from ucplatform.pbx.commands import AskMedia, Command, Respond, SendRequest, StartTimer, WriteRecord
from ucplatform.pbx.inputs import InDialog, Input, InviteIn, MediaDone, Reply, Timeout
from ucplatform.pbx.ports import Account, House
from ucplatform.pbx.registrar import Binding
from ucplatform.pbx.routing import Route, ToExtension
from ucplatform.sip.flow import Flow
from ucplatform.sip.message import Request, Response, make_response, parse_message

HOUSE = House("1", "pbx.test", interfaces={"192.0.2.1": "lan"})
ALICE = Account("200", "Reception", 1, "", "")
BOB = Account("201", "Sales", 2, "", "")

SDP = (
    "v=0\r\no=- {id} {version} IN IP4 192.0.2.{host}\r\ns=-\r\nc=IN IP4 192.0.2.{host}\r\nt=0 0\r\n"
    "m=audio {port} RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 "
    "telephone-event/8000\r\na={direction}\r\n"
)


def sdp(host: int = 10, port: int = 4000, direction: str = "sendrecv", version: int = 1) -> str:
    return SDP.format(id=host, version=version, host=host, port=port, direction=direction)


def phone_flow(host: int) -> Flow:
    return Flow.udp(("192.0.2.1", 5060), (f"192.0.2.{host}", 5060))


def page_flow(name: str, host: int = 50) -> Flow:
    return Flow(name, "wss", ("192.0.2.1", 8443), (f"192.0.2.{host}", 40000))


def request(
    method: str,
    to: str,
    body: str = "",
    *,
    call_id: str = "call-1",
    cseq: int = 1,
    from_tag: str = "a-tag",
    to_tag: str = "",
    user: str = "200",
    extra: tuple[str, ...] = (),
) -> Request:
    lines = [
        f"{method} sip:{to}@pbx.test SIP/2.0",
        f"Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK{method}{cseq}",
        "Max-Forwards: 70",
        f"From: <sip:{user}@pbx.test>;tag={from_tag}",
        f"To: <sip:{to}@pbx.test>" + (f";tag={to_tag}" if to_tag else ""),
        f"Call-ID: {call_id}",
        f"CSeq: {cseq} {method}",
        f"Contact: <sip:{user}@192.0.2.10>",
        *extra,
    ]
    if body:
        lines.append("Content-Type: application/sdp")
    message = parse_message(("\r\n".join([*lines, f"Content-Length: {len(body)}", "", body])).encode())
    assert isinstance(message, Request)
    return message


class Bench:
    """One call, driven step by step; `commands` are those of the last step, `sent` all that ever were."""

    def __init__(self, house: House = HOUSE) -> None:
        self.call = Call("c-test", house)
        self.commands: list[Command] = []
        self.all: list[Command] = []
        self.now = 1000.0
        self._tags = itertools.count(1)

    def feed(self, event: Input) -> list[Command]:
        self.commands = machine.receive(self.call, event, self.now)
        self.all += self.commands
        return self.commands

    def of(self, kind: type) -> list[Any]:
        return [command for command in self.commands if isinstance(command, kind)]

    def asked(self, ref: str) -> dict[str, Any]:
        return next(c.command for c in reversed(self.all) if isinstance(c, AskMedia) and c.ref == ref)

    def sent(self, leg: str, method: str) -> Request:
        return next(
            c.request
            for c in reversed(self.all)
            if isinstance(c, SendRequest) and c.leg == leg and c.request.method == method
        )

    def said(self) -> Response:
        """Our last answer."""
        return next(c.response for c in reversed(self.all) if isinstance(c, Respond))

    def timers(self) -> dict[str, float]:
        """Those started in the last step, by name, in seconds."""
        return {c.name: c.seconds for c in self.commands if isinstance(c, StartTimer)}

    def later(self, seconds: float, name: str) -> None:
        """Time passes until the timer is due."""
        self.now += seconds
        self.feed(Timeout(name))

    def answers(self) -> list[int]:
        """Statuses that went to the caller's INVITE or to other requests, in order."""
        return [c.response.status for c in self.all if isinstance(c, Respond)]

    @property
    def record(self) -> dict[str, Any]:
        return next(c.record for c in self.all if isinstance(c, WriteRecord))

    # -- what a caller, devices and the engine do --------------------------------------------------

    def dial(
        self,
        *devices: Binding,
        to: str = "201",
        route: Route | None = None,
        flow: Flow | None = None,
        body: str | None = None,
        extra: tuple[str, ...] = (),
    ) -> None:
        route = route or ToExtension(BOB)
        invite = request("INVITE", to, sdp() if body is None else body, extra=extra)
        self.feed(InviteIn(("invite",), invite, flow or phone_flow(10), ALICE, route, devices))

    def engine(self, ref: str, **reply: Any) -> None:
        self.feed(MediaDone(ref, {"result": "ok", **reply}))

    def device(
        self,
        leg: str,
        status: int,
        body: str = "",
        purpose: str = "invite",
        *,
        method: str = "INVITE",
        tag: str = "",
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        response: Response = make_response(
            self.sent(leg, method),
            status,
            to_tag=tag or f"{leg}-tag",
            body=body.encode(),
            headers=(("Contact", f"<sip:201@192.0.2.20;leg={leg}>"), *headers),
            content_type="application/sdp" if body else None,
        )
        self.feed(Reply(leg, purpose, response))

    def talk(
        self, *, extra: tuple[str, ...] = (), headers: tuple[tuple[str, str], ...] = (), **more: Any
    ) -> None:
        """Alice calls Bob's telephone, Bob answers. `extra` are lines of her INVITE, `headers` of his 200."""
        self.dial(binding(), extra=extra, **more)
        self.engine("offer:leg2", sdp=sdp(1, 5000))
        self.device("leg2", 180)
        self.device("leg2", 200, sdp(20), headers=headers)
        self.engine("answer", sdp=sdp(1, 6000))
        assert self.call.state == "talking"

    def next_cseq(self) -> int:
        return next(self._tags) + 100

    def in_dialog(self, leg: str, method: str, body: str = "", **more: Any) -> None:
        dialog = self.call.legs[leg].dialog
        assert dialog is not None
        message = request(
            method,
            "x",
            body,
            call_id=dialog.call_id,
            from_tag=dialog.remote_tag,
            to_tag=dialog.local_tag,
            cseq=self.next_cseq(),
            **more,
        )
        self.feed(InDialog(leg, (method,), message))


def binding(number: str = "201", host: int = 20, flow: Flow | None = None, **more: Any) -> Binding:
    return Binding(
        number=number,
        contact=f"sip:{number}@192.0.2.{host}",
        flow=flow or phone_flow(host),
        instance=f"<{host}>",
        call_id="reg",
        cseq=1,
        expires_at=9e9,
        **more,
    )
