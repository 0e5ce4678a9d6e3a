"""What registrations cost: the processor at 500 a second, the time of 5,000 from cold, memory."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

from bench_figure import Figure
from bench_server import Server, kamailio

from tests.e2e.instance import Person
from tests.e2e.wait import until
from tests.ports import PortBlock

RATE = 500  # a second
SECONDS = 8
ROUNDS = 3
AIM = 0.25  # ms
COLD = 5000
COLD_RATE = 500
#: a transaction of a REGISTER lives 32 s after its answer (RFC 3261 17.2.2)
SETTLED = 36


def registrations(server: Server, directory: Path, ports: PortBlock) -> Iterator[Figure]:
    ours = cost(server)
    with kamailio(directory / "kamailio-registrar", ports) as peer:
        theirs = peer and cost(peer)
    yield Figure.beside(
        "REGISTER with digest", ours["edge"], "ms CPU",
        "Kamailio (Debian), plain proxy" if theirs else "Kamailio is missing (apt install kamailio)",
        theirs["edge"] if theirs else None,
        f"challenge and answer over UDP, {RATE} a second, best of {ROUNDS} times {SECONDS} s", aim=AIM,
        digits=3,
    )  # fmt: skip


def cost(server: Server) -> dict[str, float]:
    """ms of processor time for one registration."""

    def work() -> int:
        done = server.crowd.register(server.crowd.calling, RATE * SECONDS, RATE)
        done.assert_all(RATE * SECONDS)
        return done.successful

    return server.cost(ROUNDS, work)


def cold(server: Server) -> Iterator[Figure]:
    """5,000 extensions, none of which the edge knows, sign in to an edge that was just started."""
    house = server.house
    assert house is not None
    everybody = [Person(str(n), f"Cold {n}", f"secret-{n}") for n in range(10_000, 10_000 + COLD)]
    house.instance.load(everybody)
    house.end("edge-1", signal.SIGTERM)
    until(lambda: house.instance.health()[0] == 200, 30, "the house ready again", every=0.2)
    before, known = house.footprint("edge-1").memory, house.edge()["registrations"]
    begun = time.monotonic()
    done = server.crowd.register(everybody, COLD, COLD_RATE)
    done.assert_all(COLD)
    until(lambda: house.edge().get("registrations", 0) >= known + COLD, 60, f"{COLD} registrations")
    took = time.monotonic() - begun
    yield Figure.beside(
        f"{COLD:,} registrations from cold", took, "s", "none", None,
        f"REGISTER, 401, REGISTER, 200 over UDP, {COLD_RATE} a second, none failed, edge just started",
    )  # fmt: skip
    time.sleep(SETTLED)
    grown = house.footprint("edge-1").memory - before
    yield Figure.beside(
        "memory per registration", grown * 1024 / COLD, "KiB", "none", None,
        f"growth of the edge's resident size over {COLD:,} registrations, {SETTLED} s after the last",
    )  # fmt: skip
