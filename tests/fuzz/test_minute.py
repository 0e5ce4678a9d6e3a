"""A minute of the search in every run of the tests, divided among all targets; `make fuzz` goes on longer."""

from __future__ import annotations

import pytest

from tests.fuzz import findings
from tests.fuzz.search import by_hypothesis, by_mutation
from tests.fuzz.target import Finding
from tests.fuzz.targets import TARGETS

SECONDS = 60
EXAMPLES = 30
SHARES = sum(target.share for target in TARGETS.values())


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_unexpected(name: str):
    target = TARGETS[name]
    try:
        by_mutation(target, 0.85 * SECONDS * target.share / SHARES)
        by_hypothesis(target, 0, batch=EXAMPLES)
    except Finding as finding:
        pytest.fail(f"{finding}\nkept as {findings.keep(target, finding)}", pytrace=False)
