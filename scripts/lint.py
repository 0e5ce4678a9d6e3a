"""`make lint`: every check runs, whatever the ones before it say; the status is 1 when any fails."""

import os
import subprocess
import sys
import time

import node
import tail
from page import FRONTEND
from steps import PYTHON, ROOT, VENV

BIN = VENV / "bin"


def checks() -> list[tuple[str, list[str], dict[str, str], str]]:
    """(name, command, additional environment, directory)."""
    found = node.find()
    return [
        ("ruff check", [str(BIN / "ruff"), "check", "."], {}, "."),
        ("ruff format", [str(BIN / "ruff"), "format", "--check", "--quiet", "."], {}, "."),
        ("mypy", [str(BIN / "mypy")], {}, "."),
        ("imports", [str(BIN / "lint-imports")], {}, "."),
        ("django", [str(PYTHON), "manage.py", "check"], {}, "."),
        ("migrations", [str(PYTHON), "manage.py", "makemigrations", "--check", "--dry-run"], {}, "."),
        ("svelte-check", [*found.npm, "run", "--silent", "check"], dict(found.environment), FRONTEND.name),
    ]


def main() -> int:
    failed = []
    for name, command, extra, directory in checks():
        print(f"==> {name}", flush=True)
        begun = time.monotonic()
        if subprocess.run(command, cwd=ROOT / directory, env={**os.environ, **extra}).returncode:
            failed.append(name)
        print(f"    {time.monotonic() - begun:.1f} s", flush=True)
    print("==> tail: long files and functions", flush=True)
    if tail.main():
        failed.append("tail")
    print(f"lint: {', '.join(failed)} failed" if failed else "lint: all is well")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
