"""The call belongs to the server: a page may be loaded again, closed, or opened from the network by HTTPS."""

import time

from tests.e2e.baresip import Baresip
from tests.e2e.conftest import MakePhone, MakeSoftphone
from tests.e2e.instance import Instance, Person
from tests.e2e.softphone import Softphone


def test_the_page_is_loaded_again_and_the_call_goes_on(talking: tuple[Softphone, Baresip]):
    page, phone = talking
    page.page.reload()
    page.wait_hears(440)
    phone.wait_hears(1000)
    assert not phone.has_event("CALL_CLOSED")
    # And it is a whole call still: it can be held, and ended from either side.
    page.press("Hold")
    phone.wait_hears_no(1000)
    page.press("Resume")
    phone.wait_hears(1000)
    phone.hang_up()
    page.wait_over()
    page.wait_record(direction="out", result="answered", hung_up_by="callee")


def test_the_page_of_the_called_is_loaded_again(
    make_phone: MakePhone, make_softphone: MakeSoftphone, worker: Person, desk: Person
):
    phone, page = make_phone(desk), make_softphone(worker)
    phone.dial(worker.number)
    page.wait_incoming()
    page.press("Answer")
    phone.wait_hears(1000)
    page.page.reload()
    page.wait_hears(440)
    phone.wait_hears(1000)
    page.press("End")
    phone.wait_ended()
    page.wait_record(direction="in", result="answered", hung_up_by="callee")


def test_the_page_is_closed_and_the_phone_gets_bye(
    talking: tuple[Softphone, Baresip], make_softphone: MakeSoftphone
):
    page, phone = talking
    start = time.monotonic()
    page.browser.close()
    ended = phone.wait_ended(12)
    assert ended["at"] - start <= 10
    assert "\nBYE sip:" in phone.messages()
    later = make_softphone(page.person, frequency=600)
    later.wait_record(direction="out", result="answered", cause="browser_gone")


def test_https_and_wss_by_an_address_of_the_network(
    make_phone: MakePhone, make_softphone: MakeSoftphone, instance: Instance, worker: Person, desk: Person
):
    assert not instance.lan.startswith("127.")
    phone, page = make_phone(desk), make_softphone(worker, https=True)
    assert page.page.url.startswith(f"https://{instance.lan}:")
    assert page.page.evaluate("isSecureContext")
    page.dial(desk.number)
    phone.wait_ringing()
    phone.answer()
    page.wait_hears(440)
    phone.wait_hears(1000)
    phone.hang_up()
    page.wait_over()
    record = page.wait_record(result="answered", hung_up_by="callee")
    assert {leg["role"]: leg["transport"] for leg in record["legs"]}["caller"] == "wss"


def test_the_history_page_shows_the_call(talking: tuple[Softphone, Baresip]):
    page, phone = talking
    phone.hang_up()
    page.wait_over()
    page.wait_record(result="answered")
    page.page.get_by_role("link", name="History", exact=True).click()
    row = page.page.get_by_role("table").get_by_role("row").nth(1)
    row.get_by_role("link").click()
    page.wait_says("Answered")
    ladder = page.page.get_by_role("region", name="Messages").or_(page.page.locator("section.messages"))
    for word in ("INVITE", "180 Ringing", "200 OK", "BYE"):
        ladder.get_by_text(word).first.wait_for(state="visible")
