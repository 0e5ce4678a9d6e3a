"""Hold and resume, heard from both ends, whoever holds."""

from tests.e2e.baresip import Baresip
from tests.e2e.softphone import Softphone


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
