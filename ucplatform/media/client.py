"""The edge's way to its media engines."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

from ucplatform import ng
from ucplatform.media.choice import choose
from ucplatform.media.engine import Engine
from ucplatform.media.errors import EngineError
from ucplatform.media.events import Event, EventStream
from ucplatform.media.order import Turns

log = logging.getLogger("ucplatform.media")

PROBE_EVERY = 2.0  # seconds
PLACES_KEPT = 65536  # calls whose engine is remembered
LARGE = 2048  # octets; a larger reply (statistics of rtpengine) is decoded beside the loop


class MediaClient:
    """Requests to engines, those of one call in order and to one engine; their events to one subscriber.

    `engines` are "host:port" of NG over UDP (events: TCP on the same port); `subscriber` names this edge.
    """

    def __init__(self, engines: Sequence[str], *, subscriber: str = "edge-1") -> None:
        if not engines:
            raise ValueError("no media engine is configured")
        self.engines = {address: Engine(address) for address in engines}
        self._subscriber = subscriber
        # rtpengine's cookie cache is global: two processes counting from one would get each other's replies.
        self._prefix = secrets.token_hex(6)
        self._serial = 0
        self._turns = Turns()
        self._places: OrderedDict[str, Engine] = OrderedDict()
        self._tasks: list[asyncio.Task[None]] = []

    # -- life ------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the sockets and probe each engine once. A dead engine is no error: it is probed again."""
        await asyncio.gather(*map(self._probe, self.engines.values()))
        self._tasks += [
            asyncio.create_task(self._watch(engine), name=f"probe {engine.address}")
            for engine in self.engines.values()
        ]

    async def subscribe(self, callback: Callable[[Event], None]) -> None:
        """Events of every engine to `callback`, in the loop, from now until close(). See EventStream."""
        self._tasks += [
            asyncio.create_task(
                EventStream(address, self._subscriber, callback).run(), name=f"events {address}"
            )
            for address in self.engines
        ]

    async def close(self) -> None:
        """Stop probing and listening; requests under way fail with EngineError."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        for engine in self.engines.values():
            engine.close()

    # -- requests --------------------------------------------------------------------------------

    async def request(self, call_id: str, message: Mapping[str, object]) -> Event:
        """Carry out one command of a call: {"command": "offer", …}; "call-id" is added here.

        Returns the reply. Raises EngineError with the engine's reason when it refuses, EngineTimeout when it
        is silent. Requests of one call go in the order asked for, each after the reply to the one before.
        """
        async with self._turns.turn(call_id):
            verb = str(message.get("command", ""))
            engine = self._places.get(call_id) or choose(call_id, verb, list(self.engines.values()))
            reply = await self._ask(engine, {**message, "call-id": call_id})
            if verb == "delete" and not message.get("via-branch") and not message.get("to-tag"):
                self._places.pop(call_id, None)
            else:
                self._place(call_id, engine)
            return reply

    def engine_of(self, call_id: str) -> str | None:
        """Address of the engine a call is on, for the call's stored state; None before its first reply."""
        engine = self._places.get(call_id)
        return engine.address if engine else None

    def pin(self, call_id: str, address: str) -> None:
        """Put a call that was read back from storage on its engine again. KeyError when that is gone."""
        self._place(call_id, self.engines[address])

    async def ping(self, address: str) -> Event:
        """The engine's reply to ping; EngineError or EngineTimeout."""
        return await self._ask(self.engines[address], {"command": "ping"})

    def states(self) -> dict[str, dict[str, object]]:
        """Per engine {"alive": bool, "ours": bool, "free_ports": int | None}, for health and metrics."""
        return {
            address: {"alive": bool(engine.alive), "ours": engine.ours, "free_ports": engine.free_ports}
            for address, engine in self.engines.items()
        }

    def _place(self, call_id: str, engine: Engine) -> None:
        self._places[call_id] = engine
        self._places.move_to_end(call_id)
        if len(self._places) > PLACES_KEPT:
            self._places.popitem(last=False)

    async def _ask(self, engine: Engine, message: Mapping[str, object]) -> Event:
        self._serial += 1
        data = await engine.exchange(f"{self._prefix}_{self._serial}", message)
        try:
            if len(data) > LARGE:
                _, reply = await asyncio.get_running_loop().run_in_executor(None, ng.decode, data)
            else:
                _, reply = ng.decode(data)
        except ng.NgError as error:
            raise EngineError(f"engine {engine.address} answered no NG: {error}") from None
        if reply.get("result") not in ("ok", "pong"):
            raise EngineError(str(reply.get("error-reason") or reply.get("message") or reply.get("result")))
        return reply

    # -- probing ---------------------------------------------------------------------------------

    async def _watch(self, engine: Engine) -> None:
        while True:
            await asyncio.sleep(PROBE_EVERY)
            await self._probe(engine)

    async def _probe(self, engine: Engine) -> None:
        try:
            if not engine.alive:
                await engine.open()  # a name may stand for another address by now
            engine.info = await self._ask(engine, {"command": "ping"})
            self._set_alive(engine, True)
        except (EngineError, OSError) as error:
            self._set_alive(engine, False, error)

    def _set_alive(self, engine: Engine, alive: bool, error: Exception | None = None) -> None:
        if engine.alive == alive:
            return
        before, engine.alive = engine.alive, alive
        names = {None: "unknown", True: "alive", False: "dead"}
        log.log(
            logging.INFO if alive else logging.WARNING,
            "engine %s: %s -> %s%s",
            engine.address,
            names[before],
            names[alive],
            f" ({error})" if error else "",
        )
