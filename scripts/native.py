"""The native relay of the gateway, where a C compiler is at hand; without it media goes through Python."""

import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path

from steps import PYTHON, ROOT, VENV, Stamp, fingerprint, say

SOURCE = ROOT / "gateway" / "csrc"
PACKAGES = ("gcc", "libc6-dev", "python3-dev")


def can_build() -> bool:
    """Whether there is a compiler, and Python's headers for it."""
    header = Path(sysconfig.get_paths()["include"]) / "Python.h"
    return shutil.which("cc") is not None and header.is_file()


def prepare() -> None:
    """Build and install it when its source has changed. Never a reason to stop: `/healthz` says which relay
    runs."""
    stamp = Stamp(VENV / ".native-relay", fingerprint([SOURCE], str(PYTHON.resolve())))
    if stamp.holds():
        return
    if not can_build():
        say(
            "no C compiler: Python will relay the media, at more than twice the processor time. To change it:"
        )
        print(f"    sudo apt-get install {' '.join(PACKAGES)}", flush=True)
        return
    say("native relay (compiled once)")
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / "relay"  # setuptools builds beside its source
        shutil.copytree(SOURCE, copy)
        options = ["--disable-pip-version-check", "install", "--quiet", "--no-deps", "--force-reinstall"]
        done = subprocess.run([PYTHON, "-m", "pip", *options, copy], capture_output=True, text=True)
    if done.returncode:
        say("the native relay could not be built; Python will relay the media. The compiler said:")
        print(done.stdout + done.stderr, flush=True)
        return
    stamp.write()
