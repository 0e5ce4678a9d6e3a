"""The NG commands: each takes a request's dictionary and gives the reply's."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping

from gateway.call import Call
from gateway.dtmf import DIGITS
from gateway.errors import GatewayError
from gateway.player import KeyPlayer
from gateway.profile import Message, Profile, required, text
from gateway.termination import Services, Statistics

Reply = dict[str, object]
Command = Callable[["Commands", Message], Awaitable[Reply]]

OK: Mapping[str, object] = {"result": "ok"}


class Commands:
    """All calls of this gateway. `run` never raises for what a request says; it answers with an error."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.calls: dict[str, Call] = {}
        self._keys = KeyPlayer()
        self._turns: dict[str, asyncio.Lock] = {}
        self._claims: dict[str, tuple[set[str], float]] = {}

    async def run(self, message: Message) -> Reply:
        """Carry out one request. Requests of one call are carried out one after the other."""
        name = message.get("command")
        command = COMMANDS.get(name) if isinstance(name, str) else None
        if command is None:
            return _error(f"unknown command {name!r}")
        try:
            call_id = text(message, "call-id")
            if call_id is None:
                return await command(self, message)
            async with self._turns.setdefault(call_id, asyncio.Lock()):
                try:
                    return await command(self, message)
                finally:
                    self._tidy(call_id)
        except GatewayError as error:
            return _error(str(error))

    def _tidy(self, call_id: str) -> None:
        """A call without legs is over; one that lives has just been claimed."""
        call = self.calls.get(call_id)
        if call is None or not call.legs:
            self.calls.pop(call_id, None)
            self._claims.pop(call_id, None)
            lock = self._turns.get(call_id)
            if lock is not None and not _waited_for(lock):
                del self._turns[call_id]
        else:
            self._claims[call_id] = (self.services.events.names, asyncio.get_running_loop().time())

    def call(self, message: Message) -> Call:
        call = self.calls.get(required(message, "call-id"))
        if call is None:
            raise GatewayError("Unknown call-id")  # rtpengine's words
        return call

    def call_or_new(self, message: Message) -> Call:
        call_id = required(message, "call-id")
        return self.calls.setdefault(call_id, Call(call_id, self.services))

    async def end(self, call_id: str, reason: str) -> None:
        """End a call that nobody asked to end."""
        call = self.calls.get(call_id)
        if call is not None:
            self.services.events.add("closed", call_id, "", reason=reason)
            await self.run({"command": "delete", "call-id": call_id})

    async def end_unclaimed(self) -> None:
        """End the calls whose edge has been gone for too long (ARCHITECTURE section 2).

        A call belongs to the edges that listened when it was last commanded. One that was commanded while
        nobody listened belongs to a client that does not subscribe, and is left alone.
        """
        now, listening = asyncio.get_running_loop().time(), self.services.events.names
        for call_id, (owners, since) in list(self._claims.items()):
            if not owners or owners & listening:
                self._claims[call_id] = (owners, now)
            elif now - since >= self.services.config.owner_grace:
                await self.end(call_id, "owner gone")

    async def close(self) -> None:
        """End all calls."""
        await self._keys.close()
        for call_id in list(self.calls):
            await self.run({"command": "delete", "call-id": call_id})

    # The commands.

    async def ping(self, message: Message) -> Reply:
        pool = self.services.ports
        return {
            "result": "pong",
            "pid": os.getpid(),
            "ports": {"free": pool.free, "total": pool.total},
            "calls": len(self.calls),
            "relay": self.services.relay,
        }

    async def offer(self, message: Message) -> Reply:
        sender, target = required(message, "from-tag"), _other_leg(message)
        profile = Profile.parse(message)
        body = await self.call_or_new(message).offer(sender, target, required(message, "sdp"), profile)
        return {**OK, "sdp": body}

    async def answer(self, message: Message) -> Reply:
        sender, target = required(message, "from-tag"), _other_leg(message)
        body = await self.call(message).answer(
            sender, target, required(message, "sdp"), Profile.parse(message)
        )
        return {**OK, "sdp": body}

    async def terminate(self, message: Message) -> Reply:
        call = self.call_or_new(message)
        body = await call.terminate(
            required(message, "from-tag"), text(message, "sdp"), Profile.parse(message)
        )
        return {**OK, "sdp": body}

    async def accept(self, message: Message) -> Reply:
        await self.call(message).accept(
            required(message, "from-tag"), required(message, "sdp"), Profile.parse(message)
        )
        return {**OK}

    async def attach(self, message: Message) -> Reply:
        leg_id = required(message, "from-tag")
        application = text(message, "application")
        if application not in (None, "echo"):
            raise GatewayError(f"unknown application {application}")
        self.call(message).attach(leg_id, leg_id if application else required(message, "to-tag"))
        return {**OK}

    async def adopt(self, message: Message) -> Reply:
        """`other-tag` of `other-call-id` becomes `from-tag` of this call. Both must be at rest."""
        other_id = required(message, "other-call-id")
        other, turn = self.calls.get(other_id), self._turns.get(other_id)
        if other is None:
            raise GatewayError("Unknown call-id")
        if turn is not None and turn.locked():
            raise GatewayError("the other call is busy")
        self.call(message).adopt(other, required(message, "other-tag"), required(message, "from-tag"))
        self._tidy(other_id)
        return {**OK}

    async def detach(self, message: Message) -> Reply:
        self.call(message).detach(required(message, "from-tag"))
        return {**OK}

    async def delete(self, message: Message) -> Reply:
        """`via-branch`: that leg. `from-tag`: it and all connected with it. Neither: the whole call."""
        call = self.call(message)
        branch, sender = text(message, "via-branch"), text(message, "from-tag")
        if branch is not None:
            doomed = {branch} & call.legs.keys()
        elif sender is not None:
            doomed = call.connected(sender)
        else:
            doomed = set(call.legs)
        if not doomed:
            raise GatewayError(f"unknown leg {branch or sender}")
        reply = _report(call, doomed)
        await call.remove(doomed)
        return reply

    async def query(self, message: Message) -> Reply:
        call = self.call(message)
        return _report(call, call.legs)

    async def list_calls(self, message: Message) -> Reply:
        return {**OK, "calls": list(self.calls)[:10000]}

    async def play_dtmf(self, message: Message) -> Reply:
        """Press keys as if `from-tag` had: its peer hears them (rtpengine's meaning)."""
        leg = self.call(message).leg(required(message, "from-tag"))
        code = str(message.get("code", "")).upper()
        if not code or len(code) > 64 or not set(code) <= set(DIGITS):
            raise GatewayError("code must be DTMF digits")
        duration = message.get("duration", 250)
        if not isinstance(duration, int) or not 40 <= duration <= 5000:
            raise GatewayError("duration must be 40 to 5000 ms")
        if leg.peer is None:
            raise GatewayError(f"leg {leg.id} has no peer")
        self._keys.play(leg.peer, code, duration)
        return {**OK}


def _other_leg(message: Message) -> str:
    """The leg that an offer goes to, or that answered: `to-tag`, else `via-branch`."""
    sender = message.get("from-tag")
    for key in ("to-tag", "via-branch"):
        leg_id = text(message, key)
        if leg_id is not None and leg_id != sender:
            return leg_id
    raise GatewayError("to-tag or via-branch must name the other leg")


def _waited_for(lock: asyncio.Lock) -> bool:
    return bool(getattr(lock, "_waiters", None))


def _error(reason: str) -> Reply:
    return {"result": "error", "error-reason": reason}


def _report(call: Call, leg_ids: Iterable[str]) -> Reply:
    """Statistics of these legs, and what a client of rtpengine looks at."""
    wanted = set(leg_ids)
    legs = {leg_id: leg for leg_id, leg in call.statistics().items() if leg_id in wanted}
    tags = {leg_id: {"tag": leg_id, "created": int(call.created), "medias": []} for leg_id in legs}
    totals = {"packets": _sum(legs, "in", "packets"), "bytes": _sum(legs, "in", "bytes"), "errors": 0}
    return {
        **OK,
        "created": int(call.created),
        "legs": legs,
        "tags": tags,
        "totals": {"RTP": totals},
    }


def _sum(legs: Mapping[str, Statistics], direction: str, name: str) -> int:
    total = 0
    for leg in legs.values():
        counters = leg.get(direction)
        value = counters.get(name) if isinstance(counters, dict) else 0
        total += value if isinstance(value, int) else 0
    return total


COMMANDS: dict[str, Command] = {
    "ping": Commands.ping,
    "offer": Commands.offer,
    "answer": Commands.answer,
    "terminate": Commands.terminate,
    "accept": Commands.accept,
    "adopt": Commands.adopt,
    "attach": Commands.attach,
    "detach": Commands.detach,
    "delete": Commands.delete,
    "query": Commands.query,
    "list": Commands.list_calls,
    "play DTMF": Commands.play_dtmf,
}
