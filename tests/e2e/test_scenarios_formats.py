"""How messages are written, what is refused before a call, and who may not call: a table of rows."""

from __future__ import annotations

import pytest

from tests.e2e.scenarios import UDP, Played, Row, rows

R = Row
NAT = "<sip:{number}@10.255.255.3:5999;transport={transport}>"
WRONG_TRANSPORT = "<sip:{number}@127.0.0.1:{port};transport=tls>"
ROWS = rows(
    # spelling, RFC 3261 7.3
    R("caller_writes_in_lower_case", ("callee_writes_in_lower_case",), by="caller"),
    R("caller_writes_in_short", ("callee_writes_in_short",), by="caller"),
    R("caller_folds_its_lines", ("callee_folds_its_lines",), by="caller"),
    R("caller_leaves_blanks", ("callee_answers",), by="caller"),
    R("caller_escapes_the_star", (), called="*43", by="caller"),
    R("caller_has_a_rich_contact", ("callee_hangs_up",), by="callee"),
    # the way back
    R("caller_knows_no_rport", ("callee_answers",), by="caller", transports=UDP),
    R("caller_comes_through_proxies", ("callee_answers",), by="caller"),
    R("caller_names_an_address_of_its_own_network", ("callee_hangs_up",), by="callee"),
    R("caller_is_hung_up", ("callee_names_an_address_of_its_own_network",), by="callee"),
    R("caller_talks", ("callee_answers",), name="device_behind_nat", contact=NAT, transports=UDP),
    R("caller_talks", ("callee_answers",), name="device_names_tls", contact=WRONG_TRANSPORT, transports=UDP),
    R("caller_names_no_contact", ("",), "failed", "bad_request"),
    # tags, RFC 2543
    R("caller_has_no_tag", ("callee_answers",), by="caller"),
    R("caller_talks", ("callee_has_no_tag",), by="caller"),
    # bodies
    R("caller_offers_in_parts", ("callee_answers_in_parts",), by="caller"),
    R("caller_sends_another_body", ("",), None),
    R("caller_packs_its_body", ("",), None),
    R("caller_accepts_no_description", ("",), None),
    R("caller_insists_on_a_part", ("",), None),
    # demands and limits
    R("caller_requires_the_unknown", ("",), None),
    R("caller_is_at_its_last_hop", ("",), None),
    R("caller_has_one_hop_left", ("callee_is_the_last_hop",), by="caller"),
    R("caller_has_no_breadth", ("",), None),
    R("caller_writes_no_number", ("",), None),
    R("caller_comes_by_two_ways", ("callee_rings",), "cancelled"),
    # outside of calls
    R("stranger_asks_what_we_can", (), None),
    R("stranger_juggles", (), None),
    R("stranger_writes_and_publishes", ("",), None),
    R("stranger_transfers", ("",), None),
    R("stranger_speaks_of_calls_that_are_none", ("",), None),
    # who may call
    R("caller_has_a_wrong_secret", ("",), None, told=("refused", "wrong-credentials")),
    R("caller_says_to_be_another", ("",), None, told=("refused", "foreign-from")),
    R("caller_has_a_stale_nonce", ("callee_answers",), by="caller"),
    R("caller_asserts_to_be_the_chief", ("callee_hears_no_lies",), by="caller"),
)


@pytest.mark.parametrize("row", ROWS, ids=[row.id for row in ROWS])
def test_call(row: Row, played: dict[str, Played]):
    played[row.id].check()
