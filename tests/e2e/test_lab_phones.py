"""Two real phones call each other without us: what the lab reports is what happened."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.baresip import Account, Baresip
from tests.ports import PortBlock


@pytest.fixture
def phones(tmp_path: Path, ports: PortBlock) -> Iterator[tuple[Baresip, Baresip]]:
    with (
        Baresip(tmp_path / "anna", ports, Account("anna")) as anna,
        Baresip(tmp_path / "bert", ports, Account("bert"), frequency=1000) as bert,
    ):
        yield anna, bert


def test_both_hear_each_other_through_hold_and_resume(phones: tuple[Baresip, Baresip]):
    anna, bert = phones
    anna.dial(bert.uri)
    bert.wait_ringing()
    bert.answer()
    anna.wait_talking()
    bert.wait_hears(440)
    anna.wait_hears(1000)
    anna.hold()
    bert.wait_hears_no(440)
    anna.wait_hears_no(1000)
    anna.resume()
    bert.wait_hears(440)
    anna.wait_hears(1000)
    anna.command("sndcode", "5")
    bert.wait_event("CALL_DTMF_START", param="5")
    anna.hang_up()
    bert.wait_ended()


def test_a_call_that_is_declined(phones: tuple[Baresip, Baresip]):
    anna, bert = phones
    anna.dial(bert.uri)
    bert.wait_ringing()
    bert.hang_up()
    assert "486" in anna.wait_ended()["param"]


@pytest.mark.parametrize("codecs", ["opus/48000/2", "pcma", "g722"])
def test_every_codec_carries_the_tone(tmp_path: Path, ports: PortBlock, codecs: str):
    with (
        Baresip(tmp_path / "anna", ports, Account("anna", codecs=codecs)) as anna,
        Baresip(tmp_path / "bert", ports, Account("bert", answer="auto", transport="tcp")) as bert,
    ):
        anna.dial(bert.uri)
        bert.wait_talking()
        bert.wait_hears(440)
        with pytest.raises(AssertionError, match="hears no 1000"):
            bert.wait_hears(1000, seconds=0.5)
