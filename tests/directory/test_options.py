"""Settings of an administrator: typed, bounded, with defaults."""

import pytest
from django.core.exceptions import ValidationError

from ucplatform.directory import actions, adapter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


def test_defaults():
    assert adapter.load_options() == {
        "company": "",
        "ring_seconds": 30,
        "session_expires": 1800,
        "grace_seconds": 8,
        "trace_retention_hours": 24,
        "offer_sha256": 0,
        "silent_to_strangers": 0,
    }


def test_a_change_is_read_by_the_edge():
    actions.set_option("ring_seconds", " 45 ")
    assert actions.option("ring_seconds") == 45
    assert adapter.load_options()["ring_seconds"] == 45
    actions.reset_option("ring_seconds")
    assert actions.option("ring_seconds") == 30


@pytest.mark.parametrize(
    ("key", "value"),
    [("ring_seconds", 4), ("ring_seconds", "soon"), ("grace_seconds", 61), ("company", "a\nb")],
)
def test_what_does_not_fit_is_refused(key, value):
    before = actions.option(key)
    with pytest.raises(ValidationError):
        actions.set_option(key, value)
    assert actions.option(key) == before


def test_an_unknown_name_is_an_error():
    with pytest.raises(KeyError):
        actions.set_option("colour", "red")
