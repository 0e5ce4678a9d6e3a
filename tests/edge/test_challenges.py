"""Challenged and not heard of again."""

from tests.pbx.lab import phone_flow, request
from ucplatform.edge.challenges import LIMIT, PATIENCE, Challenges
from ucplatform.sip.commands import RequestReceived


def attempt(call_id: str) -> RequestReceived:
    return RequestReceived(("k",), request("INVITE", "201", call_id=call_id), phone_flow(10))


def test_who_brings_credentials_is_forgotten_and_who_does_not_is_told_once():
    challenges = Challenges()
    for call_id in ("good", "bad", "bad"):
        challenges.asked(attempt(call_id), 100.0)
    challenges.answered(attempt("good"))
    assert challenges.overdue(100.0 + PATIENCE - 0.1) == []
    assert [event.request.call_id for event in challenges.overdue(100.0 + PATIENCE)] == ["bad"]
    assert challenges.overdue(200.0) == [] and len(challenges) == 0


def test_a_flood_is_told_of_at_once_and_keeps_little():
    challenges = Challenges()
    for number in range(LIMIT + 3):
        challenges.asked(attempt(f"c{number}"), 100.0)
    assert [event.request.call_id for event in challenges.overdue(100.0)] == ["c0", "c1", "c2"]
    assert len(challenges) == LIMIT
