"""What the set-up steps share: saying what happens, running programs, knowing that nothing has changed.

Standard library only: this runs before the virtual environment exists.
"""

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"


class SetupError(Exception):
    """Set-up cannot go on; `str()` tells a person what to do."""


def say(text: str) -> None:
    print(f"==> {text}", flush=True)


def data_directory() -> Path:
    return Path(os.environ.get("UC_DATA_DIR", "").strip() or ROOT / "var").resolve()


def run(
    command: Sequence[str | Path], what: str, directory: Path = ROOT, extra: Mapping[str, str] | None = None
) -> None:
    """Run a program with its output on the screen; raise SetupError with `what` failed."""
    begun = time.monotonic()
    done = subprocess.run([str(part) for part in command], cwd=directory, env={**os.environ, **(extra or {})})
    if done.returncode:
        raise SetupError(f"{what} failed (status {done.returncode}); what is wrong stands above.")
    say(f"{what}: done in {time.monotonic() - begun:.1f} s")


def fingerprint(paths: Iterable[Path], *more: str) -> str:
    """One hash of the names and contents of files; directories count with all that is below them."""
    digest = hashlib.sha256("\0".join(more).encode())
    for path in sorted(set(files_below(paths))):
        digest.update(f"{path}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def files_below(paths: Iterable[Path]) -> Iterable[Path]:
    for path in paths:
        if path.is_dir():
            yield from (found for found in path.rglob("*") if found.is_file() and found.suffix != ".pyc")
        elif path.exists():
            yield path


class Stamp:
    """Remembers the fingerprint under which a step was last done."""

    def __init__(self, path: Path, value: str) -> None:
        self.path = path
        self.value = value

    def holds(self) -> bool:
        return self.path.is_file() and self.path.read_text() == self.value

    def write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(self.value)


def may_install() -> list[str] | None:
    """The prefix with which this user may run apt-get (sudo or nothing), or None."""
    if not shutil.which("apt-get"):
        return None
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if sudo and subprocess.run([sudo, "-n", "true"], capture_output=True).returncode == 0:
        return [sudo, "-n"]
    return None
