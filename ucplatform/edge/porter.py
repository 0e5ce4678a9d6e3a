"""Who is let in: what is asked of every message before it costs anything, and of every newcomer before a
transaction is made for it. What is turned away here leaves nothing behind."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Protocol

from ucplatform.edge.bans import Bans
from ucplatform.edge.glance import glance
from ucplatform.edge.limits import Limits, Strangers, subscriber
from ucplatform.edge.overload import Overload
from ucplatform.pbx.access import PAGE_PREFIX
from ucplatform.pbx.ports import House
from ucplatform.sip.commands import Key
from ucplatform.sip.flow import Flow
from ucplatform.sip.message import Request, Response, make_response
from ucplatform.sip.tokens import token
from ucplatform.sip.transaction import server_key
from ucplatform.sip.via import stamped

#: what the programs that look for open doors call themselves in User-Agent, in lower case
SCANNERS = (
    "friendly-scanner",
    "friendly-request",
    "sipvicious",
    "sipcli",
    "sip-scan",
    "sipscan",
    "sundayddr",
    "iwar",
    "smap",
    "vaxsipuseragent",
    "pplsip",
    "siparmyknife",
    "nmap",
)
#: the methods with which a telephone that we do not know may begin
FIRST_WORDS = frozenset({"REGISTER", "INVITE"})
SILENCE = b""
#: entries of the tables of flows
FLOWS = 16_384


class World(Protocol):
    """What the porter asks of the others."""

    def trusts(self, host: str) -> bool:
        """Whether `host` is a proxy in front."""

    def serves(self, key: Key) -> bool:
        """Whether a request is being served: it comes again."""

    def is_registered(self, number: str, flow: Flow) -> bool:
        """Whether the extension has a device on this very flow."""

    def is_in_dialog(self, request: Request) -> bool:
        """Whether a call of ours has the dialog that the request names."""

    def claims(self, request: Request) -> str:
        """The account that the sender says to be."""

    def is_answer(self, request: Request, peer: str) -> bool:
        """Whether its credentials carry a nonce that was given to `peer`."""

    def house(self) -> House: ...


class Porter:
    """Asked in this order: `turns_away` before a message is read, `ignores` and `refusal` for a request that
    was read. Times are those of the loop."""

    def __init__(self, world: World, bans: Bans, limits: Limits) -> None:
        self._world = world
        self.bans = bans
        self.overload = Overload()
        self._strangers = Strangers(limits)
        #: by this tag the ACK of a 503 is known
        self._tag = f"busy-{token(6)}".encode()
        self._silent = False
        #: flows by which an account was closed and nobody has signed in well, until when nothing is read of
        #: them: a guesser that goes on at full speed must not cost the others their answers
        self._closed: OrderedDict[str, float] = OrderedDict()
        self._at_home: OrderedDict[str, None] = OrderedDict()

    def take_options(self, options: Mapping[str, Any]) -> None:
        """An administrator's settings."""
        self._silent = bool(options.get("silent_to_strangers", 0))

    # -- before reading ----------------------------------------------------------------------------

    def turns_away(self, data: bytes, flow: Flow) -> bytes | None:
        """None to go on; SILENCE to drop the message; else what to answer."""
        overload = self.overload
        overload.served += 1
        if self.bans.blocked(flow.remote[0]) or (flow.id in self._closed and self._is_closed(flow)):
            return SILENCE
        if overload.level and data.startswith((b"INVITE ", b"REGISTER ")):
            return self._send_away(data, flow)
        if overload.refused and data.startswith(b"ACK ") and self._tag in data:
            return SILENCE
        return None

    def _is_closed(self, flow: Flow) -> bool:
        if self._closed[flow.id] > time.monotonic():
            return True
        del self._closed[flow.id]
        return False

    def _send_away(self, data: bytes, flow: Flow) -> bytes | None:
        seen = glance(data, flow)
        if seen is None or seen.replaces or not self.overload.full(seen.credentials):
            return None
        if self._world.serves(seen.key):
            return None
        retry = b"Retry-After: %d" % self.overload.retry_after()
        return seen.answer(b"503 Service Unavailable", self._tag, retry)

    def hears(self, flow: Flow, now: float) -> bool:
        """Whether a malformed message is worth an answer and a line in the log."""
        return not self._silent and self._may_ask(flow, now)

    # -- newcomers that were read ------------------------------------------------------------------

    def ignores(self, request: Request, flow: Flow, now: float) -> bool:
        """Whether a request gets no answer at all."""
        if request.method in ("ACK", "CANCEL"):
            return False
        if request.to_tag:
            return not self._world.is_in_dialog(request) and not self._may_ask(flow, now)
        host = flow.peer[0]
        if self.bans.concerns(host) and self._is_banned(request, flow, host):
            return True
        if self._silent and not has_credentials(request) and self._is_strange(request, flow):
            return True
        return not self._may_ask(flow, now) and not self._has_standing(request, flow)

    def refusal(self, request: Request, flow: Flow) -> Response | None:
        """The 503 for a newcomer whom a glance could not send away, while there is too much to do."""
        if not self.overload.level or request.to_tag or request.method not in FIRST_WORDS:
            return None
        if not self.overload.full(has_credentials(request)) or request.replaces is not None:
            return None
        if self._world.serves(server_key(request, request.via)):
            return None
        retry = ("Retry-After", str(self.overload.retry_after()))
        stamped(request, request.via, flow)
        return make_response(request, 503, headers=(retry,), to_tag=self._tag.decode())

    def _is_banned(self, request: Request, flow: Flow, host: str) -> bool:
        if self.bans.blocked(host):
            return True
        account = self._world.claims(request)
        if account.startswith(PAGE_PREFIX) or not self.bans.refuses(host, account):
            return False
        # The desk phone is not to suffer from a softphone beside it that has an old secret.
        return not self._world.is_registered(account, flow)

    def _is_strange(self, request: Request, flow: Flow) -> bool:
        """Nothing that a telephone of ours would send before we know it. No account is looked up: silence for
        those that are not there would tell who is."""
        if (request.headers.get("User-Agent") or "").lower().startswith(SCANNERS):
            return True
        if request.method not in FIRST_WORDS and not self._is_known(request, flow):
            return True
        house = self._world.house()
        host = request.uri.host.strip("[]").lower()
        return host not in (house.domain.lower(), flow.local[0]) and host not in house.interfaces

    def _has_standing(self, request: Request, flow: Flow) -> bool:
        """Whether more than the share of a stranger is due: somebody has signed in well by this flow, or the
        request answers a challenge of ours, which nobody can who only writes somebody else's address."""
        if flow.id in self._at_home or self._is_known(request, flow):
            return True
        return has_credentials(request) and self._world.is_answer(request, self.peer(flow))

    def _is_known(self, request: Request, flow: Flow) -> bool:
        return self._world.is_registered(request.from_.uri.username or "", flow)

    def _may_ask(self, flow: Flow, now: float) -> bool:
        if flow.source is None and self._world.trusts(flow.remote[0]):
            return True
        return self._strangers.take(subscriber(flow.peer[0]), flow.reliable, now)

    # -- what came of it ---------------------------------------------------------------------------

    def peer(self, flow: Flow) -> str:
        """Whom a nonce is for: a subscriber, or "proxy" for all proxies in front that do not tell."""
        if flow.source is None and self._world.trusts(flow.remote[0]):
            return "proxy"
        return subscriber(flow.peer[0])

    def signed_in(self, flow: Flow, account: str) -> None:
        """A request's credentials were good: it and the one that was challenged are not counted."""
        self.bans.registered(flow.peer[0], account)
        self._strangers.give_back(subscriber(flow.peer[0]), flow.reliable)
        if flow.id not in self._at_home:
            self._at_home[flow.id] = None
            if len(self._at_home) > FLOWS:
                self._at_home.popitem(last=False)

    def failed(self, flow: Flow, account: str, guess: bool) -> None:
        """They were not; `guess` as in pbx.access.Denied."""
        seconds = self.bans.failed(flow.peer[0], account, guess)
        # A connection of a proxy is not its sender's alone.
        if seconds and flow.source is None and flow.id not in self._at_home:
            self._closed[flow.id] = time.monotonic() + seconds
            if len(self._closed) > FLOWS:
                self._closed.popitem(last=False)

    def lift(self, host: str) -> None:
        """End all bans of an address at once."""
        self.bans.lift(host)
        self._closed.clear()


def has_credentials(request: Request) -> bool:
    """Whether it carries any, good or not."""
    return "authorization" in request.headers or "proxy-authorization" in request.headers
