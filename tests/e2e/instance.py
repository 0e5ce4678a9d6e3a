"""The whole product as an operator starts it, with ports and data of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.process import Child
from tests.e2e.wait import until
from tests.ports import PortBlock, own_address

ROOT = Path(__file__).parents[2]
START_SECONDS = 60
STOP_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Person:
    """An extension and, when `username` is set, somebody who signs in on the web with it."""

    number: str
    name: str
    secret: str
    username: str = ""
    password: str = ""


def everybody(web: int = 60, phones: int = 60) -> list[Person]:
    """People whom tests take one after the other, so that none meets the devices of another test."""
    browsers = [
        Person(str(n), f"Web {n}", f"secret-of-{n}", f"user{n}", f"pass-of-{n}")
        for n in range(200, 200 + web)
    ]
    return browsers + [Person(str(n), f"Desk {n}", f"secret-of-{n}") for n in range(300, 300 + phones)]


class Instance:
    """Started by the constructor; ready when that returns. `stop()` asserts that nothing is left. With
    several `edges` the ports of each are 10 above those of the one before; `settings` are more variables."""

    def __init__(self, ports: PortBlock, *, edges: int = 1, **settings: str) -> None:
        # Short, because the paths of unix sockets are.
        self.data = Path(tempfile.mkdtemp(prefix="uc-", dir="/tmp"))
        self.http_port, self.https_port = ports.take(), ports.take()
        self.sip_port, self.tls_port = ports.take(10 * edges - 9), ports.take(10 * edges - 9)
        self.lan = own_address()
        self.http = f"http://127.0.0.1:{self.http_port}"
        self.https = f"https://{self.lan}:{self.https_port}"
        self.sip = f"127.0.0.1:{self.sip_port}"
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("UC_", "DJANGO_", "PYTEST_"))},
            "UC_DATA_DIR": str(self.data),
            "UC_DEMO": "0",
            "UC_DOMAIN": "lab.example",
            "UC_HTTP": f"127.0.0.1:{self.http_port}",
            "UC_HTTPS": f"0.0.0.0:{self.https_port}",
            "UC_SIP_UDP": f"0.0.0.0:{self.sip_port}",
            "UC_SIP_TCP": f"0.0.0.0:{self.sip_port}",
            "UC_SIP_TLS": f"0.0.0.0:{self.tls_port}",
            "UC_GATEWAY_NG": f"127.0.0.1:{ports.take()}",
            "UC_RTP_PORTS": "{}-{}".format(*ports.rtp),
            "UC_EDGES": str(edges),
            **settings,
        }
        for name in ("DATABASE_URL", "REDIS_URL"):
            self.environment.pop(name, None)
        self.domain = self.environment["UC_DOMAIN"]
        self._people = everybody()
        self._shown: dict[str, int] = {}
        self.manage("prepare", "database", "static")
        self.load(self._people)
        self._child = Child(
            [sys.executable, "manage.py", "up"], self.data / "up.log", env=self.environment, cwd=ROOT
        )
        try:
            until(self._is_ready, START_SECONDS, "/healthz 200", every=0.2)
        except AssertionError:
            said = self.health()
            self._child.stop(STOP_SECONDS)
            raise AssertionError(f"not ready: {said}\n{self._child.tail()}\n{self.log()[-4000:]}") from None

    # -- life ------------------------------------------------------------------------------------

    def _is_ready(self) -> bool:
        assert self._child.code is None, f"manage.py up ended with {self._child.code}:\n{self._child.tail()}"
        return self.health()[0] == 200

    def health(self) -> tuple[int, Any]:
        """Status and body of /healthz; (0, reason) while nobody answers."""
        try:
            with urllib.request.urlopen(f"{self.http}/healthz", timeout=5) as reply:
                return reply.status, json.load(reply)
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(errors="replace")
        except OSError as error:
            return 0, str(error)

    def pid(self, role: str) -> int:
        """Process id of a role, e.g. 'edge-1'."""
        return int(self.health()[1]["roles"][role]["pid"])

    @contextlib.contextmanager
    def unattended(self) -> Iterator[None]:
        """Nobody starts a role again that dies meanwhile."""
        self._child.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._child.signal(signal.SIGCONT)

    def stop(self) -> None:
        """SIGTERM as an operator would; AssertionError when a process is left or the status is not 0."""
        self._child.signal(signal.SIGTERM)
        try:
            code = self._child.wait(STOP_SECONDS)
            left = self._left()
            assert not left, f"left running: {left}"
            assert code == 0, f"manage.py up ended with {code}:\n{self._child.tail()}"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)
            shutil.rmtree(self.data, ignore_errors=True)

    def _left(self) -> list[str]:
        """Processes of ours that still run: they carry our data directory in their environment."""
        mark = f"UC_DATA_DIR={self.data}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(f"{entry.name} {(entry / 'cmdline').read_bytes()!r}")
        return found

    # -- administration --------------------------------------------------------------------------

    def manage(self, *arguments: str, seconds: float = 60) -> str:
        """Run `manage.py …` on this instance's data and return what it prints."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments], cwd=ROOT, env=self.environment, capture_output=True,
            text=True, timeout=seconds,
        )  # fmt: skip
        assert done.returncode == 0, f"manage.py {' '.join(arguments)}:\n{done.stdout}{done.stderr}"
        return done.stdout

    def load(self, people: Iterable[Person]) -> str:
        """`extension load` of these people."""
        rows = ["number,name,secret,username,password,pin"]
        rows += [f"{p.number},{p.name},{p.secret},{p.username},{p.password}," for p in people]
        path = self.data / "people.csv"
        path.write_text("\n".join(rows) + "\n")
        return self.manage("extension", "load", str(path))

    def take_person(self, *, web: bool) -> Person:
        """Somebody no other test has used: with a web account, or with a desk phone alone."""
        person = next(p for p in self._people if bool(p.username) == web)
        self._people.remove(person)
        return person

    # -- evidence --------------------------------------------------------------------------------

    def log(self) -> str:
        """What every process has written so far: the supervisor's screen and the files under log/."""
        files = [self._child.log, *sorted(self.data.glob("log*/**/*.log"))]
        return "\n".join(f"== {file.name}\n{file.read_text(errors='replace')}" for file in files)

    def new_lines(self) -> list[str]:
        """What the supervisor, the edge, the gateway and the pages have written since this was last asked."""
        found = []
        for name in ("up.log", "log/edge-1.log", "log/gateway-1.log", "log/web.log"):
            path = self.data / name
            lines = path.read_text(errors="replace").splitlines() if path.exists() else []
            found += lines[self._shown.get(name, 0) :]
            self._shown[name] = len(lines)
        return found
