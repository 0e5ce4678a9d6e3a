"""Which telephones are spoken to by SRTP (RFC 4568): by what they offer, and what their numbers ask for."""

from dataclasses import replace

import pytest

from tests.pbx.lab import HOUSE, Bench, binding, page_flow, sdp
from ucplatform.pbx.call import Call
from ucplatform.pbx.commands import Note
from ucplatform.pbx.ports import SRTP_OFF, SRTP_PREFERRED, SRTP_REQUIRED

KEY = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n"


def secure(host: int = 10) -> str:
    return sdp(host).replace("RTP/AVP", "RTP/SAVP") + KEY


def bench(**rules: str) -> Bench:
    """Rules by number, `n201="required"`."""
    house = replace(HOUSE, srtp=lambda number: rules.get(f"n{number}", SRTP_OFF))
    return Bench(house)


def proto(one: Bench, ref: str) -> tuple[str, object]:
    asked = one.asked(ref)
    return asked["transport-protocol"], asked.get("SDES")


@pytest.mark.parametrize(
    ("rule", "offered"),
    [
        (SRTP_OFF, ("RTP/AVP", ["off"])),
        (SRTP_PREFERRED, ("RTP/SAVP", None)),
        (SRTP_REQUIRED, ("RTP/SAVP", None)),
    ],
)
def test_a_telephone_is_offered_what_its_number_asks_for(rule: str, offered: tuple[str, object]):
    one = bench(n201=rule)
    one.dial(binding())
    assert proto(one, "offer:leg2") == offered


def test_a_browser_is_never_asked():
    one = bench(n201=SRTP_REQUIRED, n200=SRTP_REQUIRED)
    one.dial(binding(flow=page_flow("p1")), flow=page_flow("p2"))
    assert proto(one, "offer:leg2") == ("UDP/TLS/RTP/SAVPF", ["off"])


@pytest.mark.parametrize("rule", [SRTP_OFF, SRTP_PREFERRED, SRTP_REQUIRED])
def test_who_offers_srtp_is_answered_with_srtp(rule: str):
    one = bench(n200=rule)
    one.dial(binding(), body=secure())
    one.engine("offer:leg2", sdp=sdp(1, 5000))
    one.device("leg2", 200, sdp(20))
    assert proto(one, "answer") == ("RTP/SAVP", None)
    one.engine("answer", sdp=secure(1))
    assert one.call.state == "talking"
    again = Call.from_json(one.call.to_json(), one.call.house)
    assert (again.legs["leg1"].srtp, again.legs["leg2"].srtp) == (True, False)


def test_a_caller_in_the_clear_is_refused_where_its_number_demands_srtp():
    one = bench(n200=SRTP_REQUIRED)
    one.dial(binding())
    answer = one.said()
    assert answer.status == 488 and "encrypted sound" in (answer.headers.get("Warning") or "")
    assert (one.record["result"], one.record["cause"]) == ("failed", "srtp_required")
    assert not one.call.devices


def test_a_telephone_that_takes_no_srtp_fails_the_call_where_its_number_demands_it():
    one = bench(n201=SRTP_REQUIRED)
    one.dial(binding(), flow=page_flow("p"))
    one.engine("offer:leg2", sdp=secure(1))
    one.device("leg2", 488)
    one.engine("delete")
    answer = one.said()
    assert answer.status == 488 and answer.headers.get("X-UC-Cause") == "srtp_refused"
    assert one.record["cause"] == "srtp_refused"


def test_it_is_asked_again_in_the_clear_where_its_number_only_prefers_it():
    one = bench(n201=SRTP_PREFERRED)
    one.dial(binding())
    one.engine("offer:leg2", sdp=secure(1))
    one.device("leg2", 488)
    assert one.of(Note) == [Note("srtp-refused", "leg2", {"status": 488})]
    assert one.answers() == [] and one.asked("drop:leg2")
    assert proto(one, "offer:leg3") == ("RTP/AVP", ["off"])
    one.engine("drop:leg2")
    one.engine("offer:leg3", sdp=sdp(1, 5002))
    one.device("leg3", 200, sdp(20))
    one.engine("answer", sdp=sdp(1, 6000))
    assert one.call.state == "talking"


def test_a_telephone_that_is_busy_is_not_asked_again():
    one = bench(n201=SRTP_PREFERRED)
    one.dial(binding())
    one.engine("offer:leg2", sdp=secure(1))
    one.device("leg2", 486)
    assert len(one.call.devices) == 1 and one.said().status == 486


def test_who_leaves_the_offer_to_us_is_held_to_the_rule_by_its_own_answer():
    """Neither INVITE has an offer (RFC 3261 13.2.1): the telephone's comes in its 200."""
    one = bench(n201=SRTP_REQUIRED, n200=SRTP_PREFERRED)
    one.dial(binding(), body="")
    one.device("leg2", 200, sdp(20))
    assert one.sent("leg2", "BYE") and one.record["cause"] == "srtp_refused"
    other = bench(n201=SRTP_REQUIRED, n200=SRTP_PREFERRED)
    other.dial(binding(), body="")
    other.device("leg2", 200, secure(20))
    assert proto(other, "counter") == ("RTP/SAVP", None)


@pytest.mark.parametrize("rule", [SRTP_PREFERRED, SRTP_REQUIRED])
def test_who_was_offered_nothing_has_refused_no_srtp(rule: str):
    one = bench(n201=rule)
    one.dial(binding(), body="")
    one.device("leg2", 488)
    assert len(one.call.devices) == 1 and one.said().status == 488
    assert one.record["cause"] == "no_common_codec"


def test_what_it_said_while_it_rang_is_forgotten_when_it_is_asked_again():
    one = bench(n201=SRTP_PREFERRED)
    one.dial(binding())
    one.engine("offer:leg2", sdp=secure(1))
    one.device("leg2", 180)
    one.device("leg2", 488)
    again = one.call.legs["leg3"]
    assert (again.remote_tag, again.dialog, again.early) == ("", None, {})
