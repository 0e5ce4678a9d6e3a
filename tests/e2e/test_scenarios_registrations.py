"""REGISTER in all its forms (RFC 3261 10, 3327, 5626, 5627): each row a device, all played at once."""

from __future__ import annotations

import pytest

from tests.e2e.scenarios import Played, Row, rows

R = Row
ROWS = rows(
    R("register", (), None),
    R("device_registers_twice", (), None),
    R("device_signs_off", (), None),
    R("device_removes_all", (), None),
    R("device_asks_what_is_there", (), None),
    R("device_refreshes", (), None),
    R("device_comes_too_often", (), None),
    R("device_stays_for_ever", (), None),
    R("device_says_when_in_its_contact", (), None),
    R("device_registers_for_another", (), None, told=("refused", "foreign-to")),
    R("device_has_a_wrong_secret", (), None, told=("refused", "wrong-credentials")),
    R("device_requires_the_unknown", (), None),
    R("device_registers_through_a_proxy", (), None),
    R("device_keeps_two_flows", (), None),
    R("device_gets_a_name_for_itself", (), None),
    R("device_moves", (), None),
    R("device_brings_too_many", (), None),
    R("device_writes_a_bad_contact", (), None),
    R("device_uses_its_nonce_again", (), None),
)


@pytest.mark.parametrize("row", ROWS, ids=[row.id for row in ROWS])
def test_device(row: Row, played: dict[str, Played]):
    played[row.id].check()
