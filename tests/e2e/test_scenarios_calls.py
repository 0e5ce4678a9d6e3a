"""From INVITE to BYE: each row a call between SIPps of its own, all played at once, each judged by itself."""

from __future__ import annotations

import pytest

from tests.e2e.scenarios import Played, Row, rows

R = Row
ROWS = rows(
    R("caller_talks", ("callee_answers",), cause="normal", by="caller"),
    R("caller_talks", ("callee_rings_then_answers",), cause="normal", by="caller"),
    R("caller_is_hung_up", ("callee_hangs_up",), cause="normal", by="callee"),
    R("caller_hears_why_it_ended", ("callee_hangs_up",), cause="normal", by="callee"),
    R("caller_cancels", ("callee_rings",), "cancelled", "cancelled", "caller"),
    R("caller_meets_busy", ("callee_is_busy",), "busy", "busy"),
    R("caller_meets_busy", ("callee_refuses_without_a_tag",), "busy", "busy"),
    R("caller_meets_a_decline", ("callee_declines",), "declined", "declined"),
    R("caller_meets_a_failure", ("callee_breaks_down",), "failed", "sip_500"),
    R("caller_meets_other_codecs", ("callee_shares_no_codec",), "failed", "no_common_codec"),
    R("caller_finds_nobody", (), "not_found", "number_unknown", called="nobody"),
    R("caller_finds_nobody_in", (), "unavailable", "callee_offline"),
    R("caller_finds_nobody_in", ("callee_is_away",), "unavailable", "callee_unavailable"),
    R("caller_meets_not_found", ("callee_knows_no_such_user",), "unavailable", "callee_offline"),
    R("caller_finds_nobody_in", ("callee_has_moved",), "failed", "sip_302"),
    R("caller_finds_nobody_in", ("callee_asks_for_credentials",), "failed", "sip_401"),
    R("caller_talks", ("callee_sends_callers_on", "callee_hears_who_sent_it"), by="caller"),
    R("caller_hides_its_number", ("callee_does_not_learn_who_calls",), by="caller"),
    R("caller_is_told_to_use_another_phone", (), "failed", "emergency", called="112"),
    R("caller_makes_a_slip_in_its_offer", (), "failed", "bad_request", called="*43"),
)


@pytest.mark.parametrize("row", ROWS, ids=[row.id for row in ROWS])
def test_call(row: Row, played: dict[str, Played]):
    played[row.id].check()
