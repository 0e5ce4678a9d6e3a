"""What signalling costs the server: registrations with digest and authenticated calls, made by SIPp over UDP,
against the whole product and against Kamailio as a plain proxy."""

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench_figure import Figure, cpu, family
from packages import search_path

from tests.e2e.instance import Instance, Person
from tests.e2e.sipp import Sipp, write_rows
from tests.ports import PortBlock

PEOPLE = 100  # who are called, and as many who call
REGISTRATIONS = 1000
REGISTRATIONS_A_SECOND = 200
CALLS = 500
CALLS_A_SECOND = 50
ROUNDS = 3
CONFIG = Path(__file__).with_name("bench_proxy.cfg")
NOT_HERE = "Kamailio is missing (apt install kamailio)"


@dataclass(frozen=True)
class Server:
    """Where SIPp sends to, and the processes whose time is counted, by part."""

    address: str
    parts: dict[str, list[int]]


@dataclass(frozen=True)
class Cost:
    """ms of processor time for each registration and each call, by part."""

    registration: dict[str, float]
    call: dict[str, float]


def calls() -> Iterator[Figure]:
    ports = PortBlock()
    try:
        with tempfile.TemporaryDirectory(prefix="uc-bench-") as directory:
            ours = product(Path(directory) / "ours", ports)
            program = shutil.which("kamailio", path=search_path())
            theirs = None
            if program:
                theirs = proxy(program, Path(directory) / "theirs", ports)
    finally:
        ports.release()
    yield from figures(ours, theirs)


def figures(ours: Cost, theirs: Cost | None) -> Iterator[Figure]:
    peer = "Kamailio (Debian), plain proxy" if theirs else NOT_HERE
    yield Figure.beside(
        "REGISTER with digest", ours.registration["edge"], "ms CPU", peer,
        theirs.registration["proxy"] if theirs else None,
        f"challenge and answer over UDP, {REGISTRATIONS_A_SECOND} a second, {PEOPLE} extensions, "
        f"best of {ROUNDS}", digits=2,
    )  # fmt: skip
    where = (
        f"INVITE, 401, INVITE, 180, 200, ACK, BYE over UDP, {CALLS_A_SECOND} calls a second, "
        f"best of {ROUNDS} times {CALLS}"
    )
    yield Figure.beside(
        "call, edge", ours.call["edge"], "ms CPU", peer, theirs.call["proxy"] if theirs else None,
        f"{where}; the edge is the end of two dialogs, asks the engine three times, stores the call, traces "
        "and records it, the proxy passes messages on", digits=2,
    )  # fmt: skip
    yield Figure.beside(
        "call, gateway", ours.call["gateway"], "ms CPU", "none: the proxy moves no sound", None,
        f"{where}; offer, answer, delete with four ports; SIPp sends no sound", digits=2,
    )  # fmt: skip
    yield Figure.beside(
        "call, worker", ours.call["worker"], "ms CPU", "none: the proxy keeps no record", None,
        f"{where}; rating of the record and the page's news", digits=2,
    )  # fmt: skip


def product(directory: Path, ports: PortBlock) -> Cost:
    """Start the house, measure, stop it."""
    house = Instance(ports)
    try:
        called, calling = people()
        house.load([*called, *calling])
        roles = {"edge": "edge-1", "gateway": "gateway-1", "worker": "worker"}
        server = Server(house.sip, {part: [house.pid(role)] for part, role in roles.items()})
        return measure(server, directory, ports, ports.take())
    finally:
        house.stop()


def proxy(program: str, directory: Path, ports: PortBlock) -> Cost:
    callee = ports.take()
    with kamailio(program, directory, ports.take(), callee) as server:
        return measure(server, directory, ports, callee)


@contextmanager
def kamailio(program: str, directory: Path, port: int, callee: int) -> Iterator[Server]:
    """One worker process, so that it has one core as the edge has."""
    directory.mkdir()
    text = CONFIG.read_text().replace("PORT", str(port)).replace("CALLEE", str(callee))
    (directory / "proxy.cfg").write_text(text)
    command = [
        program,
        "-DD",
        "-E",
        "-f",
        "proxy.cfg",
        "-m",
        "64",
        "-w",
        str(directory),
        "-Y",
        str(directory),
    ]
    with (directory / "proxy.log").open("wb") as output:
        process = subprocess.Popen(command, cwd=directory, stdout=output, stderr=output)
    try:
        until_answer(process, port, directory / "proxy.log")
        yield Server(f"127.0.0.1:{port}", {"proxy": family(process.pid)})
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


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
    raise SystemExit(f"Kamailio does not answer:\n{output.read_text(errors='replace')}")


def people() -> tuple[list[Person], list[Person]]:
    """Those who are called, and those who call."""
    everybody = [Person(str(n), f"Bench {n}", f"secret-{n}") for n in range(3000, 3000 + 2 * PEOPLE)]
    return everybody[:PEOPLE], everybody[PEOPLE:]


def measure(server: Server, directory: Path, ports: PortBlock, callee: int) -> Cost:
    """Registrations first, of those who call; then calls to those who are called."""
    directory.mkdir(exist_ok=True)
    called, calling = people()
    where = {"server": server.address}
    sign_in(directory / "called", ports, called, PEOPLE, callee, **where)
    registration = cheapest(
        server, REGISTRATIONS,
        lambda turn: sign_in(directory / f"r{turn}", ports, calling, REGISTRATIONS, ports.take(), **where),
    )  # fmt: skip
    rows = write_rows(
        directory / "calls.csv",
        [(a.number, a.secret, b.number) for a, b in zip(calling, called, strict=True)],
    )

    def call(turn: int) -> None:
        answering = Sipp(
            directory / f"callee{turn}", ports, "callee_answers", calls=CALLS, port=callee, at_once=CALLS
        )
        with answering:
            answering.wait_listening()
            asking = Sipp(
                directory / f"caller{turn}", ports, "caller_talks", calls=CALLS, rows=rows,
                rate=CALLS_A_SECOND, at_once=CALLS, **where,
            )  # fmt: skip
            with asking:
                asking.wait().assert_all(CALLS)

    return Cost(registration, cheapest(server, CALLS, call))


def sign_in(
    directory: Path, ports: PortBlock, who: list[Person], times: int, port: int, *, server: str
) -> None:
    rows = write_rows(directory.with_suffix(".csv"), [(p.number, p.secret, p.number) for p in who])
    registering = Sipp(
        directory, ports, "register", calls=times, port=port, server=server, rows=rows,
        rate=REGISTRATIONS_A_SECOND,
    )  # fmt: skip
    with registering:
        registering.wait().assert_all(times)


def cheapest(server: Server, times: int, work: Callable[[int], None]) -> dict[str, float]:
    """ms of each part for one of `times`; the least of the rounds."""
    found = {part: float("inf") for part in server.parts}
    for turn in range(ROUNDS):
        before = {part: cpu(pids) for part, pids in server.parts.items()}
        work(turn)
        for part, pids in server.parts.items():
            found[part] = min(found[part], (cpu(pids) - before[part]) / times * 1000)
    return found
