"""`make bench`: what the house costs beside its peers, as a table and in var/bench.json.

Each figure is the best of three: what else runs on the machine can only make it worse.
"""

import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from packages import search_path
from steps import PYTHON, ROOT, data_directory

sys.path.insert(0, str(ROOT))

import sipmessage

from ucplatform import ng
from ucplatform.sip.message import parse_message, validate

SAMPLES = ("desk-phone-invite.sip", "browser-register.sip", "ringing.sip")
PINGS = 2000


@dataclass(frozen=True)
class Figure:
    """One measurement. Smaller is better; `aim` is what `value` should not exceed, in the same unit."""

    name: str
    value: float
    unit: str
    peer: str
    peer_value: float | None
    aim: float | None
    met: bool | None
    conditions: str

    @classmethod
    def beside(
        cls, name: str, value: float, unit: str, peer: str, peer_value: float | None, why: str
    ) -> "Figure":
        """The aim is the peer's own figure."""
        aim = None if peer_value is None else round(peer_value, 1)
        met = None if aim is None else value <= aim
        return cls(name, round(value, 1), unit, peer, aim, aim, met, why)


def main() -> int:
    figures = [*sip_messages(), ng_ping()]
    table(figures)
    path = data_directory() / "bench.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(figure) for figure in figures], indent=2) + "\n")
    print(f"\nwritten to {path}")
    return 0


def best(action: Callable[[], object], clock: Callable[[], float], seconds: float = 0.5) -> float:
    """µs per call of `action`, the best of three rounds of about `seconds` each."""
    rounds, found = 1, float("inf")
    while True:
        begun = clock()
        for _ in range(rounds):
            action()
        took = clock() - begun
        if took > seconds / 4:
            break
        rounds *= 4
    for _ in range(3):
        begun = clock()
        for _ in range(rounds):
            action()
        found = min(found, (clock() - begun) / rounds)
    return found * 1e6


def sip_messages() -> Iterator[Figure]:
    """Bytes in, checked and read as a proxy must, bytes out."""
    for name in SAMPLES:
        data = (ROOT / "tests" / "data" / "sip" / name).read_bytes()

        def ours(data: bytes = data) -> bytes:
            message = parse_message(data)
            validate(message)
            return message.to_bytes()

        def theirs(data: bytes = data) -> bytes:
            message = sipmessage.Message.parse(data)
            _ = (message.via, message.from_address, message.to_address, message.call_id, message.cseq)
            return bytes(message)

        yield Figure.beside(
            f"SIP message in and out: {Path(name).stem}",
            best(ours, time.process_time),
            "µs CPU",
            f"sipmessage {sipmessage.__version__}",
            best(theirs, time.process_time),
            f"{len(data)} octets; parse, check Via From To Call-ID CSeq, write; {machine()}",
        )


def ng_ping() -> Figure:
    """Round trip of an NG ping over UDP on loopback: the floor under every question to a media engine."""
    with gateway() as port:
        ours = round_trip(port)
    engine = shutil.which("rtpengine", path=search_path())
    theirs = None
    if engine:
        with rtpengine(engine) as port:
            theirs = round_trip(port)
    return Figure.beside(
        "NG ping", ours, "µs", "rtpengine (Debian)", theirs, f"UDP, loopback, {PINGS} in turn; {machine()}"
    )


def round_trip(port: int) -> float:
    """µs for a ping and its pong, mean over PINGS, the best of three."""
    found = float("inf")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.connect(("127.0.0.1", port))
        link.settimeout(2)
        for turn in range(3):
            begun = time.perf_counter()
            for number in range(PINGS):
                link.send(ng.encode(f"{os.getpid()}-{turn}-{number}", {"command": "ping"}))
                link.recv(65536)
            found = min(found, (time.perf_counter() - begun) / PINGS)
    return found * 1e6


@contextmanager
def gateway() -> Iterator[int]:
    port = free_port()
    environment = {**os.environ, "UC_GATEWAY_NG": f"127.0.0.1:{port}", "UC_RTP_PORTS": "39000-39099"}
    with engine([str(PYTHON), "-m", "gateway"], port, environment):
        yield port


@contextmanager
def rtpengine(program: str) -> Iterator[int]:
    port = free_port()
    command = [
        program,
        "--foreground",
        "--log-stderr",
        "--table=-1",
        "--config-file=none",
        "--interface=127.0.0.1",
    ]
    ports = [f"--listen-ng=127.0.0.1:{port}", "--port-min=39100", "--port-max=39199", "--log-level=3"]
    with engine([*command, *ports], port, dict(os.environ)):
        yield port


@contextmanager
def engine(command: list[str], port: int, environment: dict[str, str]) -> Iterator[None]:
    """The engine answers a ping before the body begins, and is gone after it."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
        try:
            until_pong(process, port)
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(10)


def until_pong(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + 20
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


def machine() -> str:
    return f"Python {platform.python_version()}, {os.cpu_count()} cores"


def table(figures: list[Figure]) -> None:
    rows = [("what", "ours", "peer's", "unit", "peer", "aim")]
    words = {True: "met", False: "missed", None: "no peer here"}
    for f in figures:
        theirs = "–" if f.peer_value is None else str(f.peer_value)
        rows.append((f.name, str(f.value), theirs, f.unit, f.peer, words[f.met]))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


if __name__ == "__main__":
    sys.exit(main())
