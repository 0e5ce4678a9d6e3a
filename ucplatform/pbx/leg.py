"""One device in a call: its dialog, its flow, and the session description it was last sent and last sent
us."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from ucplatform import sdp
from ucplatform.pbx.outcome import Outcome
from ucplatform.pbx.ports import House, flow_from_json, flow_to_json, is_browser
from ucplatform.pbx.registrar import Binding
from ucplatform.pbx.session_timer import SessionTimer
from ucplatform.sip.commands import Key
from ucplatform.sip.dialog import CONFIRMED, Dialog
from ucplatform.sip.flow import Flow, hostport
from ucplatform.sip.message import Request, Response
from ucplatform.sip.tokens import POOL

#: Legs that still ring or may yet answer.
PENDING = frozenset({"awaiting", "offering", "calling", "ringing"})

NOTHING: frozenset[str] = frozenset()


#: What a side says that was only held by the other, once it may speak again.
_UNHELD = {"recvonly": "sendrecv", "inactive": "sendrecv"}


def unheld(body: str) -> str:
    """The description with directions that end a hold by its reader."""
    session = sdp.parse(body)
    for part in session.media:
        if part.active:
            part.direction = _UNHELD.get(part.direction, part.direction)
    return str(session)


def codecs(body: str) -> list[str]:
    """What a side can hear, so that another leg is answered with the same codec where it has it."""
    for part in sdp.parse(body).media:
        if part.kind == "audio":
            return [codec.name for codec in part.codecs]
    return []


@dataclass(slots=True)
class Session:
    """The o= line is ours alone: one id per dialog, version + 1 only when the body changes (RFC 3264
    section 5, 8). `version` is that of `sent`, `highest` was used last: by an offer that was refused, where
    the two differ."""

    id: int = field(default_factory=lambda: POOL.getrandbits(52))
    version: int = 0
    highest: int = 0
    sent: str = ""
    received: str = ""

    def same(self, body: str) -> bool:
        """Whether `body` says what the peer said last, but for its o= line (RFC 3264 8)."""
        return body == self.received or (
            bool(self.received) and sdp.without_origin(body) == sdp.without_origin(self.received)
        )

    def resumed(self, holds: bool) -> str:
        """What the peer said last, as if nobody held it; `holds`: it holds by itself (RFC 6337 5.3)."""
        return self.received if holds else unheld(self.received)

    def same_sent(self, body: str) -> bool:
        """Whether the engine's `body` says what was last sent to the peer."""
        return bool(self.sent) and sdp.without_origin(body) == sdp.without_origin(self.sent)

    def describe(self, body: str, address: str) -> str:
        """The engine's `body` with our o= line; the very text sent before when nothing else changed."""
        family = "IP6" if ":" in address else "IP4"
        if self.sent:
            same = sdp.with_origin(body, sdp.Origin("-", self.id, self.version, "IN", family, address))
            if same == self.sent:
                return self.sent
        self.version = self.highest = self.highest + 1
        self.sent = sdp.with_origin(body, sdp.Origin("-", self.id, self.version, "IN", family, address))
        return self.sent


@dataclass(slots=True)
class Leg:
    """`id` is the tag the engine knows this leg by. `request` and `key` are the INVITE of a caller's leg
    while it waits.

    `failure` is the device's last answer; `refusal` stands for it where the engine would not serve this leg.
    `path` are the Routes of its INVITE (RFC 3327), `spares` other flows to the same device (RFC 5626 5.3).
    `called`: we sent its INVITE, so we own the Call-ID (RFC 3261 14.1). `methods` and `supports` are what it
    last named in Allow and Supported. `given`: it went on in another call. `private`: it hides who it is.
    `srtp`: its sound is SRTP, keyed by the descriptions (RFC 4568). `history`: the numbers that sent the call
    on to this one, each with the status it gave.

    States of a callee's leg: awaiting (its browser is reconnecting), offering (the engine prepares its SDP),
    calling, ringing, up, cancelling, over. Of a caller's: waiting, up, over.
    """

    id: str
    role: str
    number: str
    name: str
    flow: Flow
    extension: str | None = None
    contact: str = ""
    instance: str = ""
    user_agent: str = ""
    web_session: str = ""
    state: str = "waiting"
    dialog: Dialog | None = None
    invite_cseq: int = 0
    key: Key | None = None
    request: Request | None = None
    session: Session = field(default_factory=Session)
    failure: tuple[int, str] | None = None
    refusal: Outcome | None = None
    held: bool = False
    lost: bool = False
    given: bool = False
    private: bool = False
    srtp: bool = False
    local_tag: str = ""
    sip_call_id: str = ""
    called: bool = False
    methods: frozenset[str] = NOTHING
    supports: frozenset[str] = NOTHING
    timer: SessionTimer = field(default_factory=SessionTimer)
    #: by To tag: the early dialogs that wanted a PRACK, and the description each has sent (RFC 3262)
    early: dict[str, tuple[Dialog, str]] = field(default_factory=dict)
    #: To tag of its last 180 or 183: its early dialog, which Replaces may name
    ring_tag: str = ""
    stats: dict[str, Any] = field(default_factory=dict)
    path: tuple[str, ...] = ()
    spares: tuple[Binding, ...] = ()
    history: tuple[tuple[str, int], ...] = ()

    @property
    def browser(self) -> bool:
        return is_browser(self.flow)

    @property
    def device(self) -> str:
        return "browser" if self.browser else "phone"

    @property
    def pending(self) -> bool:
        return self.state in PENDING

    @property
    def stored(self) -> bool:
        """Whether a later life of the edge can go on with it; what a transfer still asks, it cannot."""
        return self.state in ("up", "waiting", "ringing") and self.role != "target"

    def handed_over(self) -> Leg:
        """A copy for another call: its dialog and session, nothing of what was going on."""
        return replace(
            self, session=replace(self.session), timer=replace(self.timer), early={}, stats={}, key=None
        )

    @property
    def remote_tag(self) -> str:
        """Its tag in our dialog, which may be an early one; "" where there is none."""
        return self.dialog.remote_tag if self.dialog else self.ring_tag

    def learn(self, message: Request | Response) -> None:
        """What the device can do, from its INVITE, UPDATE or 2xx; a message that says nothing changes
        nothing."""
        headers = message.headers
        if "Allow" in headers:
            self.methods = frozenset(headers.values("Allow"))
        if "Supported" in headers:
            self.supports = frozenset(message.supported)

    def confirm(self) -> None:
        """Our 2xx went out: the early dialog is confirmed (RFC 3261 12.1.1)."""
        assert self.dialog is not None
        self.dialog = self.dialog._replace(state=CONFIRMED)

    def contact_header(self, house: House, user: str) -> str:
        """Our Contact towards this leg; it carries the edge's id so that a stray finds its owner."""
        if self.flow.websocket:
            return f"<sip:{user}@{house.domain};transport=ws;edge={house.edge_id}>"
        transport = "" if self.flow.transport == "udp" else f";transport={self.flow.transport}"
        return f"<sip:{user}@{hostport(self.flow.local)}{transport};edge={house.edge_id}>"

    def to_json(self) -> dict[str, Any]:
        """What a later life of the edge needs of a leg that is up; transactions do not survive, dialogs
        do."""
        return {
            "id": self.id,
            "role": self.role,
            "number": self.number,
            "name": self.name,
            "extension": self.extension,
            "contact": self.contact,
            "instance": self.instance,
            "user_agent": self.user_agent,
            "web_session": self.web_session,
            "state": self.state,
            "invite_cseq": self.invite_cseq,
            "held": self.held,
            "lost": self.lost,
            "given": self.given,
            "private": self.private,
            "srtp": self.srtp,
            "failure": self.failure,
            "stats": self.stats,
            "local_tag": self.local_tag,
            "sip_call_id": self.sip_call_id,
            "called": self.called,
            "methods": sorted(self.methods),
            "supports": sorted(self.supports),
            "timer": self.timer.to_json(),
            "flow": flow_to_json(self.flow),
            "dialog": self.dialog.to_json() if self.dialog else None,
            "session": {
                "id": self.session.id,
                "version": self.session.version,
                "highest": self.session.highest,
                "sent": self.session.sent,
                "received": self.session.received,
            },
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Leg:
        dialog = value["dialog"]
        rest = {k: v for k, v in value.items() if k not in _NOT_PLAIN}
        failure = value["failure"]
        return cls(
            **rest,
            methods=frozenset(value["methods"]),
            supports=frozenset(value["supports"]),
            timer=SessionTimer(**value["timer"]),
            failure=(failure[0], failure[1]) if failure else None,
            flow=flow_from_json(value["flow"]),
            session=Session(**value["session"]),
            dialog=Dialog.from_json(dialog) if dialog else None,
        )


_NOT_PLAIN = frozenset({"flow", "dialog", "session", "failure", "methods", "supports", "timer"})
