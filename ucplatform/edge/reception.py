"""Requests that belong to no dialog: who may register, who may call, and what everybody else is told."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

from ucplatform.edge import log
from ucplatform.edge.callroom import CallRoom
from ucplatform.edge.challenges import LIMIT, PATIENCE, Challenges
from ucplatform.edge.devices import Devices
from ucplatform.edge.porter import Porter
from ucplatform.pbx import registrar, routing
from ucplatform.pbx.access import Denied, Gatekeeper, Granted
from ucplatform.pbx.call import ALLOW, EXTENSIONS, PRODUCT, Call
from ucplatform.pbx.features import refresh
from ucplatform.pbx.inputs import DeviceBack, HangUp, InDialog, InviteIn, LegMoved, ReferIn, ReplaceIn
from ucplatform.pbx.invite import SDP
from ucplatform.pbx.leg import Leg
from ucplatform.pbx.ports import Directory, House
from ucplatform.pbx.registrar import Binding
from ucplatform.sip import fields, multipart
from ucplatform.sip.commands import Key, RequestReceived
from ucplatform.sip.errors import ParseError
from ucplatform.sip.flow import Flow, hostport
from ucplatform.sip.headers import Replaces
from ucplatform.sip.message import Response, make_response
from ucplatform.sip.values import Join

#: Extensions that a Require may name (RFC 3261 20.32); all else gets 420.
SUPPORTED = registrar.SUPPORTED | EXTENSIONS

#: Methods of RFCs that we know but do not serve outside a dialog: 405. Others are unknown: 501 (RFC 3261
#: 21.5.2).
KNOWN = frozenset(
    {"ACK", "BYE", "CANCEL", "INFO", "MESSAGE", "NOTIFY", "PRACK", "PUBLISH", "REFER", "UPDATE"}
)

#: The timer of calls that were challenged and have brought no credentials.
NO_CREDENTIALS: Key = ("no-credentials",)

METHODS = f"{ALLOW}, REGISTER"


class Desk(Protocol):
    """What reception needs of the switchboard."""

    def respond(self, key: Key, response: Response) -> None: ...
    def now(self) -> float: ...
    def is_open(self, flow: Flow) -> bool: ...
    def set_timer(self, key: Key, seconds: float) -> None: ...
    def fetch(self, call_id: str, local_tag: str, remote_tag: str, done: Callable[[], None]) -> bool: ...


class Reception:
    """Answers or passes on every request that the endpoint hands up."""

    def __init__(
        self,
        desk: Desk,
        *,
        house: Callable[[], House],
        directory: Directory,
        gatekeeper: Gatekeeper,
        porter: Porter,
        devices: Devices,
        calls: CallRoom,
    ) -> None:
        self._desk = desk
        self._house = house
        self._directory = directory
        self._gatekeeper = gatekeeper
        self._porter = porter
        self._devices = devices
        self._calls = calls
        self._challenges = Challenges()
        self._methods: dict[str, Callable[[RequestReceived], None]] = {
            "REGISTER": self._register,
            "INVITE": self._invite,
            "OPTIONS": self._options,
            "SUBSCRIBE": self._subscribe,
            "REFER": self._refer_outside,
        }

    def received(self, event: RequestReceived) -> None:
        request = event.request
        missing = [tag for tag in request.require if tag not in SUPPORTED]
        if missing and request.method not in ("ACK", "CANCEL"):
            self._answer(event, 420, (("Unsupported", ", ".join(missing)),))
            return
        if request.headers.get("Content-Encoding"):
            self._answer(event, 415, (("Accept-Encoding", "identity"),))
            return
        if request.to_tag:
            self._in_dialog(event)
            return
        self._methods.get(request.method, self._not_served)(event)

    def _answer(self, event: RequestReceived, status: int, headers: tuple[tuple[str, str], ...] = ()) -> None:
        self._desk.respond(
            event.key, make_response(event.request, status, headers=(("Server", PRODUCT), *headers))
        )

    def _grant(self, event: RequestReceived) -> Granted | None:
        """The account behind a request, or None after it was challenged or refused (one log line)."""
        now = self._desk.now()
        verdict = self._gatekeeper.check(event.request, event.flow, now, self._porter.peer(event.flow))
        if isinstance(verdict, Denied):
            self._porter.failed(event.flow, verdict.username, verdict.guess)
            if verdict.why is not None:
                _refuse(verdict.why, event, username=verdict.username)
            if event.request.method == "INVITE" and not verdict.username and verdict.why is None:
                self._await_credentials(event, now)
            else:
                self._challenges.answered(event)
            self._desk.respond(event.key, verdict.response)
            return None
        self._challenges.answered(event)
        self._porter.signed_in(event.flow, verdict.account.number)
        return verdict

    def _await_credentials(self, event: RequestReceived, now: float) -> None:
        self._challenges.asked(event, now)
        if len(self._challenges) == 1:
            self._desk.set_timer(NO_CREDENTIALS, PATIENCE)
        elif len(self._challenges) > LIMIT:
            self.no_credentials()

    def no_credentials(self) -> None:
        """Tell of the calls whose challenge was never answered; called when NO_CREDENTIALS is due."""
        for event in self._challenges.overdue(self._desk.now()):
            _refuse("no-credentials", event)
        if len(self._challenges):
            self._desk.set_timer(NO_CREDENTIALS, 1.0)

    # -- the methods -------------------------------------------------------------------------------

    def _register(self, event: RequestReceived) -> None:
        granted = self._grant(event)
        if granted is None:
            return
        request = event.request
        if request.to.uri.username != granted.account.number:
            _refuse("foreign-to", event, username=granted.account.number)
            self._answer(event, 403)
            return
        try:
            response, fresh = self._devices.register(request, granted.account, event.flow, granted.session)
        except ParseError as error:
            headers = (("Min-Expires", "30"),) if error.status == 423 else ()
            self._desk.respond(
                event.key, make_response(request, error.status or 400, error.reason, headers=headers)
            )
            return
        self._desk.respond(event.key, response)
        for binding in fresh:
            self._calls.device_back(DeviceBack(binding))

    def _invite(self, event: RequestReceived) -> None:
        request, flow = event.request, event.flow
        granted = self._grant(event) if self._talks_sdp(event) else None
        if granted is None:
            return
        if refresh.too_short(request):
            self._answer(event, 422, refresh.MIN_SE)
            return
        join = fields.join(request)
        if join is not None:
            self._refuse_join(event, granted, join)
            return
        if request.replaces is not None:
            self._replace(event, granted)
            return
        gruu = self._devices.gruu(request.uri)
        route = routing.dial(gruu.number if gruu else request.uri.username, self._directory)
        devices: tuple[Binding, ...] = ()
        if isinstance(route, routing.ToExtension):
            devices = self._devices.named(gruu) if gruu else self._devices.of(route.account.number)
        self._calls.open(self._house(), InviteIn(event.key, request, flow, granted.account, route, devices))

    def _talks_sdp(self, event: RequestReceived) -> bool:
        """Whether its body can be read and ours will be; if not it is answered, without a challenge first:
        credentials would change nothing (RFC 3261 8.2.3, 21.4.7; RFC 4475 3.3.6, 3.3.15)."""
        try:
            foreign = multipart.unknown(event.request, {SDP})
        except ParseError as error:
            self._answer(event, error.status or 400)
            return False
        if foreign is not None:
            self._answer(event, 415, (("Accept", SDP),))
        elif not fields.accepts(event.request, SDP):
            self._answer(event, 406)
        else:
            return True
        return False

    def _replace(self, event: RequestReceived, granted: Granted) -> None:
        """Only the account whose leg it is may take it over (RFC 3891 section 3)."""
        replaces = event.request.replaces
        assert replaces is not None
        found = self._calls.dialog(replaces.call_id, replaces.to_tag, replaces.from_tag)
        if found is None:
            self._answer(event, 481)
        elif found[1].extension != granted.account.number:
            _refuse("foreign-replaces", event, username=granted.account.number)
            self._answer(event, 403)
        elif replaces.early_only and found[1].state == "up":
            self._answer(event, 486)
        else:
            call, leg = found
            self._calls.feed(call, ReplaceIn(event.key, event.request, event.flow, granted.account, leg.id))

    def _refuse_join(self, event: RequestReceived, granted: Granted, join: Join) -> None:
        """We mix nothing: a dialog that is there cannot be joined (RFC 3911 section 4)."""
        found = self._calls.dialog(join.call_id, join.to_tag, join.from_tag)
        if event.request.replaces is not None:
            self._answer(event, 400)
        elif found is None or found[1].extension != granted.account.number:
            self._answer(event, 481)
        else:
            self._answer(event, 488)

    def _options(self, event: RequestReceived) -> None:
        supported = ", ".join(sorted(SUPPORTED))
        self._answer(event, 200, (("Allow", METHODS), ("Accept", SDP), ("Supported", supported)))

    def _subscribe(self, event: RequestReceived) -> None:
        self._answer(event, 489, (("Allow-Events", ""),))

    def _refer_outside(self, event: RequestReceived) -> None:
        """We call nobody on behalf of somebody who is in no call; Target-Dialog (RFC 4538) names one, which
        has its own dialog for that."""
        if self._grant(event) is None:
            return
        target = fields.target_dialog(event.request)
        known = target and self._calls.dialog(target.call_id, target.remote_tag, target.local_tag)
        self._answer(event, 603 if known or target is None else 481)

    def _not_served(self, event: RequestReceived) -> None:
        known = event.request.method in KNOWN
        self._answer(event, 405 if known else 501, (("Allow", METHODS),))

    # -- inside a dialog ---------------------------------------------------------------------------

    def _in_dialog(self, event: RequestReceived) -> None:
        request = event.request
        found = self._calls.dialog(request.call_id, request.to_tag or "", request.from_tag or "")
        if found is None:
            _refuse("no-such-dialog", event)
            self._answer(event, 481)
            return
        call, leg = found
        if not at_home(leg, event.flow):
            granted = self._grant(event)
            if granted is None:
                return
            if granted.account.number != leg.extension:
                _refuse("foreign-dialog", event, username=granted.account.number)
                self._answer(event, 403)
                return
            self._calls.feed(call, LegMoved(leg.id, event.flow))
        elif leg.flow.id != event.flow.id and not self._desk.is_open(leg.flow):
            # A telephone that has opened a new connection in place of one that broke.
            self._calls.feed(call, LegMoved(leg.id, event.flow))
        if request.method == "REFER":
            self._refer(event, call, leg)
        else:
            self._calls.feed(call, InDialog(leg.id, event.key, request))

    def _refer(self, event: RequestReceived, call: Call, leg: Leg) -> None:
        """A transfer is authorised as the referrer's own call to that number would be (SECURITY)."""
        wanted = fields.refer_to(event.request)
        account = self._directory.by_number(leg.extension or "")
        if wanted is None:
            self._answer(event, 400)
        elif wanted.target.scheme not in ("sip", "sips", "tel"):
            self._answer(event, 416)
        elif wanted.method != "INVITE" or account is None or not account.enabled:
            self._answer(event, 403)
        elif wanted.replaces is not None:
            self._fetch(event, call, leg, wanted.replaces)
        else:
            number = wanted.target.username or wanted.target.opaque.partition(";")[0]
            self._calls.feed(call, self._blind(event, leg, number))

    def _blind(self, event: RequestReceived, leg: Leg, number: str) -> ReferIn:
        return ReferIn(leg.id, event.key, event.request, number, *self.find(number))

    def find(self, number: str) -> tuple[routing.Route, tuple[Binding, ...]]:
        """What a number means, and the devices that it rings."""
        route = routing.dial(number, self._directory)
        return route, self._devices.of(route.account.number) if isinstance(route, routing.ToExtension) else ()

    def _fetch(self, event: RequestReceived, call: Call, leg: Leg, replaces: Replaces) -> None:
        """An attended transfer names the referrer's other call (RFC 5589 7), which another edge may have."""
        dialog = (replaces.call_id, replaces.to_tag, replaces.from_tag)
        join = partial(self._join, event, call, leg, replaces)
        if self._calls.dialog(*dialog) is not None or not self._desk.fetch(*dialog, join):
            join()

    def _join(self, event: RequestReceived, call: Call, leg: Leg, replaces: Replaces) -> None:
        """Nobody else's call can be named."""
        found = self._calls.dialog(replaces.call_id, replaces.to_tag, replaces.from_tag)
        if found is None or found[0] is call:
            self._calls.feed(call, ReferIn(leg.id, event.key, event.request, "", routing.NO_SUCH_CALL))
            return
        other, own = found
        if own.extension != leg.extension:
            _refuse("foreign-replaces", event, username=leg.extension)
            self._answer(event, 403)
            return
        guest = other.peer(own)
        if other.state != "talking" or guest is None:
            # Still ringing there: it rings for the new caller instead.
            self._calls.feed(call, self._blind(event, leg, other.dialled))
            if call.transfer is not None:
                self._calls.feed(other, HangUp("transferred"))
            return
        if other.exchange is not None or guest.lost:
            self._answer(event, 491)
            return
        place = (other.id, guest.id)
        refer = ReferIn(leg.id, event.key, event.request, guest.number, None, (), guest.handed_over(), place)
        self._calls.feed(call, refer)


def at_home(leg: Leg, flow: Flow) -> bool:
    """Whether a request for the leg's dialog came the leg's own way: its flow, or its address (not by
    WebSocket). A connection to a proxy in front is shared by all behind it: there the address counts."""
    if flow.id == leg.flow.id and flow.source is None:
        return True
    return not flow.websocket and not leg.flow.websocket and flow.peer[0] == leg.flow.peer[0]


def _refuse(reason: str, event: RequestReceived, username: str | None = None) -> None:
    request, flow = event.request, event.flow
    log.refused(
        reason,
        method=request.method,
        remote=hostport(flow.remote),
        transport=flow.transport,
        username=username,
        call_id=request.call_id,
        to=request.uri.username,
    )
