"""What a basic call costs the processor, at three rates: the edge, the gateway and the worker apart, beside
Kamailio as a plain proxy and sippy as a B2BUA; and with a browser's WebSocket as the called side."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench_browsers import Browsers
from bench_figure import Figure
from bench_load import Crowd
from bench_server import Server, kamailio, sippy

from tests.ports import PortBlock

RATES = (50, 100, 200)  # calls a second
BROWSER_RATE = 100
BESIDE = 100  # the rate at which sippy is asked
SECONDS = 6  # of each round
ROUNDS = 3
AIM, BROWSER_AIM = 1.0, 1.5  # ms
BASIC = "INVITE, 401, ACK, INVITE, 180, 200, ACK, half a second, BYE, 200 over UDP"
OURS = "journal, trace and all threads included; two dialogs, three questions to the engine"


@dataclass(frozen=True)
class Cost:
    """ms of processor time of each part for a call, and how many calls of all rounds failed."""

    parts: dict[str, float]
    failed: int


def calls(server: Server, directory: Path, ports: PortBlock) -> Iterator[Figure]:
    ours = {rate: cost(server, rate) for rate in RATES}
    with kamailio(directory / "kamailio", ports) as peer:
        theirs = {rate: cost(peer, rate) for rate in RATES} if peer else {}
    for rate, found in ours.items():
        yield from rows(rate, found, theirs.get(rate))
    with sippy(directory / "sippy", ports) as peer:
        yield beside_sippy(ours[BESIDE], cost(peer, BESIDE) if peer else None)


def cost(server: Server, rate: int) -> Cost:
    """What a call costs at that rate."""
    failed = 0

    def work() -> int:
        nonlocal failed
        run = server.crowd.call(rate * SECONDS, rate)
        failed += run.failed
        if run.failed:
            print(f"{run.failed} of {run.calls} calls failed at {rate} a second:\n{run.report[:1000]}")
        return run.calls - run.failed

    return Cost(server.cost(ROUNDS, work), failed)


def rows(rate: int, ours: Cost, theirs: Cost | None) -> Iterator[Figure]:
    """The edge beside the proxy, and what has no counterpart there."""
    where = f"{BASIC}, {rate} calls a second, best of {ROUNDS} times {SECONDS} s"
    peer = "Kamailio (Debian), plain proxy" if theirs else "Kamailio is missing (apt install kamailio)"
    yield Figure.beside(
        f"call, edge, {rate} a second", ours.parts["edge"], "ms CPU", peer,
        theirs.parts["edge"] if theirs else None, f"{where}; {OURS}", aim=AIM, digits=2, failed=ours.failed,
    )  # fmt: skip
    yield Figure.beside(
        f"call, gateway, {rate} a second", ours.parts["gateway"], "ms CPU", "none: the proxy moves no sound",
        None, f"{where}; offer, answer, delete with four ports; SIPp sends no sound", digits=2,
    )  # fmt: skip
    yield Figure.beside(
        f"call, worker, {rate} a second", ours.parts["worker"], "ms CPU", "none: the proxy keeps no record",
        None, f"{where}; rating of the record and the page's news", digits=2,
    )  # fmt: skip


def beside_sippy(ours: Cost, theirs: Cost | None) -> Figure:
    """The same calls through another B2BUA in Python, which stores, traces and records nothing."""
    peer = "sippy 2.5.0 (PyPI), B2BUA" if theirs else "sippy cannot be installed here"
    if theirs and theirs.failed:
        peer += f"; {theirs.failed} of its calls failed"
    return Figure.beside(
        f"call, edge, {BESIDE} a second, beside a B2BUA", ours.parts["edge"], "ms CPU", peer,
        theirs.parts["edge"] if theirs else None,
        f"{BASIC}, {BESIDE} calls a second, best of {ROUNDS} times {SECONDS} s; {OURS}", digits=2,
        failed=ours.failed,
    )  # fmt: skip


def browser_calls(server: Server, directory: Path, ports: PortBlock) -> Iterator[Figure]:
    """A telephone calls browsers: one WebSocket for each, through the front."""
    assert server.house is not None
    instance = server.house.instance
    crowd = Crowd(directory / "browsers", ports, instance.sip, ports.take(), first=4000)
    instance.load([*crowd.called, *crowd.calling])
    failed = 0

    def work() -> int:
        nonlocal failed
        run = crowd.call(BROWSER_RATE * SECONDS, BROWSER_RATE, answered=False)
        failed += run.failed
        if run.failed:
            print(f"{run.failed} calls to browsers failed:\n{run.report[:1000]}\n{browsers.faults()}")
        return run.calls - run.failed

    with Browsers(instance, crowd.called) as browsers:
        found = server.cost(ROUNDS, work)
    where = (
        f"{BASIC} from a telephone, WebSocket to the called browser, {BROWSER_RATE} calls a second, "
        f"best of {ROUNDS} times {SECONDS} s"
    )
    yield Figure.beside(
        f"call to a browser, edge, {BROWSER_RATE} a second", found["edge"], "ms CPU", "none", None,
        f"{where}; {OURS}", aim=BROWSER_AIM, digits=2, failed=failed,
    )  # fmt: skip
    yield Figure.beside(
        f"call to a browser, gateway, {BROWSER_RATE} a second", found["gateway"], "ms CPU", "none", None,
        f"{where}; ICE begins, nobody answers its checks", digits=2,
    )  # fmt: skip
