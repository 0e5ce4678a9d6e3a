"""A call that rings at one device of an account, answered at another by Replaces (RFC 3891)."""

from tests.pbx.lab import BOB, Bench, binding, page_flow, request, sdp
from ucplatform.pbx.commands import CancelInvite, Respond, SendRequest
from ucplatform.pbx.inputs import Cancelled, FlowLost, MediaFailed, ReplaceIn


def ringing() -> Bench:
    bench = Bench()
    bench.dial(binding(host=20), binding(host=21))
    bench.engine("offer:leg2", sdp=sdp(1, 5000))
    bench.engine("offer:leg3", sdp=sdp(1, 5002))
    bench.device("leg2", 180)
    return bench


def pick_up(bench: Bench, leg: str = "leg2", body: str | None = None) -> None:
    text = sdp(55) if body is None else body
    invite = request("INVITE", "200", text, call_id="call-2", from_tag="new", user="201")
    bench.feed(ReplaceIn(("picks",), invite, page_flow("ws-2"), BOB, leg))


def test_another_device_answers_what_rings():
    bench = ringing()
    pick_up(bench)
    assert bench.of(CancelInvite) == [CancelInvite("leg2"), CancelInvite("leg3")]
    assert bench.asked("pickup")["from-tag"] == "leg4"
    bench.engine("pickup", sdp=sdp(1, 7000))
    assert bench.asked("pickup-caller")["sdp"] == bench.call.caller.session.received
    bench.engine("pickup-caller", sdp=sdp(1, 6000))
    assert bench.answers() == [180, 200, 200] and bench.asked("attach")["to-tag"] == "leg1"
    bodies = [c.response.body for c in bench.of(Respond)]
    assert b"m=audio 7000" in bodies[0] and b"m=audio 6000" in bodies[1]
    bench.device("leg2", 487)
    bench.device("leg3", 487)
    bench.in_dialog("leg1", "BYE")
    assert [c.leg for c in bench.of(SendRequest)] == ["leg4"]
    bench.engine("delete")
    assert (bench.record["result"], bench.record["callee"]["device"]) == ("answered", "browser")


def test_the_early_dialog_is_found_by_the_tag_of_its_ringing():
    bench = ringing()
    assert bench.call.legs["leg2"].remote_tag == "leg2-tag" and bench.call.legs["leg3"].remote_tag == ""


def test_only_what_we_have_begun_ourselves_can_be_picked_up():
    bench = ringing()
    pick_up(bench, "leg1")
    assert bench.said().status == 481 and bench.call.state == "ringing"


def test_who_picks_up_has_to_offer_something():
    bench = ringing()
    pick_up(bench, body="")
    assert bench.said().status == 488 and bench.call.state == "ringing"


def test_a_caller_that_gives_up_meanwhile_ends_both():
    bench = ringing()
    pick_up(bench)
    bench.feed(Cancelled(request("CANCEL", "201")))
    assert [c.response.status for c in bench.of(Respond)] == [487, 487]


def test_an_engine_that_refuses_ends_the_call():
    bench = ringing()
    pick_up(bench)
    bench.feed(MediaFailed("pickup", "no codec in common"))
    assert bench.call.state == "over" and bench.call.outcome.cause == "no_common_codec"


def test_who_hangs_up_before_it_has_picked_up_is_answered_and_not_connected():
    bench = ringing()
    pick_up(bench)
    bench.in_dialog("leg4", "BYE")
    assert [c.response.status for c in bench.of(Respond)] == [200, 487, 487] and bench.call.state == "over"


def test_a_page_that_is_gone_before_it_has_picked_up_is_not_connected():
    bench = ringing()
    pick_up(bench)
    bench.feed(FlowLost("ws-2"))
    bench.engine("pickup", sdp=sdp(1, 7000))
    assert [c.response.status for c in bench.of(Respond)] == [480]
    bench.engine("delete")
    assert (bench.record["result"], bench.record["cause"]) == ("failed", "browser_gone")
