"""The servers that the benchmarks load: the whole product, Kamailio as a plain proxy, sippy as a B2BUA."""

import shutil
import signal
import socket
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench_figure import cpu, family
from bench_load import Crowd
from packages import search_path
from steps import data_directory

from tests.e2e.instance import Instance
from tests.e2e.wait import until
from tests.long.house import House
from tests.ports import PortBlock

HERE = Path(__file__).parent
SIPPY = "sippy==2.5.0"
ROLES = {"edge": "edge-1", "gateway": "gateway-1", "worker": "worker"}
#: what is written behind a call is done by then: journal, trace, SQL
BEHIND = 1.5


@dataclass(frozen=True)
class Server:
    """Who is loaded: `crowd` calls through it; the time of the processes of `parts` is counted.

    `house` is the product's; peers have none.
    """

    crowd: Crowd
    parts: Callable[[], dict[str, list[int]]]
    house: House | None = None

    def cost(self, rounds: int, work: Callable[[], int]) -> dict[str, float]:
        """ms of processor time of each part for one of those that `work` says went well; the least of the
        rounds."""
        found = dict.fromkeys(self.parts(), float("inf"))
        for _ in range(rounds):
            before = {part: cpu(pids) for part, pids in self.parts().items()}
            times = work()
            time.sleep(BEHIND)
            for part, pids in self.parts().items():
                found[part] = min(found[part], (cpu(pids) - before[part]) / max(times, 1) * 1000)
        return found


@contextmanager
def product(directory: Path, ports: PortBlock) -> Iterator[Server]:
    """The whole house, and the people of the crowd in it."""
    instance = Instance(ports)
    try:
        crowd = Crowd(directory, ports, instance.sip, ports.take())
        instance.load([*crowd.called, *crowd.calling])

        yield Server(crowd, lambda: processes(instance), House(instance, ports))
    finally:
        instance.stop()


def processes(instance: Instance) -> dict[str, list[int]]:
    """By part, with what they have started."""
    until(lambda: instance.health()[0] == 200, 30, "the house ready", every=0.2)
    return {part: family(instance.pid(role)) for part, role in ROLES.items()}


@contextmanager
def kamailio(directory: Path, ports: PortBlock) -> Iterator[Server | None]:
    """One worker process, so that it has one core as the edge has; None where it is not installed."""
    program = shutil.which("kamailio", path=search_path())
    if program is None:
        yield None
        return
    port, callee = ports.take(), ports.take()
    directory.mkdir(parents=True)
    text = (HERE / "bench_proxy.cfg").read_text().replace("PORT", str(port)).replace("CALLEE", str(callee))
    (directory / "proxy.cfg").write_text(text)
    command = [
        program, "-DD", "-E", "-f", "proxy.cfg", "-m", "64", "-w", str(directory), "-Y", str(directory),
    ]  # fmt: skip
    with running(command, directory, port) as process:
        crowd = Crowd(directory / "crowd", ports, f"127.0.0.1:{port}", callee)
        yield Server(crowd, lambda: {"edge": family(process.pid)})


@contextmanager
def sippy(directory: Path, ports: PortBlock) -> Iterator[Server | None]:
    """bench_sippy.py on the library, in an environment of its own; None where that cannot be made."""
    python = sippy_python()
    if python is None:
        yield None
        return
    port, callee = ports.take(), ports.take()
    directory.mkdir(parents=True)
    command = [str(python), str(HERE / "bench_sippy.py"), str(port), str(callee)]
    with running(command, directory, port) as process:
        crowd = Crowd(directory / "crowd", ports, f"127.0.0.1:{port}", callee)
        yield Server(crowd, lambda: {"edge": family(process.pid)})


def sippy_python() -> Path | None:
    """The interpreter that has sippy: it brings Flask and more, which are nothing to the house."""
    place = data_directory() / "bench" / "sippy"
    python = place / "bin" / "python"
    if not (place / ".ready").exists():
        try:
            venv.create(place, with_pip=True, clear=True)
            pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", SIPPY]
            subprocess.run(pip, check=True, capture_output=True, timeout=300)
        except (subprocess.SubprocessError, OSError) as error:
            print(f"sippy cannot be installed: {error}", file=sys.stderr)
            return None
        (place / ".ready").touch()
    return python


@contextmanager
def running(command: list[str], directory: Path, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    """A peer that answers OPTIONS before the body begins, and is gone after it."""
    log = directory / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=directory, stdout=output, stderr=output)
    try:
        until_answer(process, port, log)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def until_answer(process: "subprocess.Popen[bytes]", port: int, output: Path) -> None:
    """Any answer to an OPTIONS will do."""
    deadline = time.monotonic() + 20
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.connect(("127.0.0.1", port))
        link.settimeout(0.2)
        own = link.getsockname()[1]
        question = (
            f"OPTIONS sip:127.0.0.1:{port} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 127.0.0.1:{own};branch=z9hG4bKready\r\n"
            "From: <sip:ready@127.0.0.1>;tag=1\r\nTo: <sip:127.0.0.1>\r\nCall-ID: ready\r\n"
            "CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        )
        while time.monotonic() < deadline and process.poll() is None:
            try:
                link.send(question.encode())
                link.recv(65536)
                return
            except (TimeoutError, ConnectionRefusedError):
                continue
    raise SystemExit(f"{process.args} does not answer:\n{output.read_text(errors='replace')}")
