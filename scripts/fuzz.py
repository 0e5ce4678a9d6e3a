"""`make fuzz`: hostile input for every parser that meets the network, for a given time or number of inputs.

Three ways take turns: changed copies of real input, examples that hypothesis builds, and inputs that atheris
steers by the lines they reach. What breaks a rule is made small and kept under tests/data/fuzz, where
tests/fuzz/test_replay.py takes it up for ever. One process at a time; run it under `nice`.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from steps import ROOT

sys.path.insert(0, str(ROOT))

import fuzz_guided

from tests.fuzz import findings
from tests.fuzz.search import by_hypothesis, by_mutation
from tests.fuzz.target import Finding, Target
from tests.fuzz.targets import TARGETS

#: how a target's time is divided
WAYS: dict[str, tuple[float, Callable[[Target, float], int]]] = {
    "mutation": (0.6, by_mutation),
    "hypothesis": (0.1, by_hypothesis),
    "atheris": (0.3, fuzz_guided.by_coverage),
}
FIRST, LONGEST = 60.0, 3600.0  # seconds of a round, when a number of inputs is asked for


@dataclass
class Tally:
    """What one target has been given."""

    inputs: dict[str, int] = field(default_factory=lambda: dict.fromkeys(WAYS, 0))
    seconds: float = 0.0
    found: int = 0

    @property
    def total(self) -> int:
        return sum(self.inputs.values())


def main(arguments: list[str]) -> int:
    """1 when something was found."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__.partition("\n")[0])
    default = float(os.environ.get("UC_FUZZ_SECONDS") or 300)
    parser.add_argument("--seconds", type=float, default=default, help="for all targets together")
    parser.add_argument("--inputs", type=int, default=0, help="go on until there were so many, all together")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}")
    options = parser.parse_args(arguments)
    if unknown := set(options.targets) - TARGETS.keys():
        parser.error(f"no target {', '.join(sorted(unknown))}")
    if not fuzz_guided.available():
        print("atheris is not here (requirements.txt says where there is one): its share is left out")
        del WAYS["atheris"]
    tallies = {name: Tally() for name in options.targets or TARGETS}
    begun = time.monotonic()
    turn(tallies, FIRST if options.inputs else options.seconds)
    while (given := sum(tally.total for tally in tallies.values())) < options.inputs:
        needed = (options.inputs - given) * (time.monotonic() - begun) / given
        turn(tallies, min(max(needed, FIRST), LONGEST))
    return report(tallies, time.monotonic() - begun)


def turn(tallies: dict[str, Tally], seconds: float) -> None:
    """Each target for its share of the time; the one that breaks a rule leaves the rest of it to nobody."""
    shares = sum(TARGETS[name].share for name in tallies)
    for name, tally in tallies.items():
        target = TARGETS[name]
        begun = time.monotonic()
        for way, (part, search) in WAYS.items():
            try:
                tally.inputs[way] += search(target, part * seconds * target.share / shares)
            except Finding as finding:
                tally.found += 1
                print(f"{finding}\n  kept as {findings.keep(target, finding).relative_to(ROOT)}", flush=True)
        tally.seconds += time.monotonic() - begun
        print(f"{name}: {tally.total:,} inputs", flush=True)


def report(tallies: dict[str, Tally], seconds: float) -> int:
    """The table and the closing line."""
    print(f"\n{'target':24}" + "".join(f"{way:>14}" for way in WAYS) + f"{'a second':>12}{'found':>8}")
    for name, tally in tallies.items():
        numbers = "".join(f"{tally.inputs[way]:>14,}" for way in WAYS)
        print(f"{name:24}{numbers}{tally.total / tally.seconds:>12,.0f}{tally.found:>8}")
    total, found = (sum(getattr(tally, what) for tally in tallies.values()) for what in ("total", "found"))
    print(f"=== {total:,} inputs for {len(tallies)} targets in {seconds:,.0f} s, {found} found ===")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
