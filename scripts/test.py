"""`make test` and `make test-long`: the page's own tests, then pytest: units on all cores, after them the
tests with real browsers and phones, and last, with the machine to themselves, those that measure time."""

import os
import re
import subprocess
import sys

import node
from page import FRONTEND
from steps import PYTHON, ROOT, say

COUNT = re.compile(r"(\d+) (passed|failed|errors?|skipped|xfailed|xpassed|deselected|warnings?)")
CLOSING = re.compile(r"^=* ?.*\bin \d[\d.]*s\b.*?=*$")
NOTHING_COLLECTED = 5
# Tests wait about as much as they work. Not more on a larger machine: it has five blocks of test ports.
UNIT_WORKERS = ("-n", "4", "--dist", "worksteal")
# Each worker has a house of its own; a file's tests stay together.
HOUSES = ("-n", "3", "--dist", "loadfile")
# Each worker collects all that it is given, so each run is given its own folders and no more.
UNITS = ("tests", "--ignore", "tests/e2e", "--ignore", "tests/long")
E2E = ("tests/e2e",)
#: a file that takes long and is begun last is waited for by the other workers
LONG = (
    "tests/long/test_timers.py",
    "tests/long/test_restart.py",
    "tests/long",
)
# What one test may last: a stuck one must not take the whole run with it.
LONG_TIMEOUT_S = 3600


def main(arguments: list[str]) -> int:
    """The status is that of the first run that failed; the last line sums the runs up as pytest would."""
    chosen = [a for a in arguments if a != "--long"]
    if "--long" in arguments:
        timeout = ("--timeout", str(LONG_TIMEOUT_S))
        workers = ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder")
        runs = [
            ("long tests", ["-m", "long and not alone", *timeout, *workers, *(chosen or LONG)]),
            ("long, alone", ["-m", "long and alone", *timeout, *(chosen or LONG)]),
        ]
    else:
        runs = [
            ("units", ["-m", "not long and not e2e", *UNIT_WORKERS, *(chosen or UNITS)]),
            ("end to end", ["-m", "e2e and not long and not alone", *HOUSES, *(chosen or E2E)]),
            ("alone", ["-m", "alone and not long", *(chosen or E2E)]),
        ]
    statuses = [] if "--long" in arguments else [page()]
    totals: dict[str, int] = {}
    seconds = 0.0
    for name, options in runs:
        say(name)
        status, closing = pytest(options)
        statuses.append(0 if status == NOTHING_COLLECTED else status)
        for number, word in COUNT.findall(closing):
            word = word.removesuffix("s") if word.startswith(("error", "warning")) else word
            totals[word] = totals.get(word, 0) + int(number)
        took = re.search(r"in ([\d.]+)s", closing)
        seconds += float(took[1]) if took else 0
    totals.pop("deselected", None)  # what one run leaves out the other does
    words = ", ".join(f"{number} {word}" for word, number in totals.items()) or "no tests ran"
    print(f"=== {words} in {seconds:.2f}s ===", flush=True)
    return next((status for status in statuses if status), 0)


def page() -> int:
    """The page's unit tests (vitest)."""
    say("page")
    found = node.find()
    command = [*found.npm, "run", "--silent", "test"]
    return subprocess.run(command, cwd=FRONTEND, env={**os.environ, **found.environment}).returncode


def pytest(options: list[str]) -> tuple[int, str]:
    """Run pytest with its output passed on; its status and closing line."""
    command = [str(PYTHON), "-m", "pytest", "--durations", "5", *options]
    # Each of the many processes that tests start would compile the same modules again.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, errors="replace"
    )
    closing = ""
    assert process.stdout is not None
    for line in process.stdout:
        print(line, end="", flush=True)
        if CLOSING.match(line.rstrip()):
            closing = line
    return process.wait(), closing


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
