"""The judge of the scenario tables sees what is not as its row says."""

from pathlib import Path

import pytest

from tests.e2e.scenarios import Played, Row
from tests.e2e.sipp import Outcome

GOOD = {"result": "answered", "cause": "normal", "hung_up_by": "caller"}
ROW = Row("caller", ("callee",), cause="normal", by="caller", told=("refused",))


def played(row: Row = ROW, **changes: object) -> Played:
    values = {"outcomes": {"caller": Outcome(1, 0, "")}, "records": [GOOD], "lines": ["refused"], **changes}
    return Played(row, [], Path("nowhere"), **values)


def test_a_row_that_went_well_is_good():
    played().check()
    played(Row("caller", result=None), records=[]).check()
    played(Row("caller", records=2), records=[GOOD, GOOD]).check()


@pytest.mark.parametrize(
    "changes",
    [
        {"fault": "no answer to a REGISTER"},
        {"outcomes": {"caller": Outcome(1, 0, ""), "callee": Outcome(0, 1, "while expecting 200")}},
        {"outcomes": {"caller": Outcome(0, 0, "timed out")}},
        {"records": []},
        {"records": [GOOD, GOOD]},
        {"records": [{**GOOD, "cause": "no_ack"}]},
        {"records": [{**GOOD, "result": "failed"}]},
        {"records": [{**GOOD, "hung_up_by": "callee"}]},
        {"lines": []},
        {"lines": ["refused", "refused"]},
    ],
)
def test_a_row_that_did_not_is_not(changes: dict[str, object]):
    with pytest.raises(AssertionError):
        played(**changes).check()


def test_a_record_that_should_not_be_is_seen():
    with pytest.raises(AssertionError):
        played(Row("caller", result=None)).check()
