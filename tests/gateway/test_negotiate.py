"""Codecs of offers and answers: the caller's own first, pass-through wherever it is possible."""

import pytest

from gateway.errors import GatewayError
from gateway.negotiate import Payloads, answer_for, filtered, full_offer, offer_for, own_answer
from ucplatform.sdp import Codec

OPUS = Codec(111, "opus", 48000, 2, "useinbandfec=1")
OPUS96 = Codec(96, "opus", 48000, 2)
G722, PCMU, PCMA = Codec(9, "G722", 8000), Codec(0, "PCMU", 8000), Codec(8, "PCMA", 8000)
G729, RED, CN = Codec(18, "G729", 8000), Codec(63, "red", 48000, 2), Codec(13, "CN", 8000)
KEYS8, KEYS48 = Codec(126, "telephone-event", 8000), Codec(110, "telephone-event", 48000)
CHROME = [OPUS, RED, G722, PCMU, PCMA, CN, KEYS48, KEYS8]


def names(codecs: list[Codec]) -> list[str]:
    return [f"{codec.payload} {codec.name}/{codec.clock}" for codec in codecs]


def test_a_phone_is_offered_the_browsers_codecs_and_no_other() -> None:
    assert names(offer_for("rtp", CHROME, Payloads().number)) == [
        "111 opus/48000", "9 G722/8000", "0 PCMU/8000", "8 PCMA/8000",
        "110 telephone-event/48000", "126 telephone-event/8000",
    ]  # fmt: skip


def test_a_browser_is_offered_opus_behind_what_the_phone_speaks() -> None:
    found = names(offer_for("webrtc", [PCMA, Codec(101, "telephone-event", 8000)], Payloads().number))
    assert found[:3] == ["8 PCMA/8000", "111 opus/48000", "0 PCMU/8000"]
    assert found[3:] == ["101 telephone-event/8000"], "events of the first codec's clock alone"


def test_payload_types_do_not_collide_and_stay() -> None:
    payloads = Payloads()
    crowded = [Codec(111, "speex", 16000), OPUS96, Codec(0, "PCMU", 8000), Codec(101, "iLBC", 8000)]
    first = offer_for("webrtc", crowded, payloads.number)
    assert len({codec.payload for codec in first}) == len(first)
    numbers = {codec.key: codec.payload for codec in first}
    again = offer_for("webrtc", [OPUS, PCMU], payloads.number)
    assert all(numbers[codec.key] == codec.payload for codec in again if codec.key in numbers)


def test_what_we_cannot_transcode_is_passed_alone() -> None:
    assert names(offer_for("rtp", [G729], Payloads().number)) == ["18 G729/8000", "101 telephone-event/8000"]
    with pytest.raises(GatewayError):
        offer_for("rtp", [RED, CN, KEYS8], Payloads().number)


def test_the_answer_has_the_callees_order_and_the_callers_numbers() -> None:
    callee = [PCMA, Codec(120, "opus", 48000, 2, "x=1"), Codec(101, "telephone-event", 8000)]
    assert names(answer_for(CHROME, callee)) == [
        "8 PCMA/8000", "111 opus/48000", "126 telephone-event/8000",
    ]  # fmt: skip
    assert answer_for(CHROME, [Codec(120, "opus", 48000, 2, "x=1")])[0].fmtp == "x=1"


def test_transcoding_only_where_nothing_is_shared() -> None:
    assert names(answer_for([OPUS, KEYS48], [PCMU])) == ["111 opus/48000", "110 telephone-event/48000"]
    assert names(answer_for([G729, OPUS], [PCMU, OPUS96])) == ["111 opus/48000"]
    for caller, callee in (([G729], [PCMU]), ([PCMU], [G729]), ([PCMU], [])):
        with pytest.raises(GatewayError, match="no codec in common"):
            answer_for(caller, callee)


def test_our_own_answers_and_offers() -> None:
    assert names(own_answer(CHROME))[0] == "111 opus/48000"
    assert names(own_answer(CHROME, ["PCMA/8000", "opus"]))[0] == "8 PCMA/8000"
    assert names(own_answer(CHROME, ["G723"]))[0] == "111 opus/48000"
    assert names(full_offer("rtp", Payloads().number))[0] == "0 PCMU/8000"
    assert names(full_offer("webrtc", Payloads().number, ["pcma"]))[0] == "8 PCMA/8000"
    with pytest.raises(GatewayError):
        own_answer([G729])


def test_stripping() -> None:
    assert names(filtered(CHROME[:4], ["opus", "red/48000"])) == ["9 G722/8000", "0 PCMU/8000"]
    assert filtered(CHROME, ["all"]) == []
