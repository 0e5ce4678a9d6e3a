"""Hold and resume, heard from both ends, whoever holds."""

import pytest

from tests.e2e.baresip import Baresip
from tests.e2e.conftest import MakePhone, MakeSoftphone
from tests.e2e.instance import Person
from tests.e2e.softphone import Softphone


@pytest.fixture
def talking(
    make_phone: MakePhone, make_softphone: MakeSoftphone, worker: Person, desk: Person
) -> tuple[Softphone, Baresip]:
    """A page and a phone in a call, each hearing the other."""
    phone, page = make_phone(desk), make_softphone(worker)
    page.dial(desk.number)
    phone.wait_ringing()
    phone.answer()
    page.wait_talking()
    page.wait_hears(440)
    phone.wait_hears(1000)
    return page, phone


def test_the_page_holds(talking: tuple[Softphone, Baresip]):
    page, phone = talking
    for _ in range(2):
        page.press("Hold")
        phone.wait_hears_no(1000)
        page.wait_hears_no(440)
        page.press("Resume")
        phone.wait_hears(1000)
        page.wait_hears(440)
    page.press("End")
    phone.wait_ended()
    page.wait_record(result="answered", hung_up_by="caller")


def test_the_phone_holds(talking: tuple[Softphone, Baresip]):
    page, phone = talking
    for _ in range(2):
        phone.hold()
        page.wait_says("They hold the call")
        page.wait_hears_no(440)
        phone.wait_hears_no(1000)
        phone.resume()
        page.wait_hears(440)
        phone.wait_hears(1000)
    phone.hang_up()
    page.wait_over()
    page.wait_record(result="answered", hung_up_by="callee")


def test_muting_is_heard_and_needs_no_message(talking: tuple[Softphone, Baresip]):
    page, phone = talking
    invites = phone.messages().count("INVITE sip:")
    page.press("Mute")
    phone.wait_hears_no(1000)
    page.wait_hears(440)
    page.press("Unmute")
    phone.wait_hears(1000)
    assert phone.messages().count("INVITE sip:") == invites
