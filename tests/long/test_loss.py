"""Calls over lines that lose one datagram of twenty, on both legs and in both directions."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.instance import Instance, Person
from tests.e2e.lossy import LossyLine
from tests.e2e.signin import sign_in
from tests.e2e.sipp import Sipp, write_rows
from tests.e2e.wait import until
from tests.long.house import House
from tests.ports import PortBlock

# Losses are repaired by time, and a loaded machine takes its own.
pytestmark = pytest.mark.alone

CALLS = 500
CALLEES = 100
RATE = 25
LOSS = 0.05
LONGEST = 10  # seconds: half a second of talk, and what it takes to hear a BYE that was lost again and again
#: what comes late, when its loss was repaired, is no mistake of anybody
PATIENT = ("-default_behaviors", "all,-abortunexp")


def test_500_calls_over_lossy_lines_all_succeed_and_none_stays_half_open(
    instance: Instance, ports: PortBlock, tmp_path: Path
):
    people = [Person(str(n), f"Far {n}", f"secret-{n}") for n in range(4500, 4500 + 2 * CALLEES)]
    instance.load(people)
    called, calling = people[:CALLEES], people[CALLEES:]
    near, far, callers_port, callee_port = (ports.take() for _ in range(4))
    for person in called:
        answer = sign_in(instance, person, callers_port, contact=f"<sip:{{number}}@127.0.0.1:{far}>")
        assert answer.status == 200
    rows = write_rows(
        tmp_path / "calls.csv", [(a.number, a.secret, b.number) for a, b in zip(calling, called, strict=True)]
    )
    house, seen = ("127.0.0.1", instance.sip_port), House(instance, ports)
    common = {"calls": CALLS, "at_once": CALLS, "seconds": 60, "options": PATIENT}
    with (
        LossyLine(near, house, loss=LOSS, seed=1) as before,
        LossyLine(far, ("127.0.0.1", callee_port), loss=LOSS, seed=2) as behind,
        Sipp(tmp_path / "callee", ports, "callee_is_far", port=callee_port, **common) as answering,
    ):
        answering.wait_listening()
        asking = Sipp(
            tmp_path / "caller", ports, "caller_is_far", port=callers_port, server=f"127.0.0.1:{near}",
            rows=rows, rate=RATE, **common,
        )  # fmt: skip
        with asking:
            asking.wait().assert_all(CALLS)
            answering.wait().assert_all(CALLS)
        until(lambda: seen.calls() == 0, 10, "the end of all calls", every=0.2)
        for line in (before, behind):
            share = line.lost.total() / (line.lost.total() + line.passed.total())
            assert 0.03 < share < 0.07
            assert min(line.lost[word] for word in ("INVITE", "ACK", "BYE", "SIP/2.0")) > 0
    records = until(
        lambda: found if len(found := seen.records(calling)) == CALLS else [],
        20,
        f"{CALLS} records",
        every=0.5,
    )
    assert {(one["result"], one["cause"], one["hung_up_by"]) for one in records} == {
        ("answered", "normal", "caller")
    }
    assert [one for one in records if one["ended"] - one["answered"] > LONGEST] == []
