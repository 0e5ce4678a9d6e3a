"""Requests of one call go one after the other; those of different calls do not wait for each other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """A lock per call, kept only while somebody holds it or waits."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def turn(self, call_id: str) -> AsyncIterator[None]:
        """Wait for the requests of this call that came before, first come first served."""
        lock, users = self._locks.get(call_id) or (asyncio.Lock(), 0)
        self._locks[call_id] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks.pop(call_id)
            if users > 1:
                self._locks[call_id] = (lock, users - 1)

    def __len__(self) -> int:
        return len(self._locks)
