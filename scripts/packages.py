"""The programs that tests need from Debian: installed where that is allowed, otherwise named."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import native
from steps import SetupError, may_install, run, say

# program → Debian package
NEEDED = {
    "chromium": "chromium",
    "baresip": "baresip-core",
    "sipp": "sip-tester",
    "rtpengine": "rtpengine-daemon",
    "kamailio": "kamailio",
    **native.COMPILER,
}
POLICY = Path("/usr/sbin/policy-rc.d")


def prepare() -> None:
    """Raise SetupError, with the command to type, when something is missing and may not be installed."""
    missing = [
        package for program, package in NEEDED.items() if not shutil.which(program, path=search_path())
    ]
    missing += [package for header, package in native.HEADERS.items() if not header.is_file()]
    if not missing:
        return
    prefix = may_install()
    if prefix is None:
        raise SetupError(
            f"The tests need {', '.join(missing)} and this user may not install them. Please run\n"
            f"    sudo apt-get update && sudo apt-get install --no-install-recommends {' '.join(missing)}"
        )
    say(f"test programs from Debian: {', '.join(missing)}")
    run([*prefix, "apt-get", "update", "-q"], "apt-get update")
    with no_services(prefix):
        options = ["-o", "Dpkg::Use-Pty=0", "-qy", "--no-install-recommends"]
        environment = ["env", "DEBIAN_FRONTEND=noninteractive"]
        run([*prefix, *environment, "apt-get", "install", *options, *missing], "apt-get install")
    if shutil.which("systemctl"):  # nor at the next boot: the tests start it themselves, with their own ports
        for unit in ("rtpengine-daemon.service", "rtpengine.service", "kamailio.service"):
            subprocess.run([*prefix, "systemctl", "disable", "--quiet", unit], capture_output=True)


def search_path() -> str:
    """Debian keeps daemons in sbin, which a user's PATH leaves out."""
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])


@contextmanager
def no_services(prefix: list[str]) -> Iterator[None]:
    """Installing rtpengine must not start it on its well-known ports: Debian asks policy-rc.d before it
    starts anything (101 means: do not). A policy that is already there is the administrator's and stays."""
    if POLICY.exists():
        yield
        return
    with tempfile.NamedTemporaryFile("w", suffix=".sh") as draft:
        draft.write("#!/bin/sh\nexit 101\n")
        draft.flush()
        subprocess.run([*prefix, "install", "-m", "755", draft.name, str(POLICY)], check=True)
    try:
        yield
    finally:
        subprocess.run([*prefix, "rm", "-f", str(POLICY)], check=True)
