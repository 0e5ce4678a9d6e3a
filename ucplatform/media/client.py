"""The edge's way to its media engines."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from ucplatform import ng
from ucplatform.media.choice import choose
from ucplatform.media.engine import Engine
from ucplatform.media.errors import EngineError
from ucplatform.media.events import Event, EventStream

log = logging.getLogger("ucplatform.media")

PROBE_EVERY = 2.0  # seconds
PLACES_KEPT = 65536  # calls whose engine is remembered
Done = Callable[[Event | EngineError], None]
"""Takes the outcome of a request, once, in the loop."""

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
        #: what each call has still to ask; the call's name is there while a request of it is under way
        self._queues: dict[str, deque[tuple[Mapping[str, object], Done]]] = {}
        self._drained = asyncio.Event()
        self._places: OrderedDict[str, Engine] = OrderedDict()
        #: how many of them are on each engine, by address
        self._calls: Counter[str] = Counter()
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
        """Stop probing and listening. Nobody is told of requests under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        self._queues.clear()
        for engine in self.engines.values():
            engine.close()

    # -- requests --------------------------------------------------------------------------------

    def ask(self, call_id: str, message: Mapping[str, object], done: Done) -> None:
        """Carry out one command of a call: {"command": "offer", …}; "call-id" is added here.

        `done` gets the reply, or an EngineError with the engine's reason when it refuses, an EngineTimeout
        when it is silent; never before `ask` returns. Requests of one call go in the order asked for, each
        after the reply to the one before. After close() nobody is told any more.
        """
        waiting = self._queues.get(call_id)
        if waiting is not None:
            waiting.append((message, done))
            return
        self._queues[call_id] = deque()
        self._begin(call_id, message, done)

    async def request(self, call_id: str, message: Mapping[str, object]) -> Event:
        """As `ask`, for who can wait: returns the reply, raises the error."""
        reply: asyncio.Future[Event] = asyncio.get_running_loop().create_future()
        self.ask(call_id, message, partial(_settle, reply))
        return await reply

    async def drain(self, seconds: float) -> None:
        """Wait for what is under way, `seconds` at most."""
        try:
            async with asyncio.timeout(seconds):
                while self._queues:
                    self._drained.clear()
                    await self._drained.wait()
        except TimeoutError:
            log.info("%s calls still wait for their engine", len(self._queues))

    def _begin(self, call_id: str, message: Mapping[str, object], done: Done) -> None:
        verb = str(message.get("command", ""))
        try:
            engine = self._places.get(call_id) or choose(
                call_id, verb, list(self.engines.values()), self._calls
            )
        except EngineError as error:
            asyncio.get_running_loop().call_soon(self._end, call_id, done, error)
            return
        self._post(
            engine, {**message, "call-id": call_id}, partial(self._replied, call_id, message, done, engine)
        )

    def _replied(
        self,
        call_id: str,
        message: Mapping[str, object],
        done: Done,
        engine: Engine,
        outcome: Event | EngineError,
    ) -> None:
        if not isinstance(outcome, EngineError):
            if message["command"] == "delete" and not message.get("via-branch") and not message.get("to-tag"):
                self._leave(self._places.pop(call_id, None))
            else:
                self._place(call_id, engine)
        self._end(call_id, done, outcome)

    def _end(self, call_id: str, done: Done, outcome: Event | EngineError) -> None:
        """One request is over; the next of its call begins."""
        if call_id not in self._queues:
            return  # closed
        try:
            done(outcome)
        finally:
            waiting = self._queues[call_id]
            if waiting:
                self._begin(call_id, *waiting.popleft())
            else:
                del self._queues[call_id]
                if not self._queues:
                    self._drained.set()

    def engine_of(self, call_id: str) -> str | None:
        """Address of the engine a call is on, for the call's stored state; None before its first reply."""
        engine = self._places.get(call_id)
        return engine.address if engine else None

    def pin(self, call_id: str, address: str) -> None:
        """Put a call that was read back from storage on its engine again. KeyError when that is gone."""
        self._place(call_id, self.engines[address])

    async def ping(self, address: str) -> Event:
        """The engine's reply to ping; EngineError or EngineTimeout."""
        return await self._ping(self.engines[address])

    async def _ping(self, engine: Engine) -> Event:
        reply: asyncio.Future[Event] = asyncio.get_running_loop().create_future()
        self._post(engine, {"command": "ping"}, partial(_settle, reply))
        return await reply

    def states(self) -> dict[str, dict[str, object]]:
        """Per engine {"alive": bool, "ours": bool, "free_ports": int | None}, for health and metrics."""
        return {
            address: {"alive": bool(engine.alive), "ours": engine.ours, "free_ports": engine.free_ports}
            for address, engine in self.engines.items()
        }

    def behind(self) -> float:
        """Seconds by which the slowest engine does not keep up; one that is dead is no slow one."""
        return max((engine.behind() for engine in self.engines.values() if engine.alive), default=0.0)

    def _place(self, call_id: str, engine: Engine) -> None:
        if self._places.get(call_id) is not engine:
            self._leave(self._places.get(call_id))
            self._places[call_id] = engine
            self._calls[engine.address] += 1
        self._places.move_to_end(call_id)
        if len(self._places) > PLACES_KEPT:
            self._leave(self._places.popitem(last=False)[1])

    def _leave(self, engine: Engine | None) -> None:
        if engine is not None:
            self._calls[engine.address] -= 1

    def _post(self, engine: Engine, message: Mapping[str, object], done: Done) -> None:
        self._serial += 1
        engine.post(f"{self._prefix}_{self._serial}", message, partial(self._read, engine, done))

    def _read(self, engine: Engine, done: Done, outcome: bytes | EngineError) -> None:
        """The raw reply becomes a dictionary, a large one beside the loop."""
        if isinstance(outcome, bytes) and len(outcome) > LARGE:
            reading = asyncio.get_running_loop().run_in_executor(None, _decoded, engine.address, outcome)
            reading.add_done_callback(lambda read: None if read.cancelled() else done(read.result()))
        else:
            done(outcome if isinstance(outcome, EngineError) else _decoded(engine.address, outcome))

    # -- probing ---------------------------------------------------------------------------------

    async def _watch(self, engine: Engine) -> None:
        while True:
            await asyncio.sleep(PROBE_EVERY)
            await self._probe(engine)

    async def _probe(self, engine: Engine) -> None:
        try:
            if not engine.alive:
                await engine.open()  # a name may stand for another address by now
            engine.info = await self._ping(engine)
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


def _decoded(address: str, data: bytes) -> Event | EngineError:
    """What an engine's reply says."""
    try:
        _, reply = ng.decode(data)
    except ng.NgError as error:
        return EngineError(f"engine {address} answered no NG: {error}")
    if reply.get("result") not in ("ok", "pong"):
        return EngineError(str(reply.get("error-reason") or reply.get("message") or reply.get("result")))
    return reply


def _settle(reply: asyncio.Future[Event], outcome: Event | EngineError) -> None:
    if reply.done():
        return  # who waited has given up
    if isinstance(outcome, EngineError):
        reply.set_exception(outcome)
    else:
        reply.set_result(outcome)
