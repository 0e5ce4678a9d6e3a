"""REFER: blind and attended transfer from either side, and what the referrer hears of it (RFC 3515)."""

import json

import pytest

from tests.pbx.lab import HOUSE, Bench, binding, request, sdp
from ucplatform.pbx.call import Call
from ucplatform.pbx.commands import Acknowledge, AskMedia, CancelInvite, Claim, Respond, SendRequest
from ucplatform.pbx.inputs import (
    Cancelled,
    GivenAway,
    MediaFailed,
    NoReply,
    ReferIn,
    ReplaceIn,
    Restored,
    Timeout,
)
from ucplatform.pbx.ports import Account
from ucplatform.pbx.routing import NO_SUCH_CALL, UNKNOWN, ToApplication, ToExtension
from ucplatform.sip import fields

CAROL = Account("202", "Store", 3, "", "")
CAROLS = (binding("202", 30), binding("202", 31))


def refer(bench: Bench, leg: str, *devices, number: str = "202", route=None, cseq: int = 0, **more) -> None:
    dialog = bench.call.legs[leg].dialog
    lines = (f"Refer-To: <sip:{number}@pbx.test>", *more.pop("extra", ()))
    tags = {"call_id": dialog.call_id, "from_tag": dialog.remote_tag, "to_tag": dialog.local_tag}
    message = request("REFER", "x", cseq=cseq or bench.next_cseq(), extra=lines, **tags)
    route = route or ToExtension(CAROL)
    bench.feed(ReferIn(leg, ("refer",), message, number, route, devices, **more))


def told(bench: Bench, leg: str) -> list[str]:
    """The status lines and subscription states that `leg` was notified of."""
    found = []
    for command in bench.all:
        if isinstance(command, SendRequest) and command.leg == leg and command.request.method == "NOTIFY":
            assert command.request.content_type == "message/sipfrag"
            state = fields.subscription_state(command.request)
            found.append(f"{command.request.body.decode().strip()} {state.state}")
    return found


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.talk()
    return bench


def carol_rings(bench: Bench, leg: str = "leg1") -> None:
    refer(bench, leg, CAROLS[0])
    bench.engine("transfer-offer:leg3", sdp=sdp(1, 5004))


def carol_answers(bench: Bench) -> None:
    bench.device("leg3", 180, purpose="transfer")
    bench.device("leg3", 200, sdp(30), purpose="transfer")
    bench.engine("transfer-answer:leg3", sdp=sdp(1, 5000))


# -- blind -----------------------------------------------------------------------------------------


def test_the_caller_sends_the_callee_to_somebody_else(bench):
    carol_rings(bench)
    assert bench.said().status == 202 and bench.said().contact
    assert bench.asked("transfer-offer:leg3")["from-tag"] == "leg2"
    invite = bench.sent("leg3", "INVITE")
    assert invite.from_.uri.username == "201" and invite.headers.get("Referred-By") == "<sip:200@pbx.test>"
    carol_answers(bench)
    assert told(bench, "leg1") == [
        "SIP/2.0 100 Trying active",
        "SIP/2.0 180 Ringing active",
        "SIP/2.0 200 OK terminated",
    ]
    assert bench.sent("leg1", "BYE") and bench.asked("release:leg1")
    assert (bench.call.caller_id, bench.call.callee_id) == ("leg3", "leg2")
    assert bench.asked("reoffer")["from-tag"] == "leg3", "the one who is kept hears who it talks to now"
    bench.engine("reoffer", sdp=sdp(1, 5000))
    bench.device("leg2", 200, sdp(20), "reinvite")
    bench.engine("reanswer", sdp=sdp(1, 5004))
    assert bench.call.exchange is None
    bench.in_dialog("leg3", "BYE")
    assert bench.sent("leg2", "BYE")
    bench.engine("delete")
    record = bench.record
    assert (record["caller"]["number"], record["callee"]["number"]) == ("200", "201")
    assert [leg["id"] for leg in record["legs"]] == ["leg1", "leg2", "leg3"]


def test_the_callee_sends_the_caller_to_somebody_else(bench):
    carol_rings(bench, "leg2")
    assert bench.sent("leg3", "INVITE").from_.uri.username == "200"
    carol_answers(bench)
    assert told(bench, "leg2")[-1] == "SIP/2.0 200 OK terminated"
    assert (bench.call.caller_id, bench.call.callee_id) == ("leg1", "leg3")


def test_who_was_held_before_the_transfer_is_not_held_by_the_new_one(bench):
    bench.in_dialog("leg1", "INVITE", sdp(direction="sendonly", version=2))
    bench.engine("reoffer", sdp=sdp(1, 5000, "sendonly"))
    bench.device("leg2", 200, sdp(20, direction="recvonly"), "reinvite")
    bench.engine("reanswer", sdp=sdp(1, 6000, "recvonly"))
    carol_rings(bench)
    assert "a=sendrecv" in bench.asked("transfer-offer:leg3")["sdp"]
    carol_answers(bench)
    bench.engine("reoffer", sdp=sdp(1, 5000))
    assert b"a=sendrecv" in bench.sent("leg2", "INVITE").body


def test_all_devices_ring_and_the_first_wins(bench):
    refer(bench, "leg1", *CAROLS)
    bench.engine("transfer-offer:leg3", sdp=sdp(1, 5004))
    bench.engine("transfer-offer:leg4", sdp=sdp(1, 5006))
    bench.device("leg4", 200, sdp(31), purpose="transfer")
    assert bench.of(CancelInvite) == [CancelInvite("leg3")] and bench.asked("drop:leg3")["from-tag"] == "leg2"
    bench.engine("transfer-answer:leg4", sdp=sdp(1, 5000))
    bench.device("leg3", 487, purpose="transfer")
    assert bench.call.caller_id == "leg4" and bench.call.state == "talking"


def test_a_200_of_a_loser_is_acknowledged_and_ended(bench):
    refer(bench, "leg1", *CAROLS)
    bench.engine("transfer-offer:leg3", sdp=sdp(1, 5004))
    bench.engine("transfer-offer:leg4", sdp=sdp(1, 5006))
    bench.device("leg4", 200, sdp(31), purpose="transfer")
    bench.device("leg3", 200, sdp(30), purpose="transfer")
    assert [c.leg for c in bench.of(Acknowledge)] == ["leg3"] and bench.sent("leg3", "BYE")


def test_a_busy_target_leaves_the_call_as_it_was(bench):
    carol_rings(bench)
    bench.device("leg3", 486, purpose="transfer")
    assert told(bench, "leg1")[-1] == "SIP/2.0 486 Busy Here terminated"
    assert bench.call.state == "talking" and bench.call.transfer is None
    bench.in_dialog("leg1", "INVITE", sdp(version=2))
    assert bench.asked("reoffer")["to-tag"] == "leg2"


@pytest.mark.parametrize(
    ("route", "status"), [(UNKNOWN, 404), (ToApplication("*43", "Echo", "echo"), 480), (None, 480)]
)
def test_a_number_that_cannot_be_reached_is_told_by_notify(bench, route, status):
    refer(bench, "leg1", route=route)
    assert bench.said().status == 202
    assert told(bench, "leg1")[-1].startswith(f"SIP/2.0 {status} ") and bench.call.state == "talking"


def test_a_target_that_nobody_answers(bench):
    carol_rings(bench)
    bench.later(30, "transfer")
    assert bench.of(CancelInvite) == [CancelInvite("leg3")]
    assert told(bench, "leg1")[-1] == "SIP/2.0 480 No Answer terminated"


def test_a_target_that_rings_reliably_in_two_places_is_talked_to_where_it_answers(bench):
    carol_rings(bench)
    for number, tag in enumerate(("one", "two")):
        reliably = (("Require", "100rel"), ("RSeq", str(number + 1)))
        bench.device("leg3", 183, sdp(30 + number), "transfer", tag=tag, headers=reliably)
        assert bench.sent("leg3", "PRACK").to_tag == tag
    bench.device("leg3", 200, purpose="transfer", tag="one")
    assert bench.call.legs["leg3"].dialog.remote_tag == "one"
    assert bench.asked("transfer-answer:leg3")["sdp"] == sdp(30)


def test_a_target_that_wants_a_longer_session_gets_it(bench):
    carol_rings(bench)
    bench.device("leg3", 422, purpose="transfer", headers=(("Min-SE", "3600"),))
    assert bench.sent("leg3", "INVITE").headers.get("Session-Expires") == "3600"
    carol_answers(bench)
    assert bench.call.caller_id == "leg3" and bench.call.legs["leg3"].invite_cseq == 2


def test_a_target_that_cannot_be_reached(bench):
    carol_rings(bench)
    bench.feed(NoReply("leg3", "transfer", 408))
    assert told(bench, "leg1")[-1].startswith("SIP/2.0 480 ") and bench.call.state == "talking"


def test_a_target_that_the_engine_cannot_serve(bench):
    refer(bench, "leg1", CAROLS[0])
    bench.feed(MediaFailed("transfer-offer:leg3", "no free media ports"))
    assert told(bench, "leg1")[-1].startswith("SIP/2.0 503 ")


def test_a_referrer_that_hangs_up_at_once_is_not_needed(bench):
    carol_rings(bench)
    bench.in_dialog("leg1", "BYE")
    assert bench.call.state == "talking" and bench.of(Respond)[0].response.status == 200
    carol_answers(bench)
    assert bench.call.caller_id == "leg3"
    assert not [c for c in bench.all if isinstance(c, SendRequest) and c.leg == "leg1" and c.purpose == "bye"]


def test_a_transfer_that_fails_when_the_referrer_is_gone_ends_the_call(bench):
    carol_rings(bench)
    bench.in_dialog("leg1", "BYE")
    bench.device("leg3", 486, purpose="transfer")
    assert bench.sent("leg2", "BYE") and bench.call.state == "over"


def test_the_kept_side_may_hang_up_meanwhile(bench):
    carol_rings(bench)
    bench.in_dialog("leg2", "BYE")
    assert bench.of(CancelInvite) == [CancelInvite("leg3")]
    assert told(bench, "leg1")[-1] == "SIP/2.0 487 Request Terminated terminated"
    assert bench.sent("leg1", "BYE")
    bench.engine("delete")
    bench.device("leg3", 200, sdp(30), purpose="transfer")
    assert bench.sent("leg3", "BYE"), "its 200 crossed our CANCEL"


# -- the subscription ------------------------------------------------------------------------------


def test_who_wants_no_notify_gets_none(bench):
    refer(bench, "leg1", CAROLS[0], extra=("Refer-Sub: false",))
    assert bench.said().headers.get("Refer-Sub") == "false"  # RFC 4488 4
    bench.engine("transfer-offer:leg3", sdp=sdp(1, 5004))
    carol_answers(bench)
    assert told(bench, "leg1") == [] and bench.call.caller_id == "leg3"


def test_a_referrer_that_knows_no_such_subscription_hears_no_more(bench):
    refer(bench, "leg1", CAROLS[0])
    bench.device("leg1", 481, purpose="notify", method="NOTIFY")
    bench.engine("transfer-offer:leg3", sdp=sdp(1, 5004))
    bench.device("leg3", 180, purpose="transfer")
    assert told(bench, "leg1") == ["SIP/2.0 100 Trying active"]


def test_a_second_subscription_of_a_dialog_has_an_id(bench):
    refer(bench, "leg1", route=UNKNOWN)
    assert bench.sent("leg1", "NOTIFY").headers.get("Event") == "refer"
    refer(bench, "leg1", route=UNKNOWN, cseq=777)
    assert bench.sent("leg1", "NOTIFY").headers.get("Event") == "refer;id=777"  # RFC 3515 2.4.6


def test_one_transfer_at_a_time(bench):
    carol_rings(bench)
    refer(bench, "leg2", CAROLS[1])
    assert bench.said().status == 491


def test_a_page_cannot_be_replaced_in_the_middle_of_a_transfer(bench):
    carol_rings(bench)
    invite = request("INVITE", "201", sdp(55), call_id="call-2", from_tag="new")
    bench.feed(ReplaceIn(("again",), invite, bench.call.caller.flow, Account("200", "", 1, "", ""), "leg1"))
    assert bench.said().status == 491


def test_an_application_has_nobody_to_be_transferred():
    bench = Bench()
    bench.dial(to="*43", route=ToApplication("*43", "Echo test", "echo"))
    bench.engine("terminate", sdp=sdp(1, 6000))
    refer(bench, "leg1", CAROLS[0])
    assert bench.said().status == 603


def test_a_refer_before_the_answer_is_too_early():
    bench = Bench()
    bench.dial(binding())
    refer(bench, "leg1", CAROLS[0])
    assert bench.said().status == 491


def test_an_old_refer_is_refused(bench):
    bench.in_dialog("leg1", "OPTIONS")
    refer(bench, "leg1", CAROLS[0], cseq=2)
    assert bench.said().status == 500


def test_after_a_restart_the_target_is_forgotten_and_the_call_goes_on(bench):
    carol_rings(bench)
    bench.call = Call.from_json(json.loads(json.dumps(bench.call.to_json())), HOUSE)
    assert sorted(bench.call.legs) == ["leg1", "leg2"]
    bench.in_dialog("leg1", "BYE")
    assert bench.sent("leg2", "BYE")


# -- attended --------------------------------------------------------------------------------------


def consultation() -> Bench:
    """Alice has called Carol in another call."""
    other = Bench()
    other.call.id = "c-other"
    other.dial(binding("202", 30), to="202", route=ToExtension(CAROL))
    other.engine("offer:leg2", sdp=sdp(1, 5000))
    other.device("leg2", 200, sdp(30))
    other.engine("answer", sdp=sdp(1, 6000))
    return other


def fetch(bench: Bench, other: Bench, leg: str = "leg2") -> None:
    guest = other.call.legs[leg]
    dialog = bench.call.caller.dialog
    tags = {"call_id": dialog.call_id, "from_tag": dialog.remote_tag, "to_tag": dialog.local_tag}
    message = request(
        "REFER", "x", cseq=bench.next_cseq(), extra=("Refer-To: <sip:202@pbx.test?Replaces=x>",), **tags
    )
    place = (other.call.id, guest.id)
    bench.feed(ReferIn("leg1", ("refer",), message, "202", None, (), guest.handed_over(), place))


def test_the_other_party_of_another_call_is_fetched(bench):
    other = consultation()
    fetch(bench, other)
    adopt = bench.asked("adopt:leg3")
    assert (adopt["other-call-id"], adopt["other-tag"], adopt["from-tag"]) == ("c-other", "leg2", "leg3")
    bench.engine("adopt:leg3")
    assert bench.of(Claim) == [Claim("leg3", "c-other", "leg2")]
    assert bench.asked("attach")["to-tag"] == "leg2" and bench.asked("attach")["from-tag"] == "leg3"
    assert told(bench, "leg1")[-1] == "SIP/2.0 200 OK terminated" and bench.sent("leg1", "BYE")
    other.feed(GivenAway("leg2"))
    assert [c.leg for c in other.of(SendRequest)] == ["leg1"], "only the referrer hears BYE there"
    other.engine("delete")
    assert other.record["cause"] == "transferred"
    bench.in_dialog("leg2", "BYE")
    bye = bench.sent("leg3", "BYE")
    assert bye.call_id == other.call.legs["leg2"].sip_call_id


def test_both_held_parties_talk_to_each_other(bench):
    other = consultation()
    for one, host in ((bench, 20), (other, 30)):
        one.in_dialog("leg1", "INVITE", sdp(direction="sendonly", version=2))
        one.engine("reoffer", sdp=sdp(1, 5000, "sendonly"))
        one.device("leg2", 200, sdp(host, direction="recvonly"), "reinvite")
        one.engine("reanswer", sdp=sdp(1, 6000, "recvonly"))
    fetch(bench, other)
    bench.engine("adopt:leg3")
    bench.engine("reoffer", sdp=sdp(1, 5000))
    bench.device("leg2", 200, sdp(20), "reinvite")
    bench.engine("reanswer", sdp=sdp(1, 5000))
    assert bench.asked("reoffer")["from-tag"] == "leg2", "the other is told too"
    bench.engine("reoffer", sdp=sdp(1, 5000))
    assert b"a=sendrecv" in bench.sent("leg3", "INVITE").body
    bench.device("leg3", 200, sdp(30), "reinvite")
    bench.engine("reanswer", sdp=sdp(1, 5000))
    assert bench.call.exchange is None and not bench.call.owed


def test_a_caller_is_given_away_too(bench):
    other = consultation()
    fetch(bench, other, "leg1")
    bench.engine("adopt:leg3")
    other.feed(GivenAway("leg1"))
    assert other.asked("delete")["from-tag"] == "leg2", "the engine has no leg1 in that call any more"


def test_a_party_that_the_engine_cannot_fetch_stays_where_it_is(bench):
    other = consultation()
    fetch(bench, other)
    bench.feed(MediaFailed("adopt:leg3", "Unknown call-id"))
    assert told(bench, "leg1")[-1].startswith("SIP/2.0 488 ") and "leg3" not in bench.call.legs
    assert bench.call.state == "talking" and not bench.of(Claim)


def test_a_call_that_is_not_there_is_told_by_notify(bench):
    refer(bench, "leg1", route=NO_SUCH_CALL)
    assert told(bench, "leg1")[-1].endswith("terminated") and bench.call.state == "talking"


def test_a_cancelled_reinvite_of_the_past_does_no_harm_to_a_transfer(bench):
    carol_rings(bench)
    bench.feed(Cancelled(request("CANCEL", "x"), "leg1"))
    bench.feed(Timeout("glare"))
    assert bench.call.transfer is not None and not bench.of(AskMedia)


def test_nobody_is_asked_anything_new_while_a_transfer_rings(bench):
    """The offer would be forgotten when the new peer comes, or end the call where the referrer has left."""
    carol_rings(bench)
    bench.in_dialog("leg2", "INVITE", sdp(20, direction="sendonly", version=2))
    assert bench.said().status == 491
    bench.in_dialog("leg1", "BYE")
    bench.in_dialog("leg2", "UPDATE", sdp(20, direction="sendonly", version=2))
    assert bench.said().status == 491
    bench.later(900, "refresh:leg2")
    assert bench.timers() == {"refresh:leg2": 5.0} and bench.call.exchange is None
    carol_answers(bench)
    assert bench.asked("reoffer")["from-tag"] == "leg3" and bench.call.exchange.key is None


@pytest.mark.parametrize(("referrer", "kept"), [("leg1", "leg2"), ("leg2", "leg1")])
def test_a_restart_of_the_edge_lets_go_who_waits_for_a_transfer(bench, referrer, kept):
    carol_rings(bench, referrer)
    bench.in_dialog(referrer, "BYE")
    stored = json.loads(json.dumps(bench.call.to_json()))
    assert [party["extension"] for party in stored["parties"]] == ["201" if kept == "leg2" else "200"]
    bench.call = Call.from_json(stored, HOUSE)
    bench.feed(Restored())
    assert [c.leg for c in bench.of(SendRequest)] == [kept] and bench.sent(kept, "BYE")
    bench.engine("delete")
    assert bench.record["result"] == "answered"
