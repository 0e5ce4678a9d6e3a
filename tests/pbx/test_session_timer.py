"""Sessions that expire (RFC 4028), on each leg by itself."""

import json
from dataclasses import replace

import pytest

from tests.pbx.lab import HOUSE, Bench, binding, page_flow, sdp
from ucplatform.pbx.call import Call
from ucplatform.pbx.commands import Acknowledge, AskMedia, Respond, Save, SendRequest
from ucplatform.pbx.inputs import NoReply, Restored

TIMED = ("Supported: timer", "Session-Expires: 600")
UPDATES = (("Allow", "INVITE, ACK, BYE, CANCEL, UPDATE"),)


def agreed(value: str) -> tuple[tuple[str, str], ...]:
    return (("Session-Expires", value), ("Require", "timer"), *UPDATES)


def talking(extra: tuple[str, ...] = (), headers=(), **more) -> Bench:
    bench = Bench()
    bench.talk(extra=extra, headers=headers, **more)
    return bench


def test_our_invite_asks_for_a_timer():
    invite = talking().sent("leg2", "INVITE")
    assert invite.headers.get("Session-Expires") == "1800" and "timer" in invite.supported
    assert "Min-SE" not in invite.headers


def test_a_house_without_timers_asks_for_none():
    bench = Bench(replace(HOUSE, session_expires=0))
    bench.talk()
    assert "Session-Expires" not in bench.sent("leg2", "INVITE").headers
    assert "Session-Expires" not in bench.said().headers and not bench.timers()


@pytest.mark.parametrize(
    ("lines", "answer", "required", "due"),
    [
        (TIMED, "600;refresher=uac", True, 568.0),  # section 10: 32 s before the end
        (("Supported: timer", "Session-Expires: 600;refresher=uas"), "600;refresher=uas", False, 300.0),
        (("Supported: timer",), "1800;refresher=uac", True, 1768.0),
        (("Supported: timer", "Session-Expires: 90"), "90;refresher=uac", True, 60.0),
        (("Supported: timer", "Session-Expires: 7200"), "1800;refresher=uac", True, 1768.0),
        (("Supported: timer", "Session-Expires: 7200", "Min-SE: 3600"), "3600;refresher=uac", True, 3568.0),
        ((), "1800;refresher=uas", False, 900.0),  # table 2: who knows no timers refreshes nothing
    ],
)
def test_who_refreshes_the_callers_leg_and_how_often(lines, answer, required, due):
    bench = talking(lines)
    response = bench.said()
    assert response.headers.get("Session-Expires") == answer
    assert ("timer" in response.require) == required
    assert bench.timers()["refresh:leg1"] == due


def test_a_page_is_refreshed_by_us():
    bench = talking(("Supported: timer",), flow=page_flow("ws-1"))
    assert bench.said().headers.get("Session-Expires") == "1800;refresher=uas"


@pytest.mark.parametrize(
    ("headers", "due"),
    [
        (agreed("600;refresher=uac"), 300.0),
        (agreed("600;refresher=uas"), 568.0),
        ((), 900.0),  # section 7.2: it knows no timers, so we refresh
    ],
)
def test_what_the_device_answers_decides_its_leg(headers, due):
    bench = Bench()
    bench.dial(binding())
    bench.engine("offer:leg2", sdp=sdp(1, 5000))
    bench.device("leg2", 200, sdp(20), headers=headers)
    assert bench.timers()["refresh:leg2"] == due


def test_a_refresh_goes_by_update_where_the_peer_knows_it():
    bench = talking(headers=agreed("600;refresher=uac"))
    bench.later(300, "refresh:leg2")
    update = bench.sent("leg2", "UPDATE")
    assert not update.body and update.headers.get("Session-Expires") == "600;refresher=uac"
    bench.device("leg2", 200, purpose="refresh", method="UPDATE", headers=agreed("600;refresher=uac"))
    assert bench.timers() == {"refresh:leg2": 300.0} and not bench.of(AskMedia)


def test_a_refresh_goes_by_reinvite_otherwise_and_asks_no_engine():
    bench = talking()
    sent = bench.call.legs["leg2"].session.sent
    bench.later(900, "refresh:leg2")
    assert bench.sent("leg2", "INVITE").body.decode() == sent
    bench.device("leg2", 200, sdp(20), "refresh")
    assert [c.leg for c in bench.of(Acknowledge)] == ["leg2"] and not bench.of(AskMedia)
    assert bench.call.exchange is None and bench.timers() == {"refresh:leg2": 900.0}


def test_a_refresh_that_is_answered_with_something_new_is_passed_on():
    bench = talking()
    bench.later(900, "refresh:leg2")
    bench.device("leg2", 200, sdp(20, 4444, version=2), "refresh")
    assert bench.asked("reoffer")["from-tag"] == "leg2"


def test_a_refresh_of_the_peer_is_answered_from_the_store():
    bench = talking(TIMED)
    for method, body in (("INVITE", bench.call.caller.session.received), ("UPDATE", "")):
        bench.now += 300
        bench.in_dialog("leg1", method, body, extra=TIMED)
        assert bench.said().headers.get("Session-Expires") == "600;refresher=uac"
        assert bench.timers() == {"refresh:leg1": 568.0} and not bench.of(AskMedia)
        assert bench.of(Save), "or a restart would take it for missed"


def test_the_call_ends_when_the_peer_refreshes_no_more():
    bench = talking(TIMED)
    bench.later(568, "refresh:leg1")
    assert {c.leg for c in bench.of(SendRequest)} == {"leg1", "leg2"}
    bench.engine("delete")
    assert (bench.record["cause"], bench.record["result"]) == ("session_expired", "answered")


@pytest.mark.parametrize("status", [408, 481])
def test_a_refresh_that_meets_no_dialog_ends_the_call(status):
    bench = talking(headers=UPDATES)
    bench.later(900, "refresh:leg2")
    bench.device("leg2", status, purpose="refresh", method="UPDATE")
    assert bench.call.state == "over" and bench.call.outcome.cause == "peer_lost"


def test_a_refresh_that_nobody_answers_ends_the_call():
    bench = talking()
    bench.later(900, "refresh:leg2")
    bench.feed(NoReply("leg2", "refresh", 408))
    assert bench.call.state == "over"


def test_a_refresh_that_is_refused_is_tried_again_until_the_session_is_over():
    bench = talking(headers=UPDATES)
    bench.later(900, "refresh:leg2")
    bench.device("leg2", 503, purpose="refresh", method="UPDATE")
    assert bench.timers() == {"refresh:leg2": 434.0}
    bench.later(900, "refresh:leg2")
    assert bench.call.state == "over"


def test_a_refresh_that_meets_an_offer_stands_back():
    bench = Bench(replace(HOUSE, pick=lambda limit: 0))
    bench.talk()
    bench.later(900, "refresh:leg2")
    bench.in_dialog("leg2", "INVITE", sdp(20, version=2))
    assert bench.said().status == 491
    bench.device("leg2", 491, purpose="refresh")
    assert bench.timers() == {"refresh:leg2": 2.1}
    bench.in_dialog("leg2", "INVITE", sdp(20, version=2))
    assert bench.asked("reoffer")["from-tag"] == "leg2"


def test_a_refresh_waits_for_an_exchange():
    bench = talking()
    bench.in_dialog("leg1", "INVITE", sdp(direction="sendonly", version=2))
    bench.later(900, "refresh:leg2")
    assert bench.timers() == {"refresh:leg2": 5.0} and not bench.of(SendRequest)


def test_a_peer_that_knows_update_no_more_is_refreshed_by_reinvite():
    bench = talking(headers=UPDATES)
    bench.later(900, "refresh:leg2")
    bench.device("leg2", 501, purpose="refresh", method="UPDATE")
    assert bench.of(SendRequest)[0].request.method == "INVITE"


def test_a_refresh_whose_connection_was_lost_holds_up_nobody():
    bench = talking()
    bench.later(900, "refresh:leg2")
    bench.feed(NoReply("leg2", "refresh", 503))
    assert bench.call.exchange is None and bench.timers() == {"refresh:leg2": 434.0}


def test_a_refresh_by_reinvite_in_place_of_update_does_not_take_the_place_of_an_exchange():
    bench = talking(headers=UPDATES)
    bench.later(900, "refresh:leg2")
    bench.in_dialog("leg1", "INVITE", sdp(direction="sendonly", version=2))
    waiting = bench.call.exchange
    bench.device("leg2", 501, purpose="refresh", method="UPDATE")
    assert bench.call.exchange is waiting and bench.timers() == {"refresh:leg2": 5.0}


@pytest.mark.parametrize("headers", [(), UPDATES])
def test_a_refresh_that_is_taken_up_and_never_answered_ends_with_the_session(headers):
    bench = talking(headers=headers)
    bench.later(900, "refresh:leg2")
    bench.later(bench.timers()["refresh:leg2"], "refresh:leg2")
    assert bench.call.state == "over" and bench.call.outcome.cause == "session_expired"


def test_a_timer_that_is_due_a_moment_early_is_set_again():
    """The loop counts monotonic seconds, the session those of a clock that is being corrected."""
    bench = talking(TIMED)
    bench.later(567.8, "refresh:leg1")
    assert bench.call.state == "talking"
    bench.later(bench.timers()["refresh:leg1"], "refresh:leg1")
    assert bench.call.state == "over"


# -- 422, both ways --------------------------------------------------------------------------------


def test_an_interval_too_short_is_422_inside_a_dialog_too():
    bench = talking()
    for method in ("INVITE", "UPDATE"):
        bench.in_dialog("leg1", method, extra=("Supported: timer", "Session-Expires: 30"))
        assert (bench.said().status, bench.said().headers.get("Min-SE")) == (422, "90")


def test_a_device_that_wants_a_longer_interval_gets_it():
    bench = Bench()
    bench.dial(binding())
    bench.engine("offer:leg2", sdp=sdp(1, 5000))
    first = bench.sent("leg2", "INVITE")
    bench.device("leg2", 422, headers=(("Min-SE", "3600"),))
    again = bench.sent("leg2", "INVITE")
    assert again.call_id == first.call_id and again.cseq.number == 2  # section 7.3
    assert again.headers.get("Session-Expires") == again.headers.get("Min-SE") == "3600"
    bench.device("leg2", 200, sdp(20))
    assert bench.of(Acknowledge)[0].request.cseq.number == 2


def test_a_422_that_asks_for_nothing_more_is_a_failure():
    bench = Bench()
    bench.dial(binding())
    bench.engine("offer:leg2", sdp=sdp(1, 5000))
    bench.device("leg2", 422, headers=(("Min-SE", "90"),))
    assert bench.call.state == "over" and bench.of(Respond)


def test_a_longer_interval_inside_a_dialog_too():
    bench = talking(headers=UPDATES)
    bench.later(900, "refresh:leg2")
    bench.device("leg2", 422, purpose="refresh", method="UPDATE", headers=(("Min-SE", "2000"),))
    assert bench.sent("leg2", "UPDATE").headers.get("Session-Expires") == "2000;refresher=uac"


# -- a restart -------------------------------------------------------------------------------------


def test_timers_go_on_after_a_restart():
    bench = talking(TIMED, headers=agreed("600;refresher=uac"))
    bench.call = Call.from_json(json.loads(json.dumps(bench.call.to_json())), HOUSE)
    bench.now += 100
    bench.feed(Restored())
    assert bench.timers() == {"refresh:leg1": 468.0, "refresh:leg2": 200.0}
    bench.later(200, "refresh:leg2")
    assert bench.sent("leg2", "UPDATE")


def test_a_refresh_that_was_missed_during_a_restart_comes_soon():
    bench = talking(headers=agreed("600;refresher=uac"))
    bench.now += 400
    bench.feed(Restored())
    assert bench.timers()["refresh:leg2"] == 5.0


def test_a_session_that_was_half_made_at_a_restart_ends():
    """The device's 200 waited for the caller's ACK (RFC 3261 13.2.1): nobody can answer for it any more."""
    bench = Bench()
    bench.dial(binding(), body="")
    bench.device("leg2", 200, sdp(20))
    bench.engine("counter", sdp=sdp(1, 6000))
    assert bench.call.state == "talking" and bench.call.exchange.phase == "delayed"
    bench.call = Call.from_json(json.loads(json.dumps(bench.call.to_json())), HOUSE)
    bench.feed(Restored())
    assert {c.leg for c in bench.of(SendRequest)} == {"leg1", "leg2"} and bench.call.state == "over"
