"""What an edge must find again after a restart, written to Redis behind the messages.

Nothing on the path of a message waits for Redis: `put` and `delete` note the newest value of a key, one
task writes them in pipelines. While Redis is away only the newest value of each key is kept. A Redis that
comes back may have lost its last second, or everything; so all values this edge wrote are kept here too and
written again to a Redis that was restarted.
"""

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple

from redis.asyncio import Redis
from redis.exceptions import RedisError

from ucplatform.edge import log
from ucplatform.edge.redis_link import connect

PIPELINE = 500
KEYS = 200_000
#: how often an idle store looks whether its Redis is still the same one
WATCH_SECONDS = 2.0
FIRST_RETRY = 0.05
LAST_RETRY = 1.0
#: a deletion is remembered this long, for a Redis that comes back with its state of a second ago
DELETION_SECONDS = 60.0


#: how long changes are gathered before they are written: a call that rings and is answered is stored once
GATHER_SECONDS = 0.05

Text = str | Callable[[], str]
"""A value, or what makes it when it is written: the state of that moment, then."""


class Value(NamedTuple):
    """The newest value of a key; `text` None means deleted, `expires` is unix time or None."""

    text: Text | None
    expires: float | None


class Store:
    """Keys are whole Redis keys such as `uc:reg:200@1`, values are text (JSON). Used from the loop only."""

    def __init__(self, url: str, *, clock: Callable[[], float] = time.time) -> None:
        self._url = url
        self._clock = clock
        self._values: dict[str, Value] = {}
        self._dirty: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._reached = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None
        self._redis: Redis | None = None
        self._run_id: str | None = None
        #: whether the last word from Redis was a good one; None before there was any
        self.available: bool | None = None
        #: values not taken because too many others are kept
        self.dropped = 0
        self._full = False

    async def start(self, patience: float = 0.0) -> None:
        """Begin writing. With `patience` wait as many seconds for Redis; TimeoutError when it does not
        come.
        """
        self._task = asyncio.get_running_loop().create_task(self._run())
        if patience:
            try:
                async with asyncio.timeout(patience):
                    await self._reached.wait()
            except TimeoutError:
                where = self._url.rpartition("@")[2]  # the part before may be a password
                raise TimeoutError(f"no Redis at {where} within {patience:g} s") from None

    def put(self, key: str, text: Text, ttl: float | None = None) -> None:
        """Store `text` under `key`, for `ttl` seconds when given. A function is asked when it is written."""
        self._set(key, Value(text, self._clock() + ttl if ttl is not None else None))

    def delete(self, key: str) -> None:
        """Remove `key`."""
        self._set(key, Value(None, self._clock() + DELETION_SECONDS))

    def leave(self, key: str) -> None:
        """Write `key` no more: another process does from now on."""
        self._values.pop(key, None)
        self._dirty.pop(key, None)

    def _set(self, key: str, value: Value) -> None:
        if key not in self._values and len(self._values) >= KEYS:
            self._forget_expired()
            if len(self._values) >= KEYS:
                if not self._full:
                    log.error("store-full", keys=KEYS)
                self._full = True
                self.dropped += 1
                return
            self._full = False
        self._values[key] = value
        self._dirty[key] = None
        self._idle.clear()
        self._wake.set()

    async def load(self, prefix: str) -> dict[str, str]:
        """All values under keys that begin with `prefix`. redis.RedisError or OSError when Redis is away."""
        redis = connect(self._url)
        try:
            pattern = "".join("\\" + c if c in "*?[]^\\" else c for c in prefix) + "*"
            keys = [key async for key in redis.scan_iter(match=pattern, count=1000)]
            found: dict[str, str] = {}
            for start in range(0, len(keys), PIPELINE):
                part = keys[start : start + PIPELINE]
                found |= {k: v for k, v in zip(part, await redis.mget(part), strict=True) if v is not None}
            return found
        finally:
            await redis.aclose()

    async def flush(self, timeout: float) -> bool:
        """Wait until everything noted is written; False when that takes longer than `timeout`."""
        try:
            async with asyncio.timeout(timeout):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    async def close(self, timeout: float = 0.5) -> None:
        """Write what is noted if that is possible within `timeout`, and stop."""
        if not await self.flush(timeout):
            log.warning("store-unwritten", keys=len(self._dirty))
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._disconnect()

    # The writing task --------

    async def _run(self) -> None:
        delay = FIRST_RETRY
        while True:
            try:
                await self._write()
                self._found()
                delay = FIRST_RETRY
                await self._wait()
            except (TimeoutError, RedisError, OSError) as error:
                if self.available is not False:
                    log.warning("store-away", error=error)
                self.available = False
                await self._disconnect()
                await asyncio.sleep(delay)
                delay = min(delay * 2, LAST_RETRY)

    def _found(self) -> None:
        """Everything noted is written."""
        if not self.available:
            log.info("store-ready")
        self.available = True
        self._reached.set()

    async def _wait(self) -> None:
        """Until there is something to write, or it is time to look after Redis."""
        self._wake.clear()
        if self._dirty:
            return
        self._idle.set()
        try:
            async with asyncio.timeout(WATCH_SECONDS):
                await self._wake.wait()
            await asyncio.sleep(GATHER_SECONDS)
        except TimeoutError:
            self._forget_expired()
            if self._redis is not None:
                await self._redis.ping()

    async def _write(self) -> None:
        """Write everything noted, newest values only."""
        if self._redis is None:
            await self._connect()
        while self._dirty:
            keys = [key for key, _ in zip(self._dirty, range(PIPELINE), strict=False)]
            values = [self._made(key) for key in keys]
            for key in keys:
                del self._dirty[key]
            try:
                await self._send(keys, values)
            except BaseException:
                self._dirty = dict.fromkeys(keys) | self._dirty
                raise

    def _made(self, key: str) -> Value | None:
        """The value under `key` as text, made now where it was left to make."""
        value = self._values.get(key)
        if value is None or not callable(value.text):
            return value
        try:
            value = Value(value.text(), value.expires)
        except Exception as error:  # a fault in one value must not keep the others from being stored
            log.fault("value-not-made", error, key=key)
            del self._values[key]
            return None
        self._values[key] = value
        return value

    async def _send(self, keys: list[str], values: list[Value | None]) -> None:
        pipeline = self._redis.pipeline(transaction=False)
        now = self._clock()
        for key, value in zip(keys, values, strict=True):
            if value is None or value.text is None:
                pipeline.delete(key)
            elif value.expires is None:
                pipeline.set(key, value.text)
            else:
                pipeline.set(key, value.text, px=max(1, int((value.expires - now) * 1000)))
        for outcome in await pipeline.execute(raise_on_error=False):
            if isinstance(outcome, Exception):
                raise outcome  # full, read-only, still loading: all are written again

    async def _connect(self) -> None:
        """Connect, and note everything again when this is not the Redis of before, or not as it was."""
        redis = connect(self._url, single=True)
        try:
            run_id = (await redis.info("server"))["run_id"]
        except BaseException:
            await redis.aclose()
            raise
        self._redis = redis
        if self._run_id not in (None, run_id):
            self._dirty = dict.fromkeys(self._values)
        self._run_id = run_id

    async def _disconnect(self) -> None:
        redis, self._redis = self._redis, None
        if redis is not None:
            try:
                await redis.aclose()
            except (RedisError, OSError):
                pass

    def _forget_expired(self) -> None:
        now = self._clock()
        for key in [
            k for k, value in self._values.items() if value.expires is not None and value.expires <= now
        ]:
            if key not in self._dirty:
                del self._values[key]
