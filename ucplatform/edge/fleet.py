"""The edges of the house: which are there, and what they pass to each other over their links.

Each edge announces itself in Redis (`uc:edge:<id>`, for a few seconds at a time; `uc:edges` names all). Of
two that see each other the one with the lower id dials. An edge is there while the link to it is up: the
announcement only says where to dial. A message whose tag, branch or Contact names another edge goes to that
one, which handles it as its own, arriving on a foreign flow; it sends over such a flow through the edge that
holds it.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Protocol

from redis.asyncio import Redis
from redis.exceptions import RedisError

from ucplatform.edge import link as links
from ucplatform.edge import log
from ucplatform.edge.link import LOST, MESSAGE, NEWS, PING, SEND, Link, LinkError
from ucplatform.edge.redis_link import connect
from ucplatform.pbx.ports import flow_from_json, flow_to_json
from ucplatform.sip.errors import ParseError
from ucplatform.sip.flow import Flow
from ucplatform.sip.message import Request, Response
from ucplatform.sip.transaction import MAGIC_COOKIE

ANNOUNCE_SECONDS = 1.0
#: for a connection to another edge, which is near
DIAL_SECONDS = 1.0
ANNOUNCED_FOR_MS = 5000
#: a link that is this long without a frame is dead, whatever TCP believes
SILENCE_SECONDS = 5.0
#: an edge that is gone is expected back for so long: engines keep its calls that long too
AWAY_SECONDS = 60.0
#: two edges that see each other have a link after this
MISSING_SECONDS = 6.0
#: what is remembered of requests without a dialog that were passed on, and of flows that were lost
KEPT = 4096
EDGES = "uc:edges"

Dialog = tuple[str, str]
"""Call-ID and our tag."""


def key(edge_id: str) -> str:
    """Where `edge_id` announces itself."""
    return f"uc:edge:{edge_id}"


class User(Protocol):
    """The switchboard, as its fleet needs it."""

    def passed_on(self, data: bytes, flow: Flow) -> None: ...
    def send_own(self, flow: Flow, data: bytes) -> bool: ...
    def is_open(self, flow: Flow) -> bool: ...
    def on_flow_lost(self, flow: Flow, reason: str) -> None: ...
    def edge_up(self, edge: str) -> None: ...
    def edge_down(self, edge: str) -> None: ...
    def news(self, edge: str, news: Mapping[str, Any]) -> None: ...


class Fleet:
    """The other edges. `others` maps the id of each known one to its link, None while it is away: empty in a
    house with one edge, which is all that such a house looks at."""

    def __init__(self, edge_id: str, *, redis_url: str, secret: bytes, address: str) -> None:
        """`address` is `unix:<path>` or `host:port` to listen on for the others."""
        self.edge_id = edge_id
        self.life = secrets.token_hex(8)
        self.secret = secret
        self.others: dict[str, Link | None] = {}
        self._redis_url = redis_url
        self._address = address
        self._listening: Mapping[str, str] = {}
        self._since = time.time()
        self._user: User
        self._gone_at: dict[str, float] = {}
        self._lost: OrderedDict[str, None] = OrderedDict()
        self._passed: OrderedDict[str, str] = OrderedDict()
        #: dialogs of calls that have moved, by Call-ID and our tag: the edge that has them now
        self._moved: OrderedDict[Dialog, str] = OrderedDict()
        self._told: dict[str, str] = {}
        self._missing: dict[str, float] = {}
        self._server: asyncio.Server | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    # -- life --------------------------------------------------------------------------------------

    async def start(self, user: User, listening: Mapping[str, str]) -> None:
        """Listen, announce, and look for the others. `listening` says where this edge takes SIP. OSError when
        the address is taken."""
        self._user, self._listening = user, listening
        self._server, self._address = await links.listen(self._address, lambda: Link(self, dialled=False))
        self._task = asyncio.get_running_loop().create_task(self._run(), name="fleet")

    async def stop(self) -> None:
        self._stopping = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._server is not None:
            self._server.close()
        others, self.others = list(self.others.values()), {}  # their end is no news: we are leaving
        for link in others:
            if link is not None:
                link.close()
        redis = connect(self._redis_url)
        try:
            await redis.delete(key(self.edge_id))
        except (RedisError, OSError):
            pass  # it expires
        finally:
            await redis.aclose()

    async def _run(self) -> None:
        available, redis = True, connect(self._redis_url)
        try:
            while not self._stopping:  # redis-py may make a TimeoutError of our cancellation
                try:
                    await self._meet(await self._announce(redis))
                    available = True
                except (RedisError, OSError, TimeoutError) as error:
                    if available:
                        log.warning("fleet-away", error=error)
                    available = False
                self._look_after()
                if not self._stopping:
                    await asyncio.sleep(ANNOUNCE_SECONDS)
        finally:
            await redis.aclose()

    async def _announce(self, redis: Redis) -> dict[str, dict[str, Any]]:
        """Say that we are here; what the others say of themselves."""
        mine = {"link": self._address, "life": self.life, "since": self._since, "listen": self._listening}
        async with redis.pipeline(transaction=False) as pipeline:
            pipeline.set(key(self.edge_id), json.dumps(mine), px=ANNOUNCED_FOR_MS)
            pipeline.sadd(EDGES, self.edge_id)
            pipeline.smembers(EDGES)
            known = (await pipeline.execute())[-1] - {self.edge_id}
        if not known:
            return {}
        names = sorted(known)
        texts = await redis.mget([key(name) for name in names])
        return {name: _entry(text) for name, text in zip(names, texts, strict=True) if text}

    async def _meet(self, announced: Mapping[str, Mapping[str, Any]]) -> None:
        """Dial who is there and not linked yet: the lower id dials."""
        unlinked = [name for name in announced if self.others.get(name) is None]
        self._missing = {name: self._missing.get(name, time.monotonic()) for name in unlinked}
        await asyncio.gather(*(self._dial(name, announced[name]) for name in unlinked if name > self.edge_id))

    async def _dial(self, name: str, entry: Mapping[str, Any]) -> None:
        """One that does not answer must not keep the others waiting: they would take us for silent."""
        where = str(entry.get("link", ""))
        try:
            async with asyncio.timeout(DIAL_SECONDS):
                await links.dial(where, lambda: Link(self, dialled=True, expected=name))
        except (OSError, ValueError) as error:
            if self._told.get(name) != entry.get("life"):  # once for each life of that edge
                self._told[name] = str(entry.get("life"))
                log.warning("edge-not-reached", edge=name, link=where, error=error)

    def _look_after(self) -> None:
        """Keep links alive, cut silent ones, forget edges that stay away."""
        now = asyncio.get_running_loop().time()
        for name, link in list(self.others.items()):
            if link is None:
                if now - self._gone_at[name] > AWAY_SECONDS:
                    del self.others[name], self._gone_at[name]
            elif now - link.heard > SILENCE_SECONDS:
                link.cut("silent")
            else:
                link.send(PING, b"")

    # -- what links say ----------------------------------------------------------------------------

    def link_up(self, link: Link) -> None:
        name = link.peer.edge
        before = self.others.get(name)
        self.others[name] = link
        if before is not None:  # its end there is gone already, ours has not noticed yet
            before.cut("replaced")
            self._user.edge_down(name)
        log.info("edge-linked", edge=name, life=link.peer.life)
        self._user.edge_up(name)

    def link_down(self, link: Link, reason: str) -> None:
        name = link.peer.edge
        if self.others.get(name) is not link:
            return
        self.others[name] = None
        self._gone_at[name] = asyncio.get_running_loop().time()
        log.warning("edge-gone", edge=name, why=reason)
        self._user.edge_down(name)

    def frame(self, link: Link, kind: bytes, payload: bytes) -> None:
        """One frame of another edge; a fault of ours must not cost us the link."""
        try:
            self._frame(link, kind, payload)
        except LinkError:
            raise
        except Exception as error:
            log.fault("frame-failed", error, edge=link.peer.edge, kind=kind)

    def _frame(self, link: Link, kind: bytes, payload: bytes) -> None:
        edge = link.peer.edge
        if kind == NEWS:
            self._user.news(edge, json.loads(payload))
            return
        name, _, data = payload.partition(b"\n")
        flow = _flow(name)
        if kind == MESSAGE:
            self._user.passed_on(data, flow.seen_at(edge))
        elif kind == SEND:
            there = self._user.send_own(flow, data) if data else self._user.is_open(flow)
            if not there:
                link.send(LOST, name + b"\n")
        elif kind == LOST:
            self._flow_lost(flow.seen_at(edge), data.decode(errors="replace"))

    def _flow_lost(self, flow: Flow, reason: str) -> None:
        if flow.id in self._lost:
            return
        if flow.reliable:  # the addresses of a datagram never end
            _remember(self._lost, flow.id, None)
        self._user.on_flow_lost(flow, reason)

    # -- strays ------------------------------------------------------------------------------------

    def owner(self, message: Request | Response) -> str | None:
        """The other edge that this message belongs to, there or lately gone; None for what is ours or
        nobody's."""
        try:
            name = edge_of(message)
            if self._moved and isinstance(message, Request):
                name = self._moved.get(dialog_of(message), name)
        except ParseError:
            return None  # whoever gets it refuses it
        if name is None and isinstance(message, Request) and self._passed:
            name = self._passed.get(message.call_id)
        return name if name in self.others else None

    def edge_of_dialog(self, dialog: Dialog) -> str | None:
        """The other edge that is there and has this dialog."""
        name = self._moved.get(dialog) or _edge_of_tag(dialog[1])
        return name if name is not None and self.others.get(name) is not None else None

    def has_moved(self, dialogs: Iterable[Dialog], edge: str) -> None:
        """A call is at `edge` now, ourselves included, whatever its tags say."""
        for dialog in dialogs:
            _remember(self._moved, dialog, edge)

    def pass_on(self, owner: str, message: Request | Response, data: bytes, flow: Flow) -> bool:
        """Hand a stray to its owner; False while that one is away."""
        link = self.others.get(owner)
        if link is None:
            return False
        if isinstance(message, Request) and not message.to_tag:
            _remember(self._passed, message.call_id, owner)  # its CANCEL and ACK will not name anybody
        if link.is_behind():
            return True  # lost on the way: strangers' strays must not cost the calls their link
        return link.send(MESSAGE, _text(flow) + b"\n" + data)

    # -- flows of other edges (transports.Away) ----------------------------------------------------

    def holds(self, flow: Flow) -> bool:
        """Whether the edge of this flow is there, and the flow not known to be lost."""
        return self.others.get(flow.edge) is not None and flow.id not in self._lost

    def send(self, flow: Flow, data: bytes) -> bool:
        """Send over a flow of another edge; what comes of it is told as a lost flow."""
        link = self.others.get(flow.edge)
        return link is not None and link.send(SEND, _text(flow.as_own()) + b"\n" + data)

    def ask(self, flow: Flow) -> bool:
        """Have a flow that is gone reported as lost; False when its edge is away."""
        return self.send(flow, b"")

    # -- news --------------------------------------------------------------------------------------

    def flow_lost(self, flow: Flow, reason: str) -> None:
        """Tell all others that a connection of ours has ended."""
        payload = _text(flow) + b"\n" + reason.encode()
        for link in self.others.values():
            if link is not None:
                link.send(LOST, payload)

    def tell(self, news: Mapping[str, Any], edge: str | None = None) -> bool:
        """Tell one other edge, or all. False when that one is away."""
        payload = json.dumps(news).encode()
        there = [self.others.get(edge)] if edge is not None else list(self.others.values())
        return all([link.send(NEWS, payload) for link in there if link is not None]) and None not in there

    def missing(self) -> list[str]:
        """Edges that are there and cannot be reached, as what an edge lacks."""
        since = time.monotonic() - MISSING_SECONDS
        return [f"link to edge-{name}" for name, at in sorted(self._missing.items()) if at < since]

    def states(self) -> dict[str, str]:
        """Each known other edge: "linked" or "away"."""
        return {name: "away" if link is None else "linked" for name, link in sorted(self.others.items())}


def edge_of(message: Request | Response) -> str | None:
    """The edge that made the branch of a response's Via, or the tag, replaced dialog or Contact that a
    request names; None when none of ours can have. ParseError for a malformed Replaces."""
    if isinstance(message, Response):
        branch = message.via.branch or ""
        return _before_dash(branch, len(MAGIC_COOKIE)) if branch.startswith(MAGIC_COOKIE) else None
    tag = dialog_of(message)[1]
    return _edge_of_tag(tag) if tag else message.uri.param("edge")


def dialog_of(request: Request) -> Dialog:
    """The dialog that a request is in, or is to replace; without tag for any other."""
    tag = request.to_tag
    if tag is None and "Replaces" in request.headers and request.replaces is not None:
        return request.replaces.call_id, request.replaces.to_tag
    return request.call_id, tag or ""


def _edge_of_tag(tag: str) -> str | None:
    return _before_dash(tag, 1) if tag.startswith("e") else None


def _entry(text: str) -> dict[str, Any]:
    """An announcement; nothing for what no edge has written."""
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _before_dash(text: str, start: int) -> str | None:
    dash = text.find("-", start)
    return text[start:dash] if dash > start else None


def _remember(known: OrderedDict[str, Any], name: str, value: Any) -> None:
    known[name] = value
    if len(known) > KEPT:
        known.popitem(last=False)


@lru_cache(maxsize=4096)
def _text(flow: Flow) -> bytes:
    return json.dumps(flow_to_json(flow)).encode()


@lru_cache(maxsize=4096)
def _flow(text: bytes) -> Flow:
    try:
        return flow_from_json(json.loads(text))
    except (ValueError, TypeError, KeyError, IndexError):
        raise LinkError("a frame without a flow") from None
