"""Devices that send a call on by 3xx (RFC 3261 8.1.3.4), and the trail that they leave (RFC 7044)."""

import pytest

from tests.pbx.lab import Bench, binding, sdp
from ucplatform.pbx.commands import FindNumber
from ucplatform.pbx.inputs import NumberFound, Reply
from ucplatform.pbx.ports import Account
from ucplatform.pbx.routing import UNKNOWN, ToExtension
from ucplatform.sip.message import make_response

CAROL = Account("202", "Store", 3, "", "")
DAVE = Account("203", "Lab", 4, "", "")


def ringing(*devices, **more) -> Bench:
    bench = Bench()
    bench.dial(*(devices or (binding(),)), **more)
    for leg in [leg.id for leg in bench.call.devices]:
        bench.engine(f"offer:{leg}", sdp=sdp(1, 5000))
    return bench


def moved(bench: Bench, leg: str, to: str, status: int = 302) -> None:
    answer = make_response(bench.sent(leg, "INVITE"), status, to_tag="t", headers=(("Contact", to),))
    bench.feed(Reply(leg, "invite", answer))


def test_a_device_that_sends_the_call_to_an_extension_is_followed():
    bench = ringing()
    moved(bench, "leg2", "<sip:202@pbx.test>")
    assert bench.of(FindNumber) == [FindNumber("leg2", "202")] and bench.answers() == []
    bench.feed(NumberFound("leg2", ToExtension(CAROL), (binding("202", 30),)))
    bench.engine("offer:leg3", sdp=sdp(1, 5004))
    invite = bench.sent("leg3", "INVITE")
    assert invite.from_.uri.username == "200", "the caller stays the caller"
    assert invite.headers.all("History-Info") == [
        "<sip:201@pbx.test?Reason=SIP%3Bcause%3D302>;index=1",
        "<sip:202@pbx.test>;index=1.1;mp=1",
    ]
    assert invite.headers.all("Diversion") == ["<sip:201@pbx.test>;reason=deflection;counter=1"]
    bench.device("leg3", 200, sdp(30))
    bench.engine("answer", sdp=sdp(1, 6000))
    assert bench.call.state == "talking"
    bench.in_dialog("leg1", "BYE")
    bench.engine("delete")
    assert (bench.record["dialled"], bench.record["callee"]["number"]) == ("201", "202")


def test_the_newest_diversion_stands_first():
    bench = ringing()
    moved(bench, "leg2", "<sip:202@192.0.2.1>")
    bench.feed(NumberFound("leg2", ToExtension(CAROL), (binding("202", 30),)))
    bench.engine("offer:leg3", sdp=sdp(1, 5004))
    moved(bench, "leg3", "<sip:203@pbx.test>", 301)
    bench.feed(NumberFound("leg3", ToExtension(DAVE), (binding("203", 40),)))
    bench.engine("offer:leg4", sdp=sdp(1, 5006))
    invite = bench.sent("leg4", "INVITE")
    assert [line[5:8] for line in invite.headers.all("Diversion")] == ["202", "201"]
    assert [line.partition("index=")[2] for line in invite.headers.all("History-Info")] == [
        "1",
        "1.1",
        "1.1.1;mp=1.1",
    ]


@pytest.mark.parametrize(
    "to",
    [
        "<sip:202@elsewhere.test>",
        "<sip:200@pbx.test>",
        "<sip:201@pbx.test>",
        "<tel:+49900>",
        "<sip:pbx.test>",
    ],
)
def test_what_is_not_ours_or_was_asked_already_is_not_followed(to):
    bench = ringing()
    moved(bench, "leg2", to)
    assert not bench.of(FindNumber) and bench.answers() == [480]


def test_a_number_that_nobody_has_is_a_failure():
    bench = ringing()
    moved(bench, "leg2", "<sip:999@pbx.test>")
    bench.feed(NumberFound("leg2", UNKNOWN, ()))
    assert bench.answers() == [480]


def test_the_others_ring_on_while_one_is_sent_on():
    bench = ringing(binding(host=20), binding(host=21))
    moved(bench, "leg2", "<sip:999@pbx.test>")
    bench.feed(NumberFound("leg2", UNKNOWN, ()))
    assert bench.call.state == "ringing" and bench.answers() == []
    bench.device("leg3", 200, sdp(21))
    bench.engine("answer", sdp=sdp(1, 6000))
    assert bench.answers() == [200]


def test_a_call_is_not_sent_on_for_ever():
    bench = ringing()
    for step in range(5):
        moved(bench, f"leg{step + 2}", f"<sip:{300 + step}@pbx.test>")
        account = Account(str(300 + step), "", None, "", "")
        bench.feed(NumberFound(f"leg{step + 2}", ToExtension(account), (binding(account.number, 50 + step),)))
        bench.engine(f"offer:leg{step + 3}", sdp=sdp(1, 5000))
    moved(bench, "leg7", "<sip:399@pbx.test>")
    assert not bench.of(FindNumber) and bench.answers() == [480]
