"""A call that is up: hold, keys, reload, loss, and its value on its way through JSON."""

import json

import pytest

from tests.pbx.lab import ALICE, HOUSE, Bench, binding, page_flow, request, sdp
from ucplatform.pbx.call import Call
from ucplatform.pbx.commands import (
    Acknowledge,
    AskMedia,
    Note,
    Respond,
    Save,
    SendRequest,
    StartTimer,
    StopTimer,
)
from ucplatform.pbx.features.dtmf import pressed
from ucplatform.pbx.inputs import (
    AckMissing,
    DeviceBack,
    FlowLost,
    HangUp,
    InDialog,
    LegMoved,
    MediaEvent,
    MediaFailed,
    NoReply,
    ReplaceIn,
    Timeout,
)


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.talk()
    return bench


def hold(bench: Bench) -> None:
    bench.in_dialog("leg1", "INVITE", sdp(direction="sendonly", version=2))
    bench.engine("reoffer", sdp=sdp(1, 5000, "sendonly"))
    bench.device("leg2", 200, sdp(20, direction="recvonly"), purpose="reinvite")
    bench.engine("reanswer", sdp=sdp(1, 6000, "recvonly"))


def test_hold_goes_through_to_the_other_side_and_back(bench):
    hold(bench)
    assert bench.asked("reoffer")["from-tag"] == "leg1" and bench.asked("reoffer")["to-tag"] == "leg2"
    assert b"a=sendonly" in bench.sent("leg2", "INVITE").body
    assert bench.answers() == [180, 200, 200]
    assert bench.call.caller.held
    assert Note("hold", "leg1") in bench.all
    assert [c.request.method for c in bench.all if isinstance(c, Acknowledge)] == ["ACK", "ACK"]


def test_the_version_counts_up_only_with_a_change(bench):
    first = bench.call.legs["leg2"].session.version
    hold(bench)
    assert bench.call.legs["leg2"].session.version == first + 1


def test_a_refresh_is_answered_from_the_store(bench):
    bench.in_dialog("leg1", "INVITE", bench.call.caller.session.received)
    assert not bench.of(AskMedia)
    assert bench.of(Respond)[0].response.body.decode() == bench.call.caller.session.sent


def test_glare_is_491(bench):
    bench.in_dialog("leg1", "INVITE", sdp(direction="sendonly", version=2))
    bench.in_dialog("leg2", "INVITE", sdp(20, direction="sendonly", version=2))
    assert bench.of(Respond)[0].response.status == 491


def test_a_refused_reinvite_keeps_the_call(bench):
    bench.in_dialog("leg1", "INVITE", sdp(direction="sendonly", version=2))
    bench.engine("reoffer", sdp=sdp(1, 5000, "sendonly"))
    bench.device("leg2", 488, purpose="reinvite")
    assert bench.of(Respond)[0].response.status == 488
    assert bench.call.state == "talking" and bench.call.exchange is None


def test_an_engine_that_refuses_a_reinvite_keeps_the_call(bench):
    bench.in_dialog("leg1", "INVITE", sdp(direction="sendonly", version=2))
    bench.feed(MediaFailed("reoffer", "no codec"))
    assert bench.of(Respond)[0].response.status == 488 and bench.call.state == "talking"


def test_a_peer_that_forgot_the_dialog_ends_the_call(bench):
    bench.in_dialog("leg1", "INVITE", sdp(direction="sendonly", version=2))
    bench.engine("reoffer", sdp=sdp(1, 5000, "sendonly"))
    bench.feed(NoReply("leg2", "reinvite", 408))
    bench.engine("delete")
    assert bench.record["cause"] == "peer_lost" and bench.record["result"] == "answered"


def test_old_cseq_is_refused(bench):
    bench.in_dialog("leg1", "OPTIONS")
    dialog = bench.call.caller.dialog
    old = request("INFO", "x", call_id="call-1", from_tag="a-tag", to_tag=dialog.local_tag, cseq=1)
    bench.feed(InDialog("leg1", ("old",), old))
    assert bench.of(Respond)[0].response.status == 500


def test_info_becomes_a_key_at_the_other_side(bench):
    info = request(
        "INFO",
        "x",
        call_id="call-1",
        from_tag="a-tag",
        to_tag=bench.call.caller.local_tag,
        cseq=7,
        extra=("Content-Type: application/dtmf-relay",),
    )
    info.body = b"Signal=5\r\nDuration=200\r\n"
    bench.feed(InDialog("leg1", ("info",), info))
    assert bench.asked("dtmf:leg1") == {
        "command": "play DTMF",
        "call-id": "c-test",
        "from-tag": "leg1",
        "code": "5",
        "duration": 200,
    }
    assert bench.of(Respond)[0].response.status == 200


@pytest.mark.parametrize(
    ("kind", "body", "key"),
    [
        ("application/dtmf-relay", b"Signal= #\r\nDuration=99999999\r\n", ("#", 160)),
        ("application/dtmf-relay", b"signal=10\r\n", ("*", 160)),
        ("application/dtmf", b"7", ("7", 160)),
        ("application/dtmf-relay", b"Signal=55\r\n", None),
        ("text/plain", b"5", None),
        ("application/dtmf", b"\xff\x00", None),
    ],
)
def test_keys_in_info(kind, body, key):
    assert pressed(kind, body) == key


def test_unknown_methods_are_told_what_is_allowed(bench):
    bench.in_dialog("leg1", "NOTIFY")
    response = bench.of(Respond)[0].response
    assert response.status == 405 and "INVITE" in (response.headers.get("Allow") or "")


def page_call() -> Bench:
    bench = Bench()
    bench.dial(binding(), flow=page_flow("ws-1"))
    bench.engine("offer:leg2", sdp=sdp(1, 5000))
    bench.device("leg2", 200, sdp(20))
    bench.engine("answer", sdp=sdp(1, 6000))
    return bench


def test_a_lost_page_has_its_grace_then_the_call_ends():
    bench = page_call()
    bench.feed(FlowLost("ws-1"))
    assert StartTimer("grace:leg1", 8.0) in bench.commands and bench.call.state == "talking"
    bench.feed(Timeout("grace:leg1"))
    assert [c.request.method for c in bench.of(SendRequest)] == ["BYE"]
    assert bench.of(SendRequest)[0].leg == "leg2"
    bench.engine("delete")
    assert (bench.record["cause"], bench.record["hung_up_by"]) == ("browser_gone", "caller")


def test_the_same_page_on_a_new_connection_keeps_its_dialog():
    bench = page_call()
    bench.feed(FlowLost("ws-1"))
    back = binding(number="200", flow=page_flow("ws-2"))
    bench.feed(DeviceBack(type(back).from_json({**back.to_json(), "contact": "sip:200@abc.invalid"})))
    assert StopTimer("grace:leg1") in bench.commands
    assert bench.call.caller.flow.id == "ws-2" and not bench.call.caller.lost


def test_a_reloaded_page_takes_its_call_over():
    bench = page_call()
    bench.feed(FlowLost("ws-1"))
    invite = request("INVITE", "201", sdp(55), call_id="call-2", from_tag="new")
    bench.feed(ReplaceIn(("again",), invite, page_flow("ws-2"), ALICE, "leg1"))
    question = bench.asked("takeover")
    assert question["from-tag"] == "leg3" and question["codec-prefer"] == ["PCMU", "telephone-event"]
    bench.engine("takeover", sdp=sdp(1, 7000))
    assert bench.asked("attach")["to-tag"] == "leg2"
    assert bench.asked("release:leg1")["via-branch"] == "leg1"
    assert bench.of(Respond)[0].response.status == 200
    assert StopTimer("grace:leg1") in bench.commands and StopTimer("refresh:leg1") in bench.commands
    assert bench.call.caller_id == "leg3" and not bench.of(SendRequest)
    bench.in_dialog("leg2", "BYE")
    assert bench.of(SendRequest)[0].leg == "leg3"
    bench.engine("delete")
    assert [leg["id"] for leg in bench.record["legs"]] == ["leg1", "leg2", "leg3"]


def test_a_takeover_of_a_call_that_is_over_is_481():
    bench = page_call()
    bench.in_dialog("leg2", "BYE")
    bench.feed(ReplaceIn(("again",), request("INVITE", "201", sdp(55)), page_flow("ws-2"), ALICE, "leg1"))
    assert bench.of(Respond)[0].response.status == 481


def test_a_telephone_without_sound_is_let_go_unless_held(bench):
    hold(bench)
    bench.feed(MediaEvent("leg2", "media-timeout", {"seconds": 30}))
    assert bench.call.state == "talking"
    other = Bench()
    other.talk()
    other.feed(MediaEvent("leg2", "media-timeout", {"seconds": 30}))
    assert {c.leg for c in other.of(SendRequest)} == {"leg1", "leg2"}
    other.engine("delete")
    assert other.record["cause"] == "media_lost"


def test_an_answer_never_acknowledged_ends_the_call(bench):
    bench.feed(AckMissing("leg1"))
    assert {c.leg for c in bench.of(SendRequest)} == {"leg1", "leg2"}


def test_a_bye_that_crosses_ours_is_200(bench):
    bench.feed(HangUp("ended_by_house"))
    bench.in_dialog("leg2", "BYE")
    assert bench.of(Respond)[0].response.status == 200
    bench.in_dialog("leg2", "INVITE", sdp(20))
    assert bench.of(Respond)[0].response.status == 481


def test_a_call_survives_json_and_goes_on(bench):
    text = json.dumps(bench.call.to_json())
    bench.call = Call.from_json(json.loads(text), HOUSE)
    hold(bench)
    bench.in_dialog("leg1", "BYE")
    assert bench.sent("leg2", "BYE").cseq.number == 3
    bench.engine("delete")
    assert bench.record["id"] == "c-test" and bench.record["answered"] == 1000.0


def test_the_parties_of_a_snapshot_tell_a_page_how_to_come_back():
    bench = page_call()
    party = bench.call.to_json()["parties"][0]
    assert party == {
        "extension": "200",
        "device": "browser",
        "role": "caller",
        "peer": {"number": "201", "name": "Sales"},
        "call_id": "call-1",
        "local_tag": bench.call.caller.local_tag,
        "remote_tag": "a-tag",
        "state": "talking",
        "direction": "out",
        "answered": 1000.0,
    }


def test_a_refused_reinvite_leaves_all_as_it_was_so_that_the_next_one_is_asked_again(bench):
    heard, sent = bench.call.caller.session.received, bench.call.legs["leg2"].session.sent
    bench.in_dialog("leg1", "INVITE", sdp(direction="sendonly", version=2))
    bench.engine("reoffer", sdp=sdp(1, 5000, "sendonly"))
    bench.device("leg2", 500, purpose="reinvite")
    restored = [c.command for c in bench.of(AskMedia)]
    assert [(c["command"], c["sdp"]) for c in restored] == [("offer", heard), ("answer", sdp(20))]
    assert not bench.call.caller.held and bench.call.caller.session.received == heard
    assert bench.call.legs["leg2"].session.sent == sent
    hold(bench)
    assert bench.call.caller.held
    assert b" 3 IN IP4" in bench.sent("leg2", "INVITE").body, "no version is used for two bodies"


def test_a_challenge_to_our_reinvite_is_not_passed_on(bench):
    bench.in_dialog("leg1", "INVITE", sdp(direction="sendonly", version=2))
    bench.engine("reoffer", sdp=sdp(1, 5000, "sendonly"))
    bench.device("leg2", 407, purpose="reinvite")
    assert bench.of(Respond)[0].response.status == 488


def test_a_peer_that_never_answers_a_reinvite_blocks_no_other(bench):
    bench.in_dialog("leg1", "INVITE", sdp(direction="sendonly", version=2))
    bench.engine("reoffer", sdp=sdp(1, 5000, "sendonly"))
    assert StartTimer("exchange", 35.0) in bench.commands and Save() in bench.commands
    bench.device("leg2", 180, purpose="reinvite")
    bench.feed(Timeout("exchange"))
    assert bench.of(Respond)[0].response.status == 504
    assert bench.call.state == "talking" and bench.call.exchange is None


def test_a_reinvite_with_something_else_than_sdp_is_415(bench):
    dialog = bench.call.caller.dialog
    message = request("INVITE", "x", call_id="call-1", from_tag="a-tag", to_tag=dialog.local_tag, cseq=9)
    message.headers.add("Content-Type", "text/plain")
    message.body = b"hold, please"
    bench.feed(InDialog("leg1", ("odd",), message))
    assert bench.of(Respond)[0].response.status == 415


def test_a_reinvite_towards_a_page_that_is_away_may_be_tried_again():
    bench = page_call()
    bench.feed(FlowLost("ws-1"))
    bench.in_dialog("leg2", "INVITE", sdp(20, direction="sendonly", version=2))
    assert bench.of(Respond)[0].response.status == 491 and not bench.of(AskMedia)


def test_a_page_that_is_back_before_its_old_connection_is_missed_stays_in_the_call():
    bench = page_call()
    back = binding(number="200", flow=page_flow("ws-2"))
    bench.feed(DeviceBack(type(back).from_json({**back.to_json(), "contact": "sip:200@abc.invalid"})))
    bench.feed(FlowLost("ws-1"))
    assert bench.call.caller.flow.id == "ws-2" and not bench.of(StartTimer)


def test_a_request_from_a_new_flow_ends_the_grace():
    bench = page_call()
    bench.feed(FlowLost("ws-1"))
    bench.feed(LegMoved("leg1", page_flow("ws-2")))
    assert StopTimer("grace:leg1") in bench.commands and Save() in bench.commands
    bench.feed(Timeout("grace:leg1"))
    assert bench.call.state == "talking"


def take_over(bench: Bench) -> None:
    invite = request("INVITE", "201", sdp(55), call_id="call-2", from_tag="new")
    bench.feed(ReplaceIn(("again",), invite, page_flow("ws-2"), ALICE, "leg1"))


def test_who_hangs_up_before_it_has_taken_over_is_answered():
    bench = Bench()
    bench.talk()
    invite = request("INVITE", "201", sdp(55), call_id="call-2", from_tag="new")
    bench.feed(ReplaceIn(("again",), invite, page_flow("ws-2"), ALICE, "leg1"))
    bench.in_dialog("leg3", "BYE")
    assert [(c.key, c.response.status) for c in bench.of(Respond)] == [(("BYE",), 200), (("again",), 487)]
    assert {c.leg for c in bench.of(SendRequest)} == {"leg1", "leg2"} and bench.call.state == "over"


def test_an_ack_missing_on_a_leg_that_was_replaced_ends_nothing():
    bench = page_call()
    take_over(bench)
    bench.engine("takeover", sdp=sdp(1, 7000))
    bench.feed(AckMissing("leg1"))
    assert bench.call.state == "talking"


def test_a_page_reloaded_again_during_its_takeover_still_has_its_grace():
    bench = page_call()
    bench.feed(FlowLost("ws-1"))
    take_over(bench)
    bench.feed(FlowLost("ws-2"))
    bench.engine("takeover", sdp=sdp(1, 7000))
    assert bench.asked("release:leg3")["via-branch"] == "leg3" and not bench.of(Respond)
    assert bench.call.caller_id == "leg1" and StopTimer("grace:leg1") not in bench.all
    invite = request("INVITE", "201", sdp(55), call_id="call-3", from_tag="newer")
    bench.feed(ReplaceIn(("third",), invite, page_flow("ws-3"), ALICE, "leg1"))
    bench.engine("takeover", sdp=sdp(1, 7002))
    assert bench.call.caller_id == "leg4"


def test_a_call_that_ends_during_a_takeover_leaves_no_termination_behind():
    bench = page_call()
    take_over(bench)
    bench.in_dialog("leg2", "BYE")
    asked = [c.ref for c in bench.of(AskMedia)]
    assert asked == ["release:leg3", "delete"]
    assert [c.response.status for c in bench.of(Respond)] == [200, 487], "to its BYE, and to the INVITE"


@pytest.mark.parametrize(
    ("leg", "event", "detail"),
    [
        ("leg1", "ice", {"state": "failed"}),
        ("leg2", "dtls", {"state": "failed"}),
        ("", "closed", {"reason": "engine restarted"}),
    ],
)
def test_a_call_whose_sound_is_gone_for_good_ends(bench, leg, event, detail):
    bench.feed(MediaEvent(leg, event, detail))
    assert {c.leg for c in bench.of(SendRequest)} == {"leg1", "leg2"}
    bench.engine("delete")
    assert bench.record["cause"] == "media_lost"


def test_a_call_that_is_over_but_not_recorded_survives_a_restart():
    bench = page_call()
    take_over(bench)
    bench.engine("takeover", sdp=sdp(1, 7000))
    bench.in_dialog("leg2", "BYE")
    text = json.dumps(bench.call.to_json())
    assert json.loads(text)["parties"] == []
    bench.call = Call.from_json(json.loads(text), HOUSE)
    bench.feed(Timeout("statistics"))
    assert (bench.record["cause"], bench.record["hung_up_by"]) == ("normal", "callee")
    assert [leg["id"] for leg in bench.record["legs"]] == ["leg1", "leg2", "leg3"]
