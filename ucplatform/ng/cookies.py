"""A request that arrives twice is answered twice with the same reply and carried out once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

PENDING = b""


class CookieCache:
    """Replies by key (the cookie, better with the peer's address), the oldest forgotten first.

    `limit` is a number of replies, `ttl` seconds. Times are the caller's clock, monotonic seconds.
    """

    def __init__(self, limit: int = 8192, ttl: float = 30.0) -> None:
        self._limit = limit
        self._ttl = ttl
        self._entries: OrderedDict[Hashable, tuple[float, bytes]] = OrderedDict()

    def get(self, key: Hashable, now: float) -> bytes | None:
        """None: new, carry it out. PENDING: being carried out, say nothing. Else the reply to send again."""
        self._expire(now)
        entry = self._entries.get(key)
        return None if entry is None else entry[1]

    def begin(self, key: Hashable, now: float) -> None:
        """A new request is being carried out."""
        self.put(key, PENDING, now)

    def put(self, key: Hashable, reply: bytes, now: float) -> None:
        """Keep the reply to a request; the time to live begins again."""
        self._entries.pop(key, None)
        self._entries[key] = (now + self._ttl, reply)
        while len(self._entries) > self._limit:
            self._entries.popitem(last=False)

    def _expire(self, now: float) -> None:
        # Every entry lives equally long and put() moves to the end, so the oldest is always in front.
        while self._entries:
            key, (until, _) = next(iter(self._entries.items()))
            if until > now:
                return
            del self._entries[key]

    def __len__(self) -> int:
        return len(self._entries)
