"""One thing to fuzz: how an input is judged, which errors are its own, where the search begins."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

#: Processor time that an input may take: so much, and so much for each of its octets (seconds).
BASE = 0.010
PER_OCTET = 2.5e-6
#: `place` of a finding that took too long
SLOW = "slow"
LOOKS = 5  # the best of so many counts: a busy machine is no slow parser


class Finding(AssertionError):
    """An input that broke a rule. `place` is the same for inputs that break the same rule in the same way."""

    def __init__(self, target: str, data: bytes, place: str, reason: str) -> None:
        super().__init__(f"{target}: {reason} on {len(data)} octets: {data[:200]!r}")
        self.target = target
        self.data = data
        self.place = place


@dataclass(frozen=True)
class Target:
    """`check` takes an input; what it raises beside `errors` is a finding.

    `words` are put into inputs by mutation. `limit` is the longest input in octets, `share` how much of the
    time of a run goes here, against 1 of the others.
    """

    name: str
    check: Callable[[bytes], object]
    errors: tuple[type[Exception], ...]
    seeds: tuple[bytes, ...]
    words: tuple[bytes, ...]
    limit: int = 4096
    share: float = 1.0

    def accepts(self, data: bytes) -> bool:
        """Whether the input was taken (False: refused by the module's own error). Finding when a rule broke.

        Wall-clock time is looked at first, because asking for processor time is dear; only an input that
        seems slow is tried again and judged by processor time.
        """
        begun = time.perf_counter()
        try:
            self.check(data)
            taken = True
        except self.errors:
            taken = False
        except Exception as error:
            raise Finding(self.name, data, place_of(error), f"{type(error).__name__}: {error}") from error
        if time.perf_counter() - begun > allowed(len(data)):
            self._look_again(data)
        return taken

    def _look_again(self, data: bytes) -> None:
        least = float("inf")
        for _ in range(LOOKS):
            begun = time.process_time()
            try:
                self.check(data)
            except self.errors:
                pass
            least = min(least, time.process_time() - begun)
            if least <= allowed(len(data)):
                return
        raise Finding(self.name, data, SLOW, f"{least * 1000:.0f} ms of processor time")


def allowed(size: int) -> float:
    """Seconds of processor time for an input of so many octets: linear in its size."""
    return BASE + PER_OCTET * size


def place_of(error: BaseException) -> str:
    """Type of the error, and where it came from: file and line of the innermost frame."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None:
        return type(error).__name__
    code = traceback.tb_frame.f_code
    return f"{type(error).__name__} {code.co_filename.rpartition('/')[2]}:{traceback.tb_lineno}"
