"""Many calls for a minute, and many at a time."""

import threading
from collections.abc import Iterator

from bench_figure import Figure
from bench_load import Run
from bench_server import Server

from tests.e2e.wait import until

RATE = 300  # calls a second
SECONDS = 60
FIRST = 50
AT_ONCE = 500
AT_ONCE_RATE = 50
TALK_MS = 25_000


def held(server: Server) -> Iterator[Figure]:
    """300 calls a second for a minute: what failed, and what had to be sent twice."""
    run = server.crowd.call(RATE * SECONDS, RATE)
    where = f"{RATE} calls a second offered for {SECONDS} s, {run.calls} made; T1 is 500 ms"
    yield Figure.beside(
        f"failed calls at {RATE} a second", run.failed, "calls", "none", None, where, aim=0, digits=0
    )
    yield Figure.beside(
        f"retransmissions at {RATE} a second", run.retransmissions, "messages", "none", None,
        f"{where}; copies that either SIPp sent or received, of about {11 * run.calls} messages",
        aim=run.calls // 100, digits=0,
    )  # fmt: skip


def memory_of_calls(server: Server) -> Iterator[Figure]:
    """What 500 calls that are up add to processes that have hardly carried any: what calls have once taken
    from the system stays with a process for the next ones."""
    house = server.house
    assert house is not None
    server.crowd.call(FIRST, AT_ONCE_RATE)  # what the first calls load once and for all
    until(lambda: house.calls() == 0, 30, "no call left")
    roles = {"edge": "edge-1", "gateway": "gateway-1"}
    before = {part: house.footprint(role).memory for part, role in roles.items()}
    runs: list[Run] = []
    talking = threading.Thread(
        target=lambda: runs.append(server.crowd.call(AT_ONCE, AT_ONCE_RATE, TALK_MS)), daemon=True
    )
    talking.start()
    until(lambda: house.talking() >= AT_ONCE, TALK_MS / 1000, f"{AT_ONCE} calls up", every=0.2)
    grown = {part: house.footprint(role).memory - before[part] for part, role in roles.items()}
    talking.join()
    if not runs or runs[0].failed:
        raise SystemExit("calls failed that were only to be held")
    for part, mebibytes in grown.items():
        yield Figure.beside(
            f"memory per call, {part}", mebibytes * 1024 / AT_ONCE, "KiB", "none", None,
            f"growth of the resident size with {AT_ONCE} calls up at once", digits=1,
        )  # fmt: skip
