"""What a benchmark gives, and how processor time is measured."""

import os
import platform
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """One measurement. Smaller is better; `aim` is what `value` should not exceed, in the same unit."""

    name: str
    value: float
    unit: str
    peer: str
    peer_value: float | None
    aim: float | None
    met: bool | None
    conditions: str

    @classmethod
    def beside(
        cls,
        name: str,
        value: float,
        unit: str,
        peer: str,
        peer_value: float | None,
        why: str,
        *,
        aim: float | None = None,
        digits: int = 1,
        failed: int = 0,
    ) -> "Figure":
        """The aim is the peer's own figure, unless another one is given. Where calls failed it is not met."""
        value = round(value, digits)
        theirs = None if peer_value is None else round(peer_value, digits)
        aim = theirs if aim is None else aim
        met = None if aim is None else value <= aim and not failed
        why = f"{failed} CALLS FAILED; {why}" if failed else why
        return cls(name, value, unit, peer, theirs, aim, met, f"{why}; {machine()}")


def machine() -> str:
    return f"Python {platform.python_version()}, {os.cpu_count()} cores"


def best(action: Callable[[], object], clock: Callable[[], float], seconds: float = 0.5) -> float:
    """µs per call of `action`, the best of three rounds of about `seconds` each."""
    rounds, found = 1, float("inf")
    while True:
        begun = clock()
        for _ in range(rounds):
            action()
        took = clock() - begun
        if took > seconds / 4:
            break
        rounds *= 4
    for _ in range(3):
        begun = clock()
        for _ in range(rounds):
            action()
        found = min(found, (clock() - begun) / rounds)
    return found * 1e6


def cpu(pids: Iterable[int]) -> float:
    """Seconds of processor time that these processes have used so far, user and system, all threads."""
    ticks = 0
    for pid in pids:
        # The name in parentheses may hold blanks; utime and stime are the 12th and 13th field behind it.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += family(int(child))
    return found
