"""Keys pressed on the page arrive at the phone as telephone events (RFC 4733), and the other way round."""

import pytest

from tests.e2e.baresip import Baresip
from tests.e2e.conftest import MakePhone, MakeSoftphone
from tests.e2e.instance import Person
from tests.e2e.softphone import Softphone
from tests.e2e.wait import until


def keys_at(phone: Baresip) -> str:
    """The keys whose press the phone has heard so far."""
    return "".join(event["param"] for event in phone.events if event["type"] == "CALL_DTMF_START")


def press(page: Softphone, keys: str) -> None:
    """Press keys on the pad of the call; the dialling field has a keypad of its own."""
    page.press("Keypad")
    pad = page.page.get_by_role("region", name="Current call").get_by_role("group", name="Keypad")
    for key in keys:
        pad.get_by_role("button", name=key, exact=True).click()


@pytest.mark.parametrize("codecs", ["", "pcmu"], ids=["any-codec", "transcoded"])
@pytest.mark.parametrize("caller", ["page", "phone"])
def test_keys_of_the_page_arrive_as_telephone_events(
    make_phone: MakePhone,
    make_softphone: MakeSoftphone,
    worker: Person,
    desk: Person,
    caller: str,
    codecs: str,
):
    phone, page = make_phone(desk, codecs=codecs), make_softphone(worker, opus_only=codecs != "")
    if caller == "page":
        page.dial(desk.number)
        phone.wait_ringing()
        phone.answer()
        page.wait_talking()
    else:
        phone.dial(worker.number)
        page.wait_incoming()
        page.press("Answer")
    phone.wait_hears(1000)
    press(page, "159#")
    until(lambda: keys_at(phone) == "159#", 10, "159# at the phone")
    # In the sound's own packets, not as messages: nothing else reaches a telephone behind a trunk.
    assert "INFO sip:" not in phone.messages()
    page.press("End")
    phone.wait_ended()
    record = page.wait_record(result="answered")
    assert sum("dtmf" in item["label"].lower() for item in page.messages(record)) == 4


def test_keys_of_the_phone_are_in_the_ladder_and_do_not_disturb(
    make_phone: MakePhone, make_softphone: MakeSoftphone, worker: Person, desk: Person
):
    phone, page = make_phone(desk), make_softphone(worker)
    phone.dial(worker.number)
    page.wait_incoming()
    page.press("Answer")
    phone.wait_talking()
    for key in "42*":
        # The next press begins when this one has ended; the phone tells it in its log alone.
        phone.command("sndcode", key)
        until(lambda key=key: f"send DTMF digit end: '{key}'" in phone.messages(), 5, f"{key} sent")
    page.wait_hears(440)
    phone.wait_hears(1000)
    phone.hang_up()
    page.wait_over()
    record = page.wait_record(result="answered")
    assert sum("dtmf" in item["label"].lower() for item in page.messages(record)) == 3
