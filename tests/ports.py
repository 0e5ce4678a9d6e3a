"""Ports nobody else uses: a block of its own for each test process on this machine, held by a file lock."""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import IO

# Below 32768, where the kernel's own choice begins, and clear of the product's default ports.
BLOCKS = (21000, 24900, 28800, 9500, 13400)
SIZE = 3900
MEDIA = (socket.SOCK_DGRAM,)
RTP = 3000  # the first so many of a block are the instance's media ports


class PortBlock:
    """3,900 ports: `rtp` for the media of one instance, the rest handed out one by one."""

    def __init__(self) -> None:
        self._lock, self.first = _lock_a_block()
        self.rtp = (self.first, self.first + RTP - 1)
        self._next = self.first + RTP

    def take(self, spacing: int = 1) -> int:
        """A port free for UDP and TCP; `spacing` ports from it on are not handed out again soon."""
        return self._find(spacing, is_free)

    def take_range(self, count: int) -> tuple[int, int]:
        """A run of free ports for the media of one phone, as (first, last)."""
        # Media is UDP: a TCP port that a phone has just left stays taken for a minute, and breaks the run.
        first = self._find(count + 1, lambda port: all(is_free(port + n, MEDIA) for n in range(count + 1)))
        first += first % 2  # RTP wants an even port
        return first, first + count - 1

    def _find(self, count: int, fits: Callable[[int], bool]) -> int:
        """The first of `count` ports for which that `fits`. Goes round: by the time the end is reached the
        first phones have long gone."""
        for _ in range(SIZE):
            if self._next + count > self.first + SIZE:
                self._next = self.first + RTP
            port = self._next
            if fits(port):
                self._next += count
                return port
            self._next += 1
        raise AssertionError("the block of ports is used up")

    def release(self) -> None:
        """Give the block back."""
        self._lock.close()


@lru_cache(maxsize=1)
def own_block() -> PortBlock:
    """The block of this test process, for tests that need ports but no fixture; given back when it ends."""
    return PortBlock()


def _lock_a_block() -> tuple[IO[str], int]:
    for first in BLOCKS:
        path = Path(tempfile.gettempdir()) / f"uc-test-ports-{os.getuid()}-{first}.lock"
        lock = path.open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
        else:
            return lock, first
    raise AssertionError(f"all {len(BLOCKS)} blocks of test ports are in use: too many test runs at once")


def is_free(port: int, kinds: tuple[socket.SocketKind, ...] = (*MEDIA, socket.SOCK_STREAM)) -> bool:
    """True when nobody has the port, for UDP and TCP unless told otherwise."""
    for kind in kinds:
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                return False
    return True


def own_address() -> str:
    """An IPv4 address of this machine that is not loopback; nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("198.51.100.1", 9))
        address: str = probe.getsockname()[0]
    assert not address.startswith("127."), "this machine has no address but loopback"
    return address


def is_taken(port: int) -> bool:
    """True when somebody listens there over UDP or TCP. Only looked up: a trial could be in its way."""
    wanted = f":{port:04X}"
    for table, state in (("udp", "07"), ("tcp", "0A")):
        lines = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        if any(fields[1].endswith(wanted) and fields[3] == state for fields in map(str.split, lines)):
            return True
    return False
