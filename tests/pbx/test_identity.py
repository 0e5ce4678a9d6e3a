"""Who calls, as the other side is told (RFC 3325, RFC 3323), and why a call ended (RFC 3326)."""

import pytest

from tests.pbx.lab import Bench, binding, request, sdp
from ucplatform.pbx.commands import CancelInvite
from ucplatform.pbx.inputs import Cancelled

CLAIMS = (
    "P-Asserted-Identity: <sip:ceo@pbx.test>",
    "P-Preferred-Identity: <sip:ceo@pbx.test>",
    "Remote-Party-ID: <sip:ceo@pbx.test>",
    "Diversion: <sip:ceo@pbx.test>;reason=unconditional",
    "History-Info: <sip:ceo@pbx.test>;index=1",
    "Referred-By: <sip:ceo@pbx.test>",
)


def ringing(*lines: str) -> Bench:
    bench = Bench()
    bench.dial(binding(), extra=lines)
    bench.engine("offer:leg2", sdp=sdp(1, 5000))
    return bench


def test_the_identity_is_the_accounts_whatever_the_caller_claims():
    invite = ringing(*CLAIMS).sent("leg2", "INVITE")
    assert invite.headers.get("P-Asserted-Identity") == '"Reception" <sip:200@pbx.test>'
    assert b"ceo" not in invite.to_bytes()


@pytest.mark.parametrize("value", ["id", "header;id", "full", "user"])
def test_a_caller_that_hides_is_hidden(value):
    invite = ringing(f"Privacy: {value}").sent("leg2", "INVITE")
    assert "anonymous" in str(invite.from_) and invite.headers.get("Privacy") == "id"
    text = invite.to_bytes()
    assert b"200@" not in text and b"Reception" not in text and "P-Asserted-Identity" not in invite.headers


def test_a_caller_that_hides_stays_hidden_inside_the_call():
    bench = Bench()
    bench.talk(extra=("Privacy: id",))
    bench.in_dialog("leg1", "INVITE", sdp(direction="sendonly", version=2))
    bench.engine("reoffer", sdp=sdp(1, 5000, "sendonly"))
    assert b"200@" not in bench.sent("leg2", "INVITE").to_bytes().split(b"\r\n", 1)[1]


def test_privacy_none_hides_nothing():
    assert ringing("Privacy: none").sent("leg2", "INVITE").from_.uri.username == "200"


def test_the_record_knows_who_hid():
    bench = ringing("Privacy: id")
    bench.device("leg2", 486)
    bench.engine("delete")
    assert bench.record["caller"]["number"] == "200"


def test_why_a_side_hung_up_is_told_to_the_other():
    bench = Bench()
    bench.talk()
    lines = ('Reason: Q.850;cause=16;text="Terminated", SIP;cause=200', "Reason: X-EVIL;cause=1")
    bench.in_dialog("leg2", "BYE", extra=lines)
    reasons = bench.sent("leg1", "BYE").headers.all("Reason")
    assert reasons == ['Q.850;cause=16;text="Terminated"', "SIP;cause=200"]


def test_without_a_reason_ours_is_told():
    bench = Bench()
    bench.talk()
    bench.in_dialog("leg2", "BYE")
    assert bench.sent("leg1", "BYE").headers.get("Reason") == 'SIP;cause=200;text="normal"'


def test_why_a_caller_gave_up_is_told_to_the_devices():
    bench = ringing()
    lines = ('Reason: SIP;cause=200;text="Call completed elsewhere"',)
    bench.feed(Cancelled(request("CANCEL", "201", extra=lines)))
    assert bench.of(CancelInvite) == [
        CancelInvite("leg2", ('SIP;cause=200;text="Call completed elsewhere"',))
    ]
