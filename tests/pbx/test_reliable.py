"""Reliable provisional responses (RFC 3262) and early media (RFC 3960), towards both sides."""

import pytest

from tests.pbx.lab import Bench, binding, request, sdp
from ucplatform.pbx.commands import AskMedia, Respond, SendRequest
from ucplatform.pbx.inputs import AckIn, MediaFailed, PrackMissing
from ucplatform.sip import fields


def reliable(number: int = 1) -> tuple[tuple[str, str], ...]:
    return (("Require", "100rel"), ("RSeq", str(number)))


def ringing(*lines: str, **more) -> Bench:
    bench = Bench()
    bench.dial(binding(), extra=lines, **more)
    bench.engine("offer:leg2", sdp=sdp(1, 5000))
    return bench


def test_a_reliable_response_of_a_device_gets_its_prack():
    bench = ringing()
    assert "100rel" in bench.sent("leg2", "INVITE").supported
    bench.device("leg2", 180, headers=reliable(7))
    prack = bench.sent("leg2", "PRACK")
    assert str(fields.rack(prack)) == "7 1 INVITE" and prack.cseq.number == 2
    assert prack.to_tag == "leg2-tag" and bench.answers() == [180]


def test_what_follows_in_the_dialog_counts_on_from_the_prack():
    bench = ringing()
    bench.device("leg2", 180, headers=reliable(7))
    bench.device("leg2", 200, method="PRACK", purpose="prack")
    bench.device("leg2", 200, sdp(20))
    bench.engine("answer", sdp=sdp(1, 6000))
    bench.in_dialog("leg1", "BYE")
    assert bench.sent("leg2", "BYE").cseq.number == 3


def test_an_answer_in_a_reliable_response_is_the_answer():
    bench = ringing()
    bench.device("leg2", 183, sdp(20), headers=reliable())
    bench.engine("early:leg2", sdp=sdp(1, 6000))
    bench.device("leg2", 200)
    assert bench.answers() == [183, 200] and bench.call.state == "talking"


def test_of_several_forks_of_a_device_the_newest_is_heard_and_the_winner_counts():
    bench = ringing()
    bench.device("leg2", 183, sdp(20), tag="one", headers=reliable(1))
    bench.engine("early:leg2", sdp=sdp(1, 6000))
    bench.device("leg2", 183, sdp(21), tag="two", headers=reliable(1))
    assert bench.asked("early:leg2")["sdp"] == sdp(21)
    assert [c.request.to_tag for c in bench.all if isinstance(c, SendRequest)][1:] == ["one", "two"]
    bench.engine("early:leg2", sdp=sdp(1, 6000))
    assert bench.answers() == [183], "the caller's description did not change"
    bench.device("leg2", 200, tag="one")
    assert bench.asked("answer")["sdp"] == sdp(20)
    assert bench.call.callee.dialog.remote_tag == "one"


def test_a_caller_that_requires_it_gets_everything_reliably():
    bench = ringing("Require: 100rel")
    bench.device("leg2", 180)
    assert bench.said().status == 180 and bench.said().require == ["100rel"]
    bench.in_dialog("leg1", "PRACK", extra=("RAck: 1 1 INVITE",))
    assert bench.said().status == 200 and bench.call.state == "ringing"


def test_a_caller_that_supports_it_gets_early_media_reliably_and_no_second_answer():
    bench = ringing("Supported: 100rel")
    bench.device("leg2", 180)
    assert not bench.said().require, "nothing is lost with a 180"
    bench.device("leg2", 183, sdp(20))
    bench.engine("early:leg2", sdp=sdp(1, 6000))
    assert bench.said().status == 183 and bench.said().require == ["100rel"] and bench.said().body
    bench.device("leg2", 200, sdp(20))
    assert bench.said().status == 200 and not bench.said().body  # RFC 3261 13.2.1: it has its answer


def test_a_promise_that_the_answer_changes_is_followed_by_a_reinvite():
    bench = ringing("Supported: 100rel")
    bench.device("leg2", 183, sdp(20))
    bench.engine("early:leg2", sdp=sdp(1, 6000))
    bench.device("leg2", 200, sdp(20, 4040, direction="recvonly"))
    bench.engine("answer", sdp=sdp(1, 6000, "recvonly"))
    assert bench.said().status == 200 and not bench.said().body
    bench.feed(AckIn("leg1", request("ACK", "x")))
    assert bench.asked("reoffer")["from-tag"] == "leg2"
    bench.engine("reoffer", sdp=sdp(1, 6000, "recvonly"))
    assert b"a=recvonly" in bench.sent("leg1", "INVITE").body


def test_early_media_from_two_devices_reaches_nobody():
    bench = Bench()
    bench.dial(binding(host=20), binding(host=21))
    bench.engine("offer:leg2", sdp=sdp(1, 5000))
    bench.engine("offer:leg3", sdp=sdp(1, 5002))
    bench.device("leg2", 183, sdp(20))
    assert bench.answers() == [180] and not bench.of(AskMedia)


def test_a_caller_that_requires_it_but_offers_nothing_hears_only_the_answer():
    bench = Bench()
    bench.dial(binding(), body="", extra=("Require: 100rel",))
    bench.device("leg2", 180)
    assert bench.answers() == [], "the first reliable response would need an offer (RFC 3262 5)"
    bench.device("leg2", 200, sdp(20))
    bench.engine("counter", sdp=sdp(1, 6000))
    assert bench.answers() == [200]


def test_a_call_whose_ringing_is_never_confirmed_ends():
    bench = ringing("Require: 100rel")
    bench.device("leg2", 180)
    bench.feed(PrackMissing("leg1"))
    assert bench.said().status == 504 and bench.call.outcome.cause == "no_prack"


def test_a_call_ends_whose_answer_waited_for_a_prack_that_never_came():
    bench = ringing("Supported: 100rel")
    bench.device("leg2", 183, sdp(20))
    bench.engine("early:leg2", sdp=sdp(1, 6000))
    bench.device("leg2", 200, sdp(20))
    assert bench.call.state == "talking" and bench.call.promised
    bench.feed(PrackMissing("leg1"))
    assert [c.leg for c in bench.of(SendRequest)] == ["leg2"], "the caller's INVITE has been rejected"
    bench.engine("delete")
    assert bench.record["cause"] == "no_prack"


def answered_early() -> Bench:
    bench = ringing("Require: 100rel")
    bench.device("leg2", 183, sdp(20))
    bench.engine("early:leg2", sdp=sdp(1, 6000))
    return bench


@pytest.mark.parametrize("method", ["PRACK", "UPDATE"])
def test_a_caller_that_has_its_answer_may_offer_anew(method):
    bench = answered_early()
    bench.in_dialog("leg1", method, sdp(10, 4400, version=2))
    assert bench.asked("early-offer")["sdp"] == sdp(10, 4400, version=2)
    bench.engine("early-offer", sdp=sdp(1, 5000))
    assert bench.asked("early-answer")["sdp"] == sdp(20)
    bench.engine("early-answer", sdp=sdp(1, 6000))
    assert bench.said().status == 200 and b"m=audio 6000" in bench.said().body
    assert bench.call.state == "ringing" and bench.call.exchange is None
    bench.device("leg2", 200, sdp(20))
    assert bench.call.state == "talking"


def test_an_early_offer_for_which_the_device_would_have_to_change_is_refused():
    bench = answered_early()
    bench.in_dialog("leg1", "UPDATE", sdp(direction="sendonly", version=2))
    bench.engine("early-offer", sdp=sdp(1, 5000, "sendonly"))
    assert bench.said().status == 488 and bench.asked("restore")
    assert bench.call.caller.session.received == sdp() and bench.call.state == "ringing"


def test_a_second_early_offer_comes_too_early():
    bench = answered_early()
    bench.in_dialog("leg1", "UPDATE", sdp(10, 4400, version=2))
    bench.in_dialog("leg1", "UPDATE", sdp(10, 4402, version=3))
    assert bench.said().status == 500 and "Retry-After" in bench.said().headers


def test_an_early_offer_whose_answer_comes_behind_the_200_is_answered_all_the_same():
    bench = answered_early()
    bench.in_dialog("leg1", "UPDATE", sdp(10, 4400, version=2))
    bench.engine("early-offer", sdp=sdp(1, 5000))
    bench.device("leg2", 200, sdp(20))
    bench.engine("early-answer", sdp=sdp(1, 6000))
    assert bench.call.state == "talking" and bench.call.exchange is None
    assert (bench.said().status, bench.said().method) == (200, "UPDATE")


def test_an_offer_in_a_prack_before_there_is_an_answer_is_too_early():
    bench = ringing("Require: 100rel")
    bench.device("leg2", 180)
    bench.in_dialog("leg1", "PRACK", sdp(version=2))
    assert bench.said().status == 500 and bench.call.state == "ringing"


def test_early_media_that_the_engine_refuses_rings_reliably_too():
    bench = ringing("Require: 100rel")
    bench.device("leg2", 183, sdp(20))
    bench.feed(MediaFailed("early:leg2", "no"))
    assert bench.said().status == 180 and bench.said().require == ["100rel"]


@pytest.mark.parametrize("status", [486, 603])
def test_a_refusal_behind_reliable_ringing_is_told(status):
    bench = ringing("Require: 100rel")
    bench.device("leg2", 180, headers=reliable())
    bench.device("leg2", status)
    assert bench.of(Respond)[0].response.status == status
