"""The command stream of an edge: what web and workers ask of it (`uc:edge:<id>:commands`).

An entry's fields are the command: `kind`, `id` when its sender may send it twice, and the arguments. Kinds:
`session-ended` {session}, `hangup` {call}, `accounts-changed`, `lift-bans` {address}. A command is
acknowledged after it was executed and not executed again under the same id: at least once when the edge dies
in between, exactly once otherwise.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from ucplatform.edge import log
from ucplatform.edge.redis_link import connect

Command = dict[str, str]

GROUP = "edge"
BLOCK_MS = 5000
COUNT = 64
DONE_SECONDS = 86_400
FIRST_RETRY = 0.1
LAST_RETRY = 2.0


def stream_key(edge_id: str) -> str:
    """The stream that `edge_id` reads."""
    return f"uc:edge:{edge_id}:commands"


class Commands:
    """Reads the stream and awaits `execute(command)` for each; a command that raises is logged and done
    with.
    """

    def __init__(self, url: str, edge_id: str, execute: Callable[[Command], Awaitable[object]]) -> None:
        self._url = url
        self._stream = stream_key(edge_id)
        self._done = f"uc:edge:{edge_id}:done:"
        self._execute = execute
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin reading; what came while this edge was away is read first."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Stop reading. A command being executed is interrupted and executed again after the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        delay = FIRST_RETRY
        while True:
            redis = connect(self._url, waits=True)
            try:
                await self._join(redis)
                delay = FIRST_RETRY
                await self._read(redis)
            except (TimeoutError, RedisError, OSError) as error:
                log.warning("commands-away", error=error, again_in=delay)
            finally:
                await asyncio.shield(_leave(redis))
            await asyncio.sleep(delay)
            delay = min(delay * 2, LAST_RETRY)

    async def _join(self, redis: Redis) -> None:
        try:
            await redis.xgroup_create(self._stream, GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    async def _read(self, redis: Redis) -> None:
        """First the entries delivered to an earlier life and not acknowledged ("0"), then new ones (">")."""
        start = "0"
        while True:
            block = None if start == "0" else BLOCK_MS
            reply = await redis.xreadgroup(GROUP, GROUP, {self._stream: start}, count=COUNT, block=block)
            entries = [entry for _, found in _pairs(reply) for entry in found]
            if not entries and start == "0":
                start = ">"
            for entry_id, fields in entries:
                await self._once(redis, entry_id, fields or {})

    async def _once(self, redis: Redis, entry_id: str, command: Command) -> None:
        done = self._done + (command.get("id") or entry_id)
        if not command.get("kind"):
            log.refused("malformed-command", entry=entry_id)
        elif not await redis.exists(done):
            await self._guarded(command)
        async with redis.pipeline(transaction=True) as pipeline:
            pipeline.set(done, "1", ex=DONE_SECONDS)
            pipeline.xack(self._stream, GROUP, entry_id)
            pipeline.xdel(self._stream, entry_id)
            await pipeline.execute()

    async def _guarded(self, command: Command) -> None:
        try:
            await self._execute(command)
        except Exception as error:
            log.fault("command-failed", error, kind=command.get("kind"), id=command.get("id"))


def _pairs(reply: Any) -> list[tuple[str, list]]:
    """The streams of a reply, whichever of the protocol's two shapes it has."""
    return list(reply.items()) if isinstance(reply, dict) else list(reply or [])


async def _leave(redis: Redis) -> None:
    try:
        await redis.aclose()
    except (RedisError, OSError):
        pass
