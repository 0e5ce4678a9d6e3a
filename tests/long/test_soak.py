"""Many calls leave nothing behind: no port, socket, thread, memory or call, and one record each."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.instance import Person
from tests.e2e.wait import until
from tests.long.house import Footprint, House

# Transactions stay for 32 s, deletions for 60 s: only after as many calls is the heap full grown.
WARM_UP = 1500
CALLS = 1500
ECHOES = 60
PAIRS = 50
RATE = 25
# A transaction lives 32 s after its answer and a deletion is remembered for 60 s: then all must be as before.
SETTLED = 150
#: MiB that a process may have more. The allocator gives arenas back late, so the edge's size swings by ten
#: from one look to another (112 after 300 calls, 144 after 1,860 and still 145 after 3,120); 1,500 calls that
#: were not forgotten would be more than thirty.
MEMORY = {"edge-1": 20.0, "gateway-1": 8.0}
#: a pool's thread, a connection to Redis or to the gateway that was opened in the meantime
THREADS = SOCKETS = 3


def rounds(house: House, directory: Path, called: list[Person], calling: list[Person], calls: int) -> None:
    """So many short calls between phones."""
    port = house.sign_in(directory, called)
    pairs = [(a, b.number) for a, b in zip(calling, called, strict=True)]
    with (
        house.callees(directory / "callee", port, calls, "callee_answers") as answering,
        house.caller(directory / "caller", pairs, calls, "caller_talks", RATE) as asking,
    ):
        asking.wait().assert_all(calls)
        answering.wait().assert_all(calls)


def echoes(house: House, directory: Path, calling: list[Person], calls: int) -> None:
    """So many calls to the echo."""
    with house.caller(directory, [(person, "*43") for person in calling], calls, "caller_talks") as asking:
        asking.wait().assert_all(calls)


@pytest.mark.timeout(900)
def test_1560_calls_leave_nothing_behind(house: House, tmp_path: Path):
    called, calling = house.crowd(PAIRS), house.crowd(PAIRS)
    (tmp_path / "warm").mkdir()
    (tmp_path / "soak").mkdir()
    rounds(house, tmp_path / "warm", called, calling, WARM_UP)
    echoes(house, tmp_path / "warm" / "echo", calling, ECHOES)
    until(lambda: house.calls() == 0, 60, "no call left of the first ones", every=0.5)
    before = {role: house.footprint(role) for role in MEMORY}

    rounds(house, tmp_path / "soak", called, calling, CALLS)
    echoes(house, tmp_path / "soak" / "echo", calling, ECHOES)

    until(lambda: house.calls() == 0, 60, "no call left", every=0.5)
    free, total = house.free_ports()
    assert free == total
    for role, tolerance in MEMORY.items():
        settle(house, role, before[role], tolerance)
    assert house.talking() == 0
    rows = house.wait_records(calling, WARM_UP + CALLS + 2 * ECHOES)
    assert {(row["result"], row["hung_up_by"]) for row in rows} == {("answered", "caller")}
    assert sum(row["dialled"] == "*43" for row in rows) == 2 * ECHOES


def settle(house: House, role: str, before: Footprint, memory: float) -> None:
    """Until a process holds no more than before, within the tolerances."""
    now = before

    def settled() -> bool:
        nonlocal now
        now = house.footprint(role)
        return (
            now.memory <= before.memory + memory
            and now.threads <= before.threads + THREADS
            and now.sockets <= before.sockets + SOCKETS
        )

    try:
        until(settled, SETTLED, "as before", every=1)
    except AssertionError:
        raise AssertionError(f"{role} had {before} and has {now}") from None
    print(f"{role}: {before} -> {now}")
