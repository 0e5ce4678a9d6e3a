"""Media engines, ours and rtpengine, on ports of their own: started for a measurement and gone after it."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from packages import search_path
from steps import PYTHON, ROOT

from ucplatform import ng

PORTS = 2400  # of media, for each engine: 500 calls with two telephones, RTP and RTCP


@dataclass(frozen=True)
class Engine:
    """`port` is where it takes NG over UDP, on loopback."""

    name: str
    pid: int
    port: int


@contextmanager
def gateway(command: Sequence[str] = (str(PYTHON), "-m", "gateway")) -> Iterator[Engine]:
    port = free_port()
    first = free_range(PORTS, (45000, 52200))
    settings = {
        "UC_GATEWAY_NG": f"127.0.0.1:{port}",
        "UC_RTP_PORTS": f"{first}-{first + PORTS - 1}",
        "UC_MEDIA_ADDRESSES": "loop=127.0.0.1",
    }
    with started("gateway", list(command), port, {**os.environ, **settings}) as engine:
        yield engine


def rtpengine_program() -> str | None:
    return shutil.which("rtpengine", path=search_path())


@contextmanager
def rtpengine(program: str) -> Iterator[Engine]:
    port = free_port()
    first = free_range(PORTS, (52200, 59400))  # both may run at once
    command = [
        program, "--foreground", "--log-stderr", "--table=-1", "--config-file=none", "--interface=127.0.0.1",
        f"--listen-ng=127.0.0.1:{port}", f"--port-min={first}", f"--port-max={first + PORTS - 1}",
        "--log-level=3",
    ]  # fmt: skip
    with started("rtpengine (Debian)", command, port, dict(os.environ)) as engine:
        yield engine


@contextmanager
def started(name: str, command: list[str], port: int, environment: dict[str, str]) -> Iterator[Engine]:
    """The engine answers a ping before the body begins, and is gone after it."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
        try:
            until_pong(process, port)
            yield Engine(name, process.pid, port)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(10)


def until_pong(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + 30
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.connect(("127.0.0.1", port))
        link.settimeout(0.1)
        while time.monotonic() < deadline and process.poll() is None:
            try:
                link.send(ng.encode(os.urandom(6).hex(), {"command": "ping"}))
                link.recv(65536)
                return
            except (TimeoutError, ConnectionRefusedError):
                continue
    raise SystemExit(f"{process.args} does not answer")


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def free_range(count: int, within: tuple[int, int]) -> int:
    """The first of `count` ports of that part of them, an even one, none of which anybody holds now."""
    for first in range(*within, count):
        try:
            for port in range(first, first + count):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
                    trial.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first
    raise SystemExit(f"no {count} free UDP ports in a row")
