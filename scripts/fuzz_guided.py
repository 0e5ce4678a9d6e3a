"""Inputs that atheris (libFuzzer) steers towards lines not reached before.

libFuzzer ends the process it runs in, and instruments modules as they are imported: so each search is a child
process. What it learns stays under <data>/fuzz, and the next run goes on from there.
"""

import re
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from steps import PYTHON, ROOT, data_directory

sys.path.insert(0, str(ROOT))

from tests.fuzz.target import SLOW, Finding, Target

EXECUTED = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
BROKE = "broke a rule: "
STATUS = 9  # of a child that found something
LONGEST = 8192  # octets: libFuzzer would spend most of its time copying


def available() -> bool:
    return find_spec("atheris") is not None


def by_coverage(target: Target, seconds: float) -> int:
    """How many inputs there were; Finding at the first that broke a rule."""
    learnt = data_directory() / "fuzz" / target.name
    learnt.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="uc-fuzz-") as place:
        directory = Path(place)
        write_seeds(directory / "seeds", target)
        (directory / "words").write_text("".join(f'"{escaped(word)}"\n' for word in target.words))
        command = [
            str(PYTHON), __file__, target.name, f"-max_total_time={max(1, round(seconds))}",
            f"-max_len={min(target.limit, LONGEST)}", f"-dict={directory / 'words'}", "-print_final_stats=1",
            f"-artifact_prefix={directory}/", "-timeout=30", str(learnt), str(directory / "seeds"),
        ]  # fmt: skip
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace")
        return outcome(target, done)


def outcome(target: Target, done: "subprocess.CompletedProcess[str]") -> int:
    """The number of inputs, from what the child says."""
    broke = next((line for line in done.stdout.splitlines() if line.startswith(BROKE)), "")
    if done.returncode == STATUS and broke:
        data = bytes.fromhex(broke.removeprefix(BROKE))
        target.accepts(data)  # raises the finding here, unless it needs what went before it
        raise Finding(target.name, data, "guided", "a rule broke behind other inputs")
    executed = EXECUTED.search(done.stderr)
    if done.returncode or executed is None:
        raise SystemExit(f"atheris failed on {target.name}:\n{done.stderr[-2000:]}")
    return int(executed[1])


def write_seeds(directory: Path, target: Target) -> None:
    directory.mkdir()
    for number, seed in enumerate(sorted(set(target.seeds))):
        (directory / str(number)).write_bytes(seed[:LONGEST])


def escaped(word: bytes) -> str:
    return "".join(f"\\x{octet:02x}" for octet in word)


def child(name: str, options: list[str]) -> None:
    """Never comes back."""
    import os

    import atheris

    with atheris.instrument_imports(include=["ucplatform", "gateway"]):
        from tests.fuzz.targets import TARGETS

    target = TARGETS[name]

    def one(data: bytes) -> None:
        try:
            target.accepts(data)
        except Finding as finding:
            if finding.place == SLOW:  # instrumented code is: its speed says nothing
                return
            print(f"\n{BROKE}{data.hex()}", flush=True)
            os._exit(STATUS)

    atheris.Setup([sys.argv[0], *options], one)
    atheris.Fuzz()


if __name__ == "__main__":
    child(sys.argv[1], sys.argv[2:])
