"""How the edge connects to Redis: no retries hidden inside the library, because what follows a loss is ours
to do.
"""

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 5.0


def connect(url: str, *, single: bool = False, waits: bool = False) -> Redis:
    """A client of `url` (redis://, rediss:// or unix://) that raises at the first failure; replies are text.

    `single` keeps to one connection, so that a broken one is noticed and never replaced silently; `waits`
    is for commands that block in the server.
    """
    return Redis.from_url(
        url,
        decode_responses=True,
        retry=Retry(NoBackoff(), 0),
        single_connection_client=single,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=None if waits else ANSWER_SECONDS,
    )
