"""The virtual environment `.venv` with everything of requirements.txt."""

import shutil
import subprocess
import sys
from importlib.util import find_spec

from steps import PYTHON, ROOT, VENV, SetupError, Stamp, fingerprint, may_install, run, say

REQUIREMENTS = ROOT / "requirements.txt"


def prepare() -> None:
    """Make the environment, or bring it up to date when requirements.txt or the interpreter changed."""
    stamp = Stamp(VENV / ".requirements", fingerprint([REQUIREMENTS], sys.version, str(VENV)))
    if PYTHON.exists() and stamp.holds():
        return
    if not works():
        make_environment()
    say("Python packages of requirements.txt (a few minutes the first time)")
    pip = [PYTHON, "-m", "pip", "--disable-pip-version-check", "install"]
    run([*pip, "--requirement", REQUIREMENTS], "Python packages")
    stamp.write()


def works() -> bool:
    """Is there an environment whose interpreter and pip run? A moved one or a removed Python breaks both."""
    if not PYTHON.exists():
        return False
    return subprocess.run([PYTHON, "-m", "pip", "--version"], capture_output=True).returncode == 0


def make_environment() -> None:
    """`python -m venv`; Debian keeps the part of it that brings pip (ensurepip) in a package of its own."""
    if VENV.exists():
        shutil.rmtree(VENV)
    say(f"virtual environment {VENV}")
    if find_spec("ensurepip") is None and not borrow_ensurepip():
        borrow_pip()
        return
    run([sys.executable, "-m", "venv", VENV], "virtual environment")


def borrow_ensurepip() -> bool:
    """Install Debian's package where that is allowed."""
    prefix = may_install()
    if prefix is None:
        return False
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    say(f"{package} is missing: installing it with apt-get")
    run([*prefix, "apt-get", "update", "-q"], "apt-get update")
    run(
        [*prefix, "apt-get", "install", "-qy", "--no-install-recommends", package],
        package,
        extra={"DEBIAN_FRONTEND": "noninteractive"},
    )
    return True


def borrow_pip() -> None:
    """Without rights to install: an environment without pip, filled by a pip that the machine has."""
    if find_spec("pip") is None:
        raise SetupError(
            "This Python can make no virtual environment: Debian packs that part separately. Please run\n"
            "    sudo apt-get install python3-venv\nand run the command again."
        )
    run([sys.executable, "-m", "venv", "--without-pip", VENV], "virtual environment")
    run([sys.executable, "-m", "pip", "--python", PYTHON, "install", "pip"], "pip inside it")
