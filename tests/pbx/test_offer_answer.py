"""Offers and answers in every position (RFC 3264, RFC 6337): UPDATE, our own offers, glare, CANCEL."""

from dataclasses import replace

import pytest

from tests.pbx.lab import HOUSE, Bench, binding, request, sdp
from ucplatform.pbx.commands import Acknowledge, AskMedia, CancelInvite, Respond, SendRequest
from ucplatform.pbx.inputs import AckIn, AckMissing, Cancelled, InDialog, MediaFailed, Timeout
from ucplatform.pbx.routing import ToApplication
from ucplatform.sip.message import Request

UPDATES = (("Allow", "INVITE, ACK, BYE, CANCEL, UPDATE"),)


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.talk()
    return bench


def ack(bench: Bench, leg: str, body: str = "") -> None:
    dialog = bench.call.legs[leg].dialog
    tags = {"call_id": dialog.call_id, "from_tag": dialog.remote_tag, "to_tag": dialog.local_tag}
    bench.feed(AckIn(leg, request("ACK", "x", body, **tags)))


def hold(bench: Bench, method: str = "INVITE") -> None:
    bench.in_dialog("leg1", method, sdp(direction="sendonly", version=2))
    bench.engine("reoffer", sdp=sdp(1, 5000, "sendonly"))


# -- UPDATE (RFC 3311) -----------------------------------------------------------------------------


def test_an_update_with_an_offer_goes_through_as_an_update():
    bench = Bench()
    bench.talk(headers=UPDATES)
    hold(bench, "UPDATE")
    update = bench.sent("leg2", "UPDATE")
    assert b"a=sendonly" in update.body and "timer" in update.supported and "Allow" in update.headers
    bench.device("leg2", 200, sdp(20, direction="recvonly"), "reinvite", method="UPDATE")
    bench.engine("reanswer", sdp=sdp(1, 6000, "recvonly"))
    answer = bench.said()
    assert answer.status == 200 and b"a=recvonly" in answer.body and answer.contact  # 3311 5.2
    assert not bench.of(Acknowledge), "an UPDATE has no ACK"
    assert bench.call.caller.held


def test_an_update_reaches_a_side_that_knows_none_as_a_reinvite(bench):
    hold(bench, "UPDATE")
    assert b"a=sendonly" in bench.sent("leg2", "INVITE").body


def test_a_side_that_refuses_update_is_asked_by_reinvite():
    bench = Bench()
    bench.talk(headers=UPDATES)
    hold(bench, "UPDATE")
    bench.device("leg2", 405, purpose="reinvite", method="UPDATE")
    assert b"a=sendonly" in bench.sent("leg2", "INVITE").body


def test_an_update_without_an_offer_refreshes_the_target_also_during_an_exchange(bench):
    hold(bench)
    moved = ("Contact: <sip:200@192.0.2.77>",)
    dialog = bench.call.caller.dialog
    message = request(
        "UPDATE", "x", call_id="call-1", from_tag="a-tag", to_tag=dialog.local_tag, cseq=900, extra=moved
    )
    message.headers.set("Contact", "<sip:200@192.0.2.77>")
    bench.feed(InDialog("leg1", ("u",), message))
    assert bench.said().status == 200
    assert bench.call.caller.dialog.remote_target == "sip:200@192.0.2.77"


def test_an_update_before_the_first_answer_comes_too_early():
    bench = Bench(replace(HOUSE, pick=lambda limit: limit - 1))
    bench.dial(binding())
    bench.in_dialog("leg1", "UPDATE", sdp(version=2))
    answer = bench.said()
    assert (answer.status, answer.headers.get("Retry-After")) == (500, "10")  # 3311 5.2


def test_who_would_not_read_our_description_gets_none(bench):
    bench.in_dialog("leg1", "INVITE", extra=("Accept: application/x-private",))
    assert bench.said().status == 406 and bench.call.exchange is None


# -- an offer of ours, answered in the ACK ---------------------------------------------------------


def test_a_reinvite_without_an_offer_gets_ours_and_the_ack_brings_the_answer(bench):
    bench.in_dialog("leg1", "INVITE")
    assert bench.said().status == 200 and b"m=audio 6000" in bench.said().body
    ack(bench, "leg1", sdp(10, 4400, version=2))
    assert bench.asked("reoffer")["sdp"] == sdp(10, 4400, version=2)
    bench.engine("reoffer", sdp=sdp(1, 5000))
    assert bench.asked("reanswer")["from-tag"] == "leg1", "the other side did not change: nobody is asked"
    bench.engine("reanswer", sdp=sdp(1, 6000))
    assert bench.call.exchange is None and not bench.of(Respond)


def test_an_answer_in_the_ack_that_says_nothing_new_ends_it(bench):
    bench.in_dialog("leg1", "INVITE")
    ack(bench, "leg1", sdp(version=9))
    assert bench.call.exchange is None and not bench.of(AskMedia)


def test_a_side_that_held_is_offered_to_talk_again(bench):
    hold(bench)
    bench.device("leg2", 200, sdp(20, direction="recvonly"), "reinvite")
    bench.engine("reanswer", sdp=sdp(1, 6000, "recvonly"))
    bench.in_dialog("leg1", "INVITE")
    assert b"a=sendrecv" in bench.said().body  # 6337 5.3
    ack(bench, "leg1", sdp(version=3))
    bench.engine("reoffer", sdp=sdp(1, 5000))
    assert b"a=sendrecv" in bench.sent("leg2", "INVITE").body and not bench.call.caller.held


def test_our_offer_lasts_until_the_ack_and_the_other_side_waits(bench):
    bench.in_dialog("leg1", "INVITE")
    bench.in_dialog("leg2", "INVITE", sdp(20, direction="sendonly", version=2))
    assert bench.said().status == 491
    ack(bench, "leg1", sdp())
    bench.in_dialog("leg2", "INVITE", sdp(20, direction="sendonly", version=2))
    assert bench.asked("reoffer")["from-tag"] == "leg2"


def test_an_unanswered_offer_of_ours_ends_the_call(bench):
    bench.in_dialog("leg1", "INVITE")
    bench.feed(AckMissing("leg1"))
    assert {c.leg for c in bench.of(SendRequest)} == {"leg1", "leg2"}  # 3261 14.2


# -- a call whose INVITE offers nothing ------------------------------------------------------------


def delayed() -> Bench:
    bench = Bench()
    bench.dial(binding(host=20), binding(host=21), body="")
    return bench


def test_a_caller_without_an_offer_is_offered_what_the_device_offers():
    bench = delayed()
    invite = bench.sent("leg2", "INVITE")
    assert not invite.body and "100rel" not in invite.supported and not bench.of(AskMedia)
    bench.device("leg2", 180)
    bench.device("leg2", 200, sdp(20))
    assert bench.of(CancelInvite) == [CancelInvite("leg3")] and not bench.of(Acknowledge)
    assert bench.asked("counter")["from-tag"] == "leg2" and bench.asked("counter")["via-branch"] == "leg1"
    bench.engine("counter", sdp=sdp(1, 6000))
    assert bench.answers() == [180, 200] and b"m=audio 6000" in bench.said().body
    ack(bench, "leg1", sdp(10))
    assert bench.asked("settle")["from-tag"] == "leg2" and bench.asked("settle")["sdp"] == sdp(10)
    bench.engine("settle", sdp=sdp(1, 5000))
    answer: Request = bench.of(Acknowledge)[0].request
    assert answer.method == "ACK" and b"m=audio 5000" in answer.body and answer.content_type
    hold(bench)
    assert b"a=sendonly" in bench.sent("leg2", "INVITE").body


def test_a_caller_that_never_answers_our_offer_ends_both_sides():
    bench = delayed()
    bench.device("leg2", 200, sdp(20))
    bench.engine("counter", sdp=sdp(1, 6000))
    ack(bench, "leg1")
    assert [c.leg for c in bench.of(Acknowledge)] == ["leg2"], "without an ACK it may not be told BYE"
    assert [c.request.method for c in bench.of(SendRequest)] == ["BYE", "BYE"]


def test_an_engine_that_refuses_the_late_answer_ends_the_call():
    bench = delayed()
    bench.device("leg2", 200, sdp(20))
    bench.engine("counter", sdp=sdp(1, 6000))
    ack(bench, "leg1", sdp(10))
    bench.feed(MediaFailed("settle", "no codec in common"))
    assert [c.leg for c in bench.of(Acknowledge)] == ["leg2"]
    bench.engine("delete")
    assert bench.record["cause"] == "no_common_codec"


def test_an_application_offers_too():
    bench = Bench()
    bench.dial(to="*43", route=ToApplication("*43", "Echo test", "echo"), body="")
    assert "sdp" not in bench.asked("terminate")
    bench.engine("terminate", sdp=sdp(1, 6000))
    assert bench.answers() == [200]
    ack(bench, "leg1", sdp(10))
    assert bench.asked("accept")["sdp"] == sdp(10)


# -- glare and order (RFC 3261 14) -----------------------------------------------------------------


def test_a_second_offer_of_the_same_side_is_told_when_to_come_again():
    bench = Bench(replace(HOUSE, pick=lambda limit: 7))
    bench.talk()
    hold(bench)
    bench.in_dialog("leg1", "INVITE", sdp(version=3))
    assert (bench.said().status, bench.said().headers.get("Retry-After")) == (500, "7")


def test_an_offer_that_meets_ours_is_491(bench):
    hold(bench)
    bench.in_dialog("leg2", "UPDATE", sdp(20, direction="sendonly", version=2))
    assert bench.said().status == 491


def test_the_glare_of_the_peer_is_passed_on_to_who_asked(bench):
    hold(bench)
    bench.device("leg2", 491, purpose="reinvite")
    assert bench.said().status == 491 and bench.call.exchange is None


@pytest.mark.parametrize(("chance", "seconds"), [(0, 2.1), (190, 4.0)])
def test_an_offer_of_our_own_stands_back_after_a_491_and_comes_again(chance, seconds):
    bench = Bench(replace(HOUSE, pick=lambda limit: chance))
    bench.talk()
    ours_goes_out(bench)
    bench.device("leg2", 491, purpose="reinvite")
    assert bench.timers() == {"glare": seconds}, "we own the Call-ID towards leg2"
    first = bench.sent("leg2", "INVITE")
    bench.feed(Timeout("glare"))
    again = bench.sent("leg2", "INVITE")
    assert again.cseq.number == first.cseq.number + 1 and again.body == first.body


def test_who_does_not_own_the_call_id_comes_again_sooner():
    bench = Bench(replace(HOUSE, pick=lambda limit: limit - 1))
    bench.talk()
    ours_goes_out(bench, "leg2", 20)
    bench.device("leg1", 491, purpose="reinvite")
    assert bench.timers() == {"glare": 2.0}


def test_the_peers_offer_goes_first_while_ours_stands_back(bench):
    ours_goes_out(bench)
    bench.device("leg2", 491, purpose="reinvite")
    bench.in_dialog("leg2", "INVITE", sdp(20, 4040, version=2))
    bench.engine("reoffer", sdp=sdp(1, 6000))
    bench.engine("reanswer", sdp=sdp(1, 5000))
    assert bench.said().status == 200
    assert bench.asked("reoffer")["from-tag"] == "leg1", "then what leg1 said goes on"


def ours_goes_out(bench: Bench, leg: str = "leg1", host: int = 10) -> None:
    """`leg` answers an offer of ours with something new, which its peer must be told."""
    bench.in_dialog(leg, "INVITE")
    ack(bench, leg, sdp(host, 4400, version=2))
    bench.engine("reoffer", sdp=sdp(1, 5500))


# -- second thoughts -------------------------------------------------------------------------------


def test_a_cancelled_reinvite_is_withdrawn_and_all_is_as_before(bench):
    before = bench.call.caller.session.received
    hold(bench)
    bench.feed(Cancelled(request("CANCEL", "x"), "leg1"))
    assert bench.said().status == 487 and bench.of(CancelInvite) == [CancelInvite("leg2")]
    bench.device("leg2", 487, purpose="reinvite")
    assert bench.asked("restore") and bench.call.exchange is None
    assert bench.call.caller.session.received == before and not bench.call.caller.held
    assert bench.call.state == "talking"


def test_a_200_that_crosses_the_cancel_of_a_reinvite_is_taken_back(bench):
    hold(bench)
    bench.feed(Cancelled(request("CANCEL", "x"), "leg1"))
    bench.device("leg2", 200, sdp(20, direction="recvonly"), "reinvite")
    assert [c.leg for c in bench.of(Acknowledge)] == ["leg2"]
    bench.engine("reoffer", sdp=sdp(1, 5000))
    assert b"a=sendrecv" in bench.sent("leg2", "INVITE").body
    bench.device("leg2", 200, sdp(20), "reinvite")
    bench.engine("reanswer", sdp=sdp(1, 6000))
    assert bench.call.exchange is None and bench.answers().count(487) == 1


def test_a_reinvite_cancelled_while_the_engine_is_asked_reaches_nobody(bench):
    bench.in_dialog("leg1", "INVITE", sdp(direction="sendonly", version=2))
    bench.feed(Cancelled(request("CANCEL", "x"), "leg1"))
    bench.engine("reoffer", sdp=sdp(1, 5000, "sendonly"))
    assert not bench.of(SendRequest) and bench.asked("restore") and bench.call.exchange is None


def test_a_cancel_that_comes_when_the_peer_has_agreed_is_too_late(bench):
    hold(bench)
    bench.device("leg2", 200, sdp(20, direction="recvonly"), "reinvite")
    bench.feed(Cancelled(request("CANCEL", "x"), "leg1"))
    bench.engine("reanswer", sdp=sdp(1, 6000, "recvonly"))
    assert bench.said().status == 200 and bench.call.caller.held


def test_a_bye_that_crosses_a_reinvite_answers_both(bench):
    hold(bench)
    bench.in_dialog("leg2", "BYE")
    assert [c.response.status for c in bench.of(Respond)] == [200, 487]  # 3261 15.1.2
    assert bench.sent("leg1", "BYE")
    bench.device("leg2", 200, sdp(20), "reinvite")
    assert [c.leg for c in bench.of(Acknowledge)] == ["leg2"], "its 2xx wants an ACK all the same"


def test_a_bye_of_the_one_who_asked_ends_the_call(bench):
    hold(bench)
    bench.in_dialog("leg1", "BYE")
    assert sorted(c.response.status for c in bench.of(Respond)) == [200, 487]
    assert bench.sent("leg2", "BYE")


def test_a_bye_on_the_early_dialog_ends_the_call_as_a_cancel_would():
    bench = Bench()
    bench.dial(binding())
    bench.engine("offer:leg2", sdp=sdp(1, 5000))
    bench.device("leg2", 180)
    bench.in_dialog("leg1", "BYE")
    assert [c.response.status for c in bench.of(Respond)] == [200, 487]  # 3261 15
    assert bench.of(CancelInvite) == [CancelInvite("leg2")]


def test_a_bye_right_behind_the_200_ends_the_call_once_the_caller_has_its_answer():
    bench = Bench()
    bench.dial(binding())
    bench.engine("offer:leg2", sdp=sdp(1, 5000))
    bench.device("leg2", 200, sdp(20))
    bench.in_dialog("leg2", "BYE")
    bench.engine("answer", sdp=sdp(1, 6000))
    assert bench.answers() == [200, 200] and not bench.of(SendRequest), "no BYE before the ACK (3261 15)"
    ack(bench, "leg1")
    assert [c.leg for c in bench.of(SendRequest)] == ["leg1"]
    bench.engine("delete")
    assert (bench.record["result"], bench.record["hung_up_by"]) == ("answered", "callee")
