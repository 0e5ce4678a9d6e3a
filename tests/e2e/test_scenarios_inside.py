"""What happens within a call, and at its edges: hold, UPDATE, PRACK, lost and crossing messages, forks."""

from __future__ import annotations

import pytest

from tests.e2e.scenarios import TCP, UDP, Played, Row, rows

R = Row
ROWS = rows(
    # hold, RFC 3264 8.4, 5.1
    R("caller_holds", ("callee_is_held",), by="caller"),
    R("caller_holds_as_in_rfc_2543", ("callee_is_held_by_any_means",), by="caller"),
    R("caller_holds_without_music", ("callee_is_held_without_music",), by="caller"),
    R("caller_holds_twice", ("callee_is_held_twice",), by="caller"),
    R("caller_is_held", ("callee_holds",), by="callee"),
    R("caller_repeats_its_offer", ("callee_answers",), by="caller"),
    R("caller_is_refused_a_hold", ("callee_refuses_a_hold",), by="caller"),
    # offers in other places
    R("caller_asks_for_an_offer", ("callee_answers",), by="caller"),
    R("caller_offers_late", ("callee_makes_the_offer",), by="caller"),
    # UPDATE, RFC 3311
    R("caller_updates_its_target", ("callee_answers",), by="caller"),
    R("caller_holds_by_update", ("callee_is_held",), by="caller"),
    R("caller_holds_by_update", ("callee_is_updated",), by="caller"),
    # reliable provisional responses, RFC 3262
    R("caller_talks", ("callee_rings_reliably",), by="caller"),
    R("caller_talks", ("callee_sounds_reliably",), by="caller"),
    R("caller_talks", ("callee_sounds_before_it_answers",), by="caller"),
    R("caller_wants_to_hear_reliably", ("callee_rings_then_answers",), by="caller"),
    R("caller_confirms_the_wrong_response", ("callee_answers_slowly",), by="caller"),
    R("caller_hears_early", ("callee_sounds_before_it_answers",), by="caller"),
    # lost, repeated and crossing messages
    R("caller_loses_an_ack", ("callee_answers",), by="caller", transports=UDP),
    R("caller_talks", ("callee_repeats_its_answer",), by="caller", transports=TCP),
    R("caller_hangs_up_instead_of_an_ack", ("callee_answers",), by="caller"),
    R("caller_holds_too_late", ("callee_hangs_up_at_a_hold",), by="callee", transports=UDP),
    R("caller_hangs_up_during_its_hold", ("callee_thinks_about_a_hold",), by="caller"),
    R("caller_tries_to_hold_again", ("callee_holds_at_the_same_time",), by="caller"),
    R("caller_takes_its_hold_back", ("callee_is_spared_a_hold",), by="caller"),
    R("caller_cancels_at_once", ("",), "cancelled", by="caller"),
    R("caller_cancels_too_late", ("callee_answers",), by="caller"),
    R("caller_cancels", ("callee_answers_despite_cancel",), "cancelled", by="caller"),
    R("caller_hangs_up_while_it_rings", ("callee_rings",), "cancelled", by="caller"),
    R("caller_cancels_with_a_reason", ("callee_is_told_why",), "cancelled", by="caller"),
    # forks, RFC 3261 16.7 and 13.2.2.4
    R("caller_talks", ("callee_answers_slowly", "callee_rings"), by="caller", fork=True),
    R("caller_talks", ("callee_is_busy", "callee_answers_slowly"), by="caller", fork=True),
    R("caller_meets_busy", ("callee_is_busy", "callee_is_away"), "busy", "busy", fork=True),
    R("caller_meets_a_decline", ("callee_declines_after_a_while", "callee_rings"), "declined", fork=True),
    R("caller_talks", ("callee_rings_twice",), by="caller"),
    R("caller_talks", ("callee_answers_twice",), by="caller"),
    # REFER and Replaces, RFC 3515, 5589, 3891; not where SIPp reads two messages before it answers one
    R(
        "caller_transfers_blind",
        ("callee_is_transferred", "callee_is_called_by_transfer"),
        by="callee",
        transports=UDP,
    ),
    R(
        "caller_is_transferred",
        ("callee_transfers_blind", "callee_is_called_by_transfer"),
        by="caller",
        transports=UDP,
    ),
    R("caller_transfers_in_vain", ("callee_answers", "callee_is_busy"), by="caller", transports=UDP),
    R(
        "caller_transfers_without_a_word",
        ("callee_is_transferred", "callee_is_called_by_transfer"),
        transports=UDP,
    ),
    R("caller_transfers_to_nobody", ("callee_answers",), by="caller", transports=UDP),
    R(
        "caller_transfers_after_asking",
        ("callee_is_given_away", "callee_is_asked_and_connected"),
        records=2,
        transports=UDP,
    ),
    R("caller_takes_its_call_elsewhere", ("callee_talks_on",), by="callee", transports=UDP),
    # methods within a call
    R("caller_presses_a_key", ("callee_answers",), by="caller"),
    R("caller_presses_a_plain_key", ("callee_answers",), by="caller"),
    R("caller_sends_information", ("callee_answers",), by="caller"),
    R("caller_asks_in_the_call", ("callee_answers",), by="caller"),
    R("caller_is_hung_up", ("callee_asks_in_the_call",), by="callee"),
    R("caller_does_strange_things_in_the_call", ("callee_answers",), by="caller"),
    R("caller_names_another_dialog", ("callee_answers",), by="caller"),
    # session timers, RFC 4028
    R("caller_refreshes_its_session", ("callee_answers",), by="caller"),
    R("caller_wants_a_short_session", ("callee_answers",), by="caller"),
    R("caller_talks", ("callee_wants_a_longer_session",), by="caller"),
    # descriptions
    R("caller_offers_a_picture_too", ("callee_answers",), by="caller"),
    R("caller_offers_a_dead_stream", ("callee_answers",), by="caller"),
    R("caller_offers_port_0", ("",), "failed"),
    R("caller_speaks_another_codec", ("callee_shares_no_codec",), "failed", "no_common_codec"),
)


@pytest.mark.parametrize("row", ROWS, ids=[row.id for row in ROWS])
def test_call(row: Row, played: dict[str, Played]):
    played[row.id].check()
