"""What once broke a rule never does again; and the tools that look for it do find."""

from __future__ import annotations

import gc
import random
from pathlib import Path

import pytest

from tests.fuzz import findings, sip_targets
from tests.fuzz.mutate import changed
from tests.fuzz.samples import HEADERS
from tests.fuzz.search import by_hypothesis, by_mutation
from tests.fuzz.target import SLOW, Finding, Target, allowed
from tests.fuzz.targets import TARGETS
from ucplatform.sip.errors import ParseError


def test_kept_inputs_break_nothing():
    for name, path in findings.kept():
        TARGETS[name].accepts(path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_break_nothing_and_some_are_taken(name: str):
    target = TARGETS[name]
    assert any([target.accepts(seed) for seed in sorted(set(target.seeds))])


def test_every_typed_header_has_samples_that_are_taken():
    assert {typed.__name__ for typed in sip_targets.TYPES} == HEADERS.keys()
    for typed in sip_targets.TYPES:
        for sample in HEADERS[typed.__name__]:
            assert TARGETS[f"sip-{typed.__name__.lower()}"].accepts(sample), (typed.__name__, sample)


def refuses_none_but_breaks_at(mark: bytes) -> Target:
    """A target that is broken where the input holds `mark`."""

    def check(data: bytes) -> None:
        if mark in data:
            raise IndexError("broken")
        raise ParseError("never taken")

    return Target("trial", check, (ParseError,), (b"one;two;three" * 20,), (mark, b"<", b">"))


@pytest.mark.parametrize("search", [by_mutation, by_hypothesis])
def test_a_search_finds_and_keeps_what_is_smallest(search, tmp_path: Path):
    target = refuses_none_but_breaks_at(b"two<")
    with pytest.raises(Finding) as found:
        search(target, 30)
    path = findings.keep(target, found.value, tmp_path)
    assert path.read_bytes() == b"two<"
    assert list(findings.kept(tmp_path)) == [("trial", path)]


def test_an_input_that_takes_too_long_is_found():
    def check(data: bytes) -> None:
        sum(range(2_000_000))

    data = b"y" * 3000
    with pytest.raises(Finding, match="ms of processor time") as found:
        Target("slow", check, (), (data,), (b"x",)).accepts(data)
    assert found.value.place == SLOW
    assert allowed(2 * len(data)) < 2 * allowed(len(data))


def test_changes_keep_within_the_limit():
    chance = random.Random(1)
    for _ in range(2000):
        assert len(changed(chance, [b"a" * 90, b"bc" * 20], [b"word"], 100)) <= 100


@pytest.mark.parametrize(
    "name", ["sip-message", "sip-endpoint", "sip-credentials", "sip-multipart", "ng-bencode"]
)
def test_what_is_refused_leaves_nothing_to_the_collector(name: str):
    """The edge lets cyclic garbage lie for long; a stranger must not be able to make it in quantity."""
    target, chance = TARGETS[name], random.Random(1)
    gc.collect()
    gc.disable()
    try:
        for _ in range(500):
            target.accepts(changed(chance, target.seeds, target.words, target.limit))
        assert gc.collect() < 100
    finally:
        gc.enable()
