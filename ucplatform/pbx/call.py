"""A call as a value: its legs, its state, its times. What happens to it stands in `machine`."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from ucplatform.pbx.commands import AskMedia, Command, Respond, StartTimer, StopTimer
from ucplatform.pbx.exchange import Exchange
from ucplatform.pbx.identity import shown
from ucplatform.pbx.leg import Leg
from ucplatform.pbx.outcome import Outcome
from ucplatform.pbx.ports import House
from ucplatform.pbx.transfer import Transfer
from ucplatform.sip.commands import Key
from ucplatform.sip.message import Request, make_response
from ucplatform.sip.tokens import token

log = logging.getLogger(__name__)

ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, REFER"
SUPPORTED = "100rel, norefersub, replaces, timer"
EXTENSIONS = frozenset(SUPPORTED.split(", "))
PRODUCT = "ucplatform"


def new_call_id(edge_id: str) -> str:
    """Unique over edges and restarts, sortable by time to the second."""
    return f"c-e{edge_id}-{int(time.time()):x}-{token(5)}"


def new_tag(edge_id: str) -> str:
    """A dialog tag that names the edge (RFC 3261 19.3 asks for 32 random bits)."""
    return f"e{edge_id}-{token(6)}"


@dataclass(slots=True)
class Call:
    """States: new, ringing, answering (the winner is fixed, the engine asked), talking, over."""

    id: str
    house: House
    state: str = "new"
    dialled: str = ""
    dialled_name: str = ""
    dialled_extension: str | None = None
    legs: dict[str, Leg] = field(default_factory=dict)
    caller_id: str = ""
    callee_id: str = ""
    application: str = ""
    created: float = 0.0
    rang: float | None = None
    answered: float | None = None
    ended: float | None = None
    outcome: Outcome | None = None
    hung_up_by: str | None = None
    exchange: Exchange | None = None
    transfer: Transfer | None = None
    transfers: int = 0
    #: leg whose new description its peer has still to be told (RFC 3261 14.1: the peer's own went first)
    owed: str = ""
    #: the description that a device sent before its answer
    early: str = ""
    #: what the side that ended the call gave as its reason, for the others
    reasons: tuple[str, ...] = ()
    #: the caller offered nothing: the device that answers does (RFC 3261 13.2.1)
    delayed: bool = False
    #: the caller has its answer for good, by a reliable provisional response (RFC 3262 5)
    promised: bool = False
    media: bool = False
    recorded: bool = False
    gone: list[Leg] = field(default_factory=list)
    legs_made: int = 0
    todo: list[Command] = field(default_factory=list)

    @property
    def caller(self) -> Leg:
        return self.legs[self.caller_id]

    @property
    def callee(self) -> Leg | None:
        """The device that answered."""
        return self.legs.get(self.callee_id)

    @property
    def anchor(self) -> Leg:
        """A leg that the engine has in this call: not one that went to another."""
        return self.callee or self.caller if self.caller.given else self.caller

    @property
    def devices(self) -> list[Leg]:
        """The callee's legs, answered or not."""
        return [leg for leg in self.legs.values() if leg.role == "callee"]

    def peer(self, leg: Leg) -> Leg | None:
        """The leg at the other end of the bridge; None with an application."""
        return self.callee if leg.id == self.caller_id else self.caller

    def known(self, leg_id: str) -> Leg | None:
        """A leg of this call, also one whose place another has taken."""
        return self.legs.get(leg_id) or next((leg for leg in self.gone if leg.id == leg_id), None)

    def succeed(self, old: Leg, leg: Leg) -> None:
        """`leg` takes the place of `old`, which is kept for the record."""
        leg.role = old.role
        if old.role == "caller":
            self.caller_id = leg.id
        else:
            self.callee_id = leg.id
        del self.legs[old.id]
        self.gone.append(old)

    def do(self, *commands: Command) -> None:
        self.todo.extend(commands)

    def set_state(self, state: str) -> None:
        log.debug("call %s %s -> %s", self.id, self.state, state)
        self.state = state

    def set_leg(self, leg: Leg, state: str) -> None:
        log.debug("call %s leg %s %s -> %s", self.id, leg.id, leg.state, state)
        leg.state = state

    def next_leg_id(self) -> str:
        self.legs_made += 1
        return f"leg{self.legs_made}"

    def ask(self, ref: str, command: dict[str, Any]) -> None:
        """One question to the engine; it answers in order with MediaDone or MediaFailed of that `ref`."""
        self.media = True
        self.do(AskMedia(ref, command))

    def timer(self, name: str, seconds: float) -> None:
        self.do(StartTimer(name, seconds))

    def stop_timer(self, name: str) -> None:
        self.do(StopTimer(name))

    def respond(
        self,
        leg: Leg,
        status: int,
        reason: str | None = None,
        *,
        body: str = "",
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Answer the INVITE that `leg` waits on."""
        if leg.key is None or leg.request is None:
            return
        self.answer_request(leg, leg.key, leg.request, status, reason, body=body, headers=headers)
        if status >= 200:
            leg.key = leg.request = None

    def answer_request(
        self,
        leg: Leg,
        key: Key,
        request: Request,
        status: int,
        reason: str | None = None,
        *,
        body: str = "",
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Answer a request of `leg`, in the leg's dialog."""
        every: list[tuple[str, str]] = [("Server", PRODUCT)]
        if request.method in ("INVITE", "UPDATE") and 100 < status < 300:
            every += [
                ("Contact", leg.contact_header(self.house, self.other_number(leg))),
                ("Allow", ALLOW),
                ("Supported", SUPPORTED),
            ]
        self.do(
            Respond(
                key,
                make_response(
                    request,
                    status,
                    reason,
                    to_tag=leg.local_tag,
                    headers=[*every, *headers],
                    body=body.encode(),
                    content_type="application/sdp" if body else None,
                ),
            )
        )

    def other_number(self, leg: Leg) -> str:
        """What stands in the user part of our Contact towards `leg`: the number it talks to."""
        if leg.role == "target" and self.transfer is not None:
            return shown(self.legs[self.transfer.kept])
        return self.dialled if leg.role == "caller" else shown(self.caller)

    # -- storing -----------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """What survives a restart of the edge, and what the page asks for when it comes back (`parties`).

        Of a call that is over all legs: its record may still be unwritten."""
        over, ends = self.state == "over", (self.caller_id, self.callee_id)
        legs = [leg for leg in self.legs.values() if over or leg.stored or leg.id in ends]
        return {
            "id": self.id,
            "edge": self.house.edge_id,
            "state": self.state,
            "dialled": self.dialled,
            "dialled_name": self.dialled_name,
            "dialled_extension": self.dialled_extension,
            "caller_id": self.caller_id,
            "callee_id": self.callee_id,
            "application": self.application,
            "created": self.created,
            "rang": self.rang,
            "answered": self.answered,
            "ended": self.ended,
            "outcome": asdict(self.outcome) if self.outcome else None,
            "hung_up_by": self.hung_up_by,
            "legs_made": self.legs_made,
            "media": self.media,
            "legs": [leg.to_json() for leg in legs],
            "gone": [leg.to_json() for leg in self.gone],
            "parties": [] if over else [party for leg in legs if leg.stored and (party := self._party(leg))],
        }

    def _party(self, leg: Leg) -> dict[str, Any] | None:
        if leg.extension is None:
            return None
        dialog, peer = leg.dialog, self.peer(leg)
        if peer is not None:
            other = {"number": peer.number, "name": peer.name}
        elif leg.role == "caller":
            other = {"number": self.dialled, "name": self.dialled_name}
        else:
            other = {"number": self.caller.number, "name": self.caller.name}
        return {
            "extension": leg.extension,
            "device": leg.device,
            "role": leg.role,
            "peer": other,
            "call_id": leg.sip_call_id,
            "local_tag": leg.local_tag,
            "remote_tag": dialog.remote_tag if dialog else "",
            "state": "held" if leg.held else {"up": "talking"}.get(leg.state, "ringing"),
            "direction": "out" if leg.role == "caller" else "in",
            "answered": self.answered,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any], house: House) -> Call:
        rest = {k: v for k, v in value.items() if k not in ("edge", "legs", "gone", "outcome", "parties")}
        legs = [Leg.from_json(leg) for leg in value["legs"]]
        return cls(
            house=house,
            legs={leg.id: leg for leg in legs},
            gone=[Leg.from_json(leg) for leg in value["gone"]],
            outcome=Outcome(**value["outcome"]) if value["outcome"] else None,
            **rest,
        )
