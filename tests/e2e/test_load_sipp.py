"""Many times: 1,000 registrations, and 500 calls of each behaviour, of which none may fail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.instance import Instance, Person
from tests.e2e.sipp import Sipp, write_rows
from tests.ports import PortBlock

pytestmark = pytest.mark.alone  # a loaded machine answers late, and SIPp counts that as a failure

CALLS = 500
RATE = 60  # new calls a second
CALLEES = 100  # extensions that each behaviour has for itself
#: Records are written behind the calls.
COUNT = """
import time
from ucplatform.calls.models import Call
rows, end = Call.objects.filter(callee_number__in={numbers!r}, result={result!r}), time.monotonic() + 20
while rows.count() < {wanted} and time.monotonic() < end:
    time.sleep(0.1)
print(rows.count())
"""
RING = "from ucplatform.directory.actions import set_option; set_option('ring_seconds', {seconds})"


@pytest.fixture(scope="module")
def crowd(instance: Instance) -> list[Person]:
    """A thousand extensions, loaded from a file as an administrator does."""
    people = [Person(str(n), f"Crowd {n}", f"secret-{n}") for n in range(1000, 2000)]
    assert "1000 extensions added" in instance.load(people)
    return people


@pytest.fixture(scope="module")
def pairs(instance: Instance) -> Iterator[list[Person]]:
    """200 people for each behaviour, half of them called by the other half; nobody rings longer than 5 s."""
    first, last = 3000, 3000 + len(BEHAVIOURS) * 2 * CALLEES
    people = [Person(str(n), f"Busy {n}", f"secret-{n}") for n in range(first, last)]
    instance.load(people)
    instance.manage("shell", "-c", RING.format(seconds=5))
    yield people
    instance.manage("shell", "-c", RING.format(seconds=30))


def register(
    instance: Instance, ports: PortBlock, directory: Path, people: list[Person], transport: str = "udp"
) -> int:
    """Sign these in from one port, which is where their calls will arrive; returns it."""
    port = ports.take()
    rows = write_rows(directory / "register.csv", [(p.number, p.secret, p.number) for p in people])
    with Sipp(
        directory / "register", ports, "register", calls=len(people), port=port, server=instance.sip,
        rows=rows, rate=250, transport=transport,
    ) as sipp:  # fmt: skip
        sipp.wait().assert_all(len(people))
    return port


def test_a_thousand_extensions_register_with_digest(
    instance: Instance, ports: PortBlock, tmp_path: Path, crowd: list[Person]
):
    register(instance, ports, tmp_path, crowd)


BEHAVIOURS = [
    ("udp", "callee_answers", "caller_talks", "answered"),
    ("tcp", "callee_answers", "caller_talks", "answered"),
    ("udp", "callee_rings", "caller_cancels", "cancelled"),
    ("udp", "callee_is_busy", "caller_meets_busy", "busy"),
    ("udp", "callee_rings", "caller_waits_in_vain", "missed"),
    ("udp", "callee_is_held", "caller_holds", "answered"),
]


@pytest.mark.timeout(150)
@pytest.mark.parametrize(
    ("number", "transport", "callee", "caller", "result"),
    [pytest.param(n, *row, id=f"{row[2]}-{row[0]}") for n, row in enumerate(BEHAVIOURS)],
)
def test_500_calls_go_as_they_should(
    instance: Instance,
    ports: PortBlock,
    tmp_path: Path,
    pairs: list[Person],
    number: int,
    transport: str,
    callee: str,
    caller: str,
    result: str,
):
    people = pairs[number * 2 * CALLEES :][: 2 * CALLEES]
    called, calling = people[:CALLEES], people[CALLEES:]
    port = register(instance, ports, tmp_path, called, transport)
    rows = write_rows(
        tmp_path / "calls.csv", [(a.number, a.secret, b.number) for a, b in zip(calling, called, strict=True)]
    )
    callees = Sipp(
        tmp_path / "callee", ports, callee, calls=CALLS, port=port, transport=transport, at_once=CALLS
    )
    with callees as answering:
        answering.wait_listening()
        callers = Sipp(
            tmp_path / "caller", ports, caller, calls=CALLS, server=instance.sip, rows=rows, rate=RATE,
            transport=transport, at_once=CALLS,
        )  # fmt: skip
        with callers as asking:
            asking.wait().assert_all(CALLS)
            answering.wait().assert_all(CALLS)
    script = COUNT.format(numbers=[p.number for p in called], result=result, wanted=CALLS)
    assert instance.manage("shell", "-c", script).split()[-1] == str(CALLS), f"records of {result} calls"
