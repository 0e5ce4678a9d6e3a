"""Names nobody can guess: tags, branches, Call-IDs (RFC 3261 19.3 asks for 32 random bits and more)."""

import os
import random
from collections import deque

CHUNK = 16
CHUNKS = 256


class Pool(random.SystemRandom):
    """The system's random octets, fetched many at a time: each fetch is a system call that lets go of the
    interpreter, and then another thread has it for a while. Safe to use from any thread."""

    def __init__(self) -> None:
        super().__init__()
        self._chunks: deque[bytes] = deque()
        os.register_at_fork(after_in_child=self._chunks.clear)

    def getrandbits(self, k: int) -> int:
        """A number of `k` random bits; up to 128 cost no system call."""
        if k > 8 * CHUNK:
            return super().getrandbits(k)
        return int.from_bytes(self._chunk(), "big") >> (8 * CHUNK - k)

    def token(self, octets: int) -> str:
        """`octets` random octets, 16 at most, in hexadecimal."""
        return self._chunk()[:octets].hex()

    def _chunk(self) -> bytes:
        try:
            return self._chunks.pop()  # atomic: no two threads get the same one
        except IndexError:
            fresh = os.urandom(CHUNK * CHUNKS)
            self._chunks.extend(fresh[at : at + CHUNK] for at in range(CHUNK, len(fresh), CHUNK))
            return fresh[:CHUNK]


POOL = Pool()
token = POOL.token
