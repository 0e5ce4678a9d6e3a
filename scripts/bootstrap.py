#!/usr/bin/env python3
"""Set-up on a machine that has Python and little else: `bootstrap.py all`, or the names of single steps.

Each step says what it does, and is skipped without a word when nothing it depends on has changed.
"""

import fcntl
import sys

import database
import messages
import native
import node
import packages
import page
import python_env
from steps import ROOT, SetupError

STEPS = {
    "python": python_env.prepare,
    "native": native.prepare,
    "node": node.find,
    "modules": page.modules,
    "frontend": page.build,
    "messages": messages.prepare,
    "database": database.prepare,
    "packages": packages.prepare,
}
ALL = ("python", "native", "frontend", "messages", "database")


def main(names: list[str]) -> int:
    """Do the steps in the order given; one set-up at a time in a checkout."""
    unknown = [name for name in names if name != "all" and name not in STEPS]
    if unknown or not names:
        print(f"usage: bootstrap.py all | {' '.join(STEPS)}", file=sys.stderr)
        return 2
    with (ROOT / ".setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            for name in names:
                for step in ALL if name == "all" else (name,):
                    STEPS[step]()
        except SetupError as error:
            print(f"\nset-up: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("\nset-up: interrupted; the next run goes on from here", file=sys.stderr)
            return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
