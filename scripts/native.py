"""The native relay of the gateway, where a C compiler is at hand; without it media goes through Python."""

import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path

from steps import PYTHON, ROOT, VENV, Stamp, fingerprint, say

SOURCE = ROOT / "gateway" / "csrc"
# program or file → Debian package; what it is compiled with
COMPILER = {"cc": "gcc"}
HEADERS = {
    Path("/usr/include/stdio.h"): "libc6-dev",
    Path(sysconfig.get_paths()["include"]) / "Python.h": "python3-dev",
}


def can_build() -> bool:
    """Whether there is a compiler, and the headers for it."""
    return all(map(shutil.which, COMPILER)) and all(header.is_file() for header in HEADERS)


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
        print(f"    sudo apt-get install {' '.join([*COMPILER.values(), *HEADERS.values()])}", flush=True)
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
