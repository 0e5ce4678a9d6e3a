"""From INVITE to answer: forking, winners, failures, early media."""

from tests.pbx.lab import Bench, binding, page_flow, request, sdp
from ucplatform.pbx.commands import (
    Acknowledge,
    AskMedia,
    CancelInvite,
    Forget,
    Respond,
    SendRequest,
    StartTimer,
)
from ucplatform.pbx.inputs import Cancelled, DeviceBack, FlowLost, MediaFailed, NoReply, Timeout
from ucplatform.pbx.routing import NO_EMERGENCY, UNKNOWN, ToApplication
from ucplatform.sip.flow import Flow


def test_a_call_is_offered_answered_and_recorded():
    bench = Bench()
    bench.talk()
    assert bench.answers() == [180, 200]
    bench.now += 60
    bench.in_dialog("leg2", "BYE")
    assert bench.sent("leg1", "BYE").call_id == "call-1"
    bench.engine("delete", legs={"leg1": {"codec": "PCMU/8000", "in": {"packets": 9}}})
    record = bench.record
    assert (record["result"], record["cause"], record["hung_up_by"]) == ("answered", "normal", "callee")
    assert record["caller"]["number"] == "200" and record["callee"]["number"] == "201"
    assert record["answered"] == 1000.0 and record["ended"] == 1060.0
    assert record["legs"][0]["codec"] == "PCMU/8000" and record["legs"][0]["stats"]["in"]["packets"] == 9
    assert isinstance(bench.commands[-1], Forget)


def test_the_edge_owns_the_session_line():
    bench = Bench()
    bench.talk()
    answer = [c for c in bench.all if isinstance(c, Respond)][-1].response
    session = bench.call.caller.session
    assert f"o=- {session.id} 1 IN IP4 192.0.2.1".encode() in answer.body
    assert b"m=audio 6000" in answer.body


def test_every_device_gets_an_offer_of_its_own_and_the_first_200_wins():
    bench = Bench()
    bench.dial(binding(host=20), binding(host=21, flow=page_flow("ws-1")))
    offers = [c.command for c in bench.of(AskMedia)]
    assert [o["via-branch"] for o in offers] == ["leg2", "leg3"]
    assert offers[0]["transport-protocol"] == "RTP/AVP"
    assert offers[0]["received-from"] == ["IP4", "192.0.2.10"], "where the caller signals from"
    assert offers[1]["transport-protocol"] == "UDP/TLS/RTP/SAVPF" and offers[1]["ICE"] == "force"
    bench.engine("offer:leg2", sdp=sdp(1, 5000))
    bench.engine("offer:leg3", sdp=sdp(1, 5002))
    bench.device("leg2", 180)
    bench.device("leg3", 180)
    assert bench.answers() == [180], "the caller hears of it once"
    bench.device("leg3", 200, sdp(21))
    assert bench.of(CancelInvite) == [CancelInvite("leg2")]
    assert bench.asked("answer")["via-branch"] == "leg3"
    assert bench.asked("drop:leg2")["via-branch"] == "leg2"
    bench.engine("answer", sdp=sdp(1, 6000))
    bench.device("leg2", 487)
    assert bench.call.state == "talking" and bench.call.callee_id == "leg3"


def test_a_200_that_crosses_our_cancel_is_acknowledged_and_ended():
    bench = Bench()
    bench.dial(binding(host=20), binding(host=21))
    bench.engine("offer:leg2", sdp=sdp(1, 5000))
    bench.engine("offer:leg3", sdp=sdp(1, 5002))
    bench.device("leg2", 200, sdp(20))
    bench.device("leg3", 200, sdp(21))
    assert [c.leg for c in bench.of(Acknowledge)] == ["leg3"]
    assert [c.request.method for c in bench.of(SendRequest)] == ["BYE"]
    assert bench.call.callee_id == "leg2"


def test_cancel_reaches_every_device():
    bench = Bench()
    bench.dial(binding(host=20), binding(host=21))
    bench.engine("offer:leg2", sdp=sdp(1, 5000))
    bench.feed(Cancelled(request("CANCEL", "201")))
    assert bench.of(CancelInvite) == [CancelInvite("leg2")]
    assert bench.answers() == [487]
    bench.engine("delete")
    assert (bench.record["result"], bench.record["hung_up_by"]) == ("cancelled", "caller")
    bench.device("leg2", 487)
    assert isinstance(bench.commands[-1], Forget)


def test_busy_is_told_as_busy():
    bench = Bench()
    bench.dial(binding())
    bench.engine("offer:leg2", sdp=sdp(1, 5000))
    bench.device("leg2", 486)
    assert bench.answers() == [486]
    bench.engine("delete")
    assert bench.record["result"] == "busy"


def test_one_busy_device_does_not_stop_the_other():
    bench = Bench()
    bench.dial(binding(host=20), binding(host=21))
    bench.engine("offer:leg2", sdp=sdp(1, 5000))
    bench.engine("offer:leg3", sdp=sdp(1, 5002))
    bench.device("leg2", 486)
    assert bench.call.state == "ringing" and bench.answers() == []
    bench.feed(NoReply("leg3", "invite", 408))
    assert bench.answers() == [486], "what a person said counts more than silence"


def test_a_decline_speaks_for_all_devices():
    bench = Bench()
    bench.dial(binding(host=20), binding(host=21))
    bench.engine("offer:leg2", sdp=sdp(1, 5000))
    bench.engine("offer:leg3", sdp=sdp(1, 5002))
    bench.device("leg2", 603)
    assert bench.of(CancelInvite) == [CancelInvite("leg3")]
    assert bench.answers() == [603]


def test_nobody_answers():
    bench = Bench()
    bench.dial(binding())
    assert StartTimer("ring", 30.0) in bench.commands
    bench.engine("offer:leg2", sdp=sdp(1, 5000))
    bench.device("leg2", 180)
    bench.feed(Timeout("ring"))
    assert bench.answers() == [180, 480]
    bench.engine("delete")
    assert (bench.record["result"], bench.record["cause"]) == ("missed", "no_answer")


def test_unknown_numbers_and_emergencies_ring_nobody():
    for route, status, cause in ((UNKNOWN, 404, "number_unknown"), (NO_EMERGENCY, 503, "emergency")):
        bench = Bench()
        bench.dial(to="999", route=route)
        assert bench.answers() == [status]
        assert bench.record["cause"] == cause
        answer = next(c.response for c in bench.all if isinstance(c, Respond))
        assert answer.headers.get("Warning") == f'399 pbx.test "{route.sentence}"'


def test_an_extension_without_devices_is_offline():
    bench = Bench()
    bench.dial()
    assert bench.answers() == [480]
    assert bench.record["cause"] == "callee_offline"
    assert bench.record["callee"]["extension"] == "201"


def test_the_echo_is_an_application():
    bench = Bench()
    bench.dial(to="*43", route=ToApplication("*43", "Echo test", "echo"))
    assert bench.asked("terminate")["sdp"] == bench.call.caller.session.received
    bench.engine("terminate", sdp=sdp(1, 6000))
    assert bench.asked("attach")["application"] == "echo"
    assert bench.answers() == [200]
    bench.in_dialog("leg1", "BYE")
    bench.engine("delete")
    assert bench.record["result"] == "answered" and bench.record["callee"]["name"] == "Echo test"


def test_no_free_port_is_said():
    bench = Bench()
    bench.dial(binding())
    bench.feed(MediaFailed("offer:leg2", "no free media ports"))
    assert bench.answers() == [503]
    bench.feed(MediaFailed("delete", "no such call"))
    assert (bench.record["status"], bench.record["cause"]) == (503, "no_media_ports")


def test_early_media_goes_to_a_telephone_and_is_not_asked_twice():
    bench = Bench()
    bench.dial(binding())
    bench.engine("offer:leg2", sdp=sdp(1, 5000))
    bench.device("leg2", 183, sdp(20))
    bench.engine("early:leg2", sdp=sdp(1, 6000))
    assert bench.answers() == [183]
    bench.device("leg2", 200, sdp(20))
    assert bench.answers() == [183, 200] and bench.call.state == "talking"


def test_a_page_hears_no_early_media():
    bench = Bench()
    bench.dial(binding(), flow=page_flow("ws-9"))
    bench.engine("offer:leg2", sdp=sdp(1, 5000))
    bench.device("leg2", 183, sdp(20))
    assert bench.answers() == [180]


def test_a_reconnecting_browser_is_waited_for():
    bench = Bench()
    gone = binding(flow=page_flow("ws-1"), lost_at=999.0)
    bench.dial(gone)
    assert StartTimer("reconnect:leg2", 5.0) in bench.commands and not bench.of(AskMedia)
    bench.feed(DeviceBack(binding(flow=page_flow("ws-2"))))
    assert bench.asked("offer:leg2")
    bench.engine("offer:leg2", sdp=sdp(1, 5000))
    assert bench.call.legs["leg2"].flow.id == "ws-2"


def test_a_browser_that_stays_away_is_offline():
    bench = Bench()
    bench.dial(binding(flow=page_flow("ws-1"), lost_at=999.0))
    bench.feed(Timeout("reconnect:leg2"))
    assert bench.answers() == [480]


def test_a_caller_whose_page_goes_while_it_rings_hangs_up():
    bench = Bench()
    bench.dial(binding(), flow=page_flow("ws-9"))
    bench.engine("offer:leg2", sdp=sdp(1, 5000))
    bench.feed(FlowLost("ws-9"))
    assert bench.of(CancelInvite) == [CancelInvite("leg2")]
    bench.engine("delete")
    assert bench.record["cause"] == "browser_gone"


def test_cancel_while_the_engine_prepares_the_answer():
    bench = Bench()
    bench.dial(binding())
    bench.engine("offer:leg2", sdp=sdp(1, 5000))
    bench.device("leg2", 200, sdp(20))
    bench.feed(Cancelled(request("CANCEL", "201")))
    assert bench.answers() == [487]
    assert bench.sent("leg2", "BYE")
    bench.engine("answer", sdp=sdp(1, 6000))
    assert bench.answers() == [487]


def test_a_telephone_whose_connection_goes_while_it_rings_hangs_up():
    bench = Bench()
    bench.dial(binding(), flow=Flow("tcp-1", "tcp", ("192.0.2.1", 5060), ("192.0.2.10", 40000)))
    bench.engine("offer:leg2", sdp=sdp(1, 5000))
    bench.feed(FlowLost("tcp-1"))
    assert bench.of(CancelInvite) == [CancelInvite("leg2")]
    bench.engine("delete")
    assert bench.record["cause"] == "phone_gone"


def test_a_page_that_answered_and_is_gone_before_the_engine_is_ready_has_its_grace():
    bench = Bench()
    bench.dial(binding(flow=page_flow("ws-1")))
    bench.engine("offer:leg2", sdp=sdp(1, 5000))
    bench.device("leg2", 200, sdp(20))
    bench.feed(FlowLost("ws-1"))
    assert StartTimer("grace:leg2", 8.0) in bench.commands
    bench.engine("answer", sdp=sdp(1, 6000))
    bench.feed(Timeout("grace:leg2"))
    assert bench.sent("leg1", "BYE")


def test_a_device_that_declined_is_not_rung_again_when_it_refreshes_its_registration():
    bench = Bench()
    bench.dial(binding(host=20), binding(host=21))
    bench.engine("offer:leg2", sdp=sdp(1, 5000))
    bench.engine("offer:leg3", sdp=sdp(1, 5002))
    bench.device("leg2", 486)
    bench.feed(DeviceBack(binding(host=20)))
    assert bench.commands == []


def test_a_page_reloaded_while_it_rings_rings_again():
    bench = Bench()
    bench.dial(binding(flow=page_flow("ws-1")))
    bench.engine("offer:leg2", sdp=sdp(1, 5000))
    bench.device("leg2", 180)
    first = bench.sent("leg2", "INVITE")
    bench.feed(NoReply("leg2", "invite", 503))
    assert bench.call.state == "ringing" and StartTimer("reconnect:leg2", 5.0) in bench.commands
    bench.feed(DeviceBack(binding(flow=page_flow("ws-2"))._replace(contact="sip:201@new.invalid")))
    bench.engine("offer:leg2", sdp=sdp(1, 5004))
    again = bench.sent("leg2", "INVITE")
    assert again.call_id != first.call_id and str(again.uri) == "sip:201@new.invalid"
    bench.device("leg2", 200, sdp(20))
    bench.engine("answer", sdp=sdp(1, 6000))
    assert bench.answers() == [180, 200]


def test_early_media_that_the_engine_refuses_becomes_ringing():
    bench = Bench()
    bench.dial(binding())
    bench.engine("offer:leg2", sdp=sdp(1, 5000))
    bench.device("leg2", 183, sdp(20))
    bench.feed(MediaFailed("early:leg2", "no"))
    assert bench.answers() == [180]


def test_max_forwards_counts_on_through_us():
    bench = Bench()
    bench.dial(binding())
    bench.engine("offer:leg2", sdp=sdp(1, 5000))
    assert bench.sent("leg2", "INVITE").max_forwards == 69


def test_breadth_is_divided_among_the_devices_that_ring():
    """RFC 5393 5.3.3: together they have no more than the caller's, and none has nothing."""

    def rings(*extra: str) -> list[str | None]:
        bench = Bench()
        bench.dial(*(binding(host=host) for host in (20, 21, 22)), extra=extra)
        for leg in bench.call.devices:
            bench.engine(f"offer:{leg.id}", sdp=sdp(1, 5000))
        return [
            bench.sent(leg.id, "INVITE").headers.get("Max-Breadth")
            for leg in bench.call.devices
            if leg.request is not None
        ]

    assert rings() == ["20", "20", "20"]
    assert rings("Max-Breadth: 7") == ["2", "2", "2"]
    assert rings("Max-Breadth: 2") == ["1", "1"]
