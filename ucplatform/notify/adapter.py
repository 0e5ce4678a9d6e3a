"""The way to Redis for everything that may be lost: pushes, announcements, commands, counters, heartbeats.

No function here raises when Redis is away: the caller's own work is done and must not fail for a message.
Readers get an empty answer; a line in the log says so."""

import logging
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, TypeVar

import redis
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.conf import settings

log = logging.getLogger(__name__)
T = TypeVar("T")

# What redis-py and the channel layer raise when the server is away or refuses.
REDIS_ERRORS = (redis.RedisError, OSError)


@cache
def client() -> "redis.Redis":
    """One pooled, thread-safe client per process; answers are text."""
    return redis.Redis.from_url(
        settings.REDIS_URL, decode_responses=True, socket_timeout=3, socket_connect_timeout=3
    )


def missed(what: str, error: Exception) -> None:
    """One line for what could not be sent. A socket file that does not exist means that nothing runs yet, as
    when accounts are loaded before the first start: nobody is there to hear, which is no warning."""
    quiet = "[Errno 2]" in repr(error) or "Error 2 connecting" in str(error)
    log.log(logging.DEBUG if quiet else logging.WARNING, "redis is away, %s left out: %s", what, error)


def attempt(what: str, action: Callable[["redis.Redis"], T], otherwise: T) -> T:
    """Run `action` with the client; if Redis is away, log one line and return `otherwise`."""
    try:
        return action(client())
    except REDIS_ERRORS as error:
        missed(what, error)
        return otherwise


def push(groups: Iterable[str], message: Mapping[str, Any]) -> None:
    """Send one message to channel-layer groups, at most once; pages refetch when they come back."""

    async def send() -> None:
        layer = get_channel_layer()
        for group in groups:
            await layer.group_send(group, dict(message))

    try:
        async_to_sync(send)()
    except REDIS_ERRORS as error:
        missed(f"push {message.get('type')}", error)


def announce(channel: str, text: str) -> None:
    """Redis publish/subscribe: whoever listens now hears it."""
    attempt(f"announcement on {channel}", lambda r: r.publish(channel, text), 0)


def append(stream: str, fields: Mapping[str, str]) -> None:
    """Add to a stream that its edge reads and acknowledges; the length is bounded in case no edge is
    there."""
    attempt(
        f"command on {stream}", lambda r: r.xadd(stream, dict(fields), maxlen=1000, approximate=True), None
    )


def increment(key: str, counts: Mapping[str, int]) -> None:
    """Add to the fields of a hash."""

    def run(r: "redis.Redis") -> None:
        pipeline = r.pipeline(transaction=False)
        for field, amount in counts.items():
            pipeline.hincrby(key, field, amount)
        pipeline.execute()

    attempt(f"counter {key}", run, None)


def counters(key: str) -> dict[str, int]:
    """The fields of a hash of counters."""
    return {
        name: int(value) for name, value in attempt(f"counter {key}", lambda r: r.hgetall(key), {}).items()
    }


def read_many(keys: list[str]) -> list[str | None]:
    """Values of the keys, None where there is none or Redis is away."""
    return attempt("reading", lambda r: r.mget(keys), [None] * len(keys)) if keys else []


def read_prefix(prefix: str) -> dict[str, str]:
    """All text values whose keys begin with `prefix`, fetched in chunks of 500."""

    def run(r: "redis.Redis") -> dict[str, str]:
        keys = list(r.scan_iter(match=f"{prefix}*", count=500))
        found: dict[str, str] = {}
        for start in range(0, len(keys), 500):
            chunk = keys[start : start + 500]
            found.update((key, value) for key, value in zip(chunk, r.mget(chunk), strict=True) if value)
        return found

    return attempt(f"reading {prefix}", run, {})


def announced_edges() -> list[str]:
    """The edges that are there now: each says so every second (`uc:edge:<id>`)."""

    def run(r: "redis.Redis") -> list[str]:
        names = sorted(r.smembers("uc:edges"))
        there = r.mget([f"uc:edge:{name}" for name in names]) if names else []
        return [name for name, text in zip(names, there, strict=True) if text]

    return attempt("reading edges", run, [])


def write(key: str, value: str, seconds: int) -> None:
    """Set a key that expires."""
    attempt(f"writing {key}", lambda r: r.set(key, value, ex=seconds), None)
