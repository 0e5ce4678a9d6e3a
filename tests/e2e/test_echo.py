"""*43 gives everybody their own voice back."""

from tests.e2e.conftest import MakePhone, MakeSoftphone
from tests.e2e.instance import Person


def test_phone_hears_itself(make_phone: MakePhone, desk: Person):
    phone = make_phone(desk)
    phone.dial("*43")
    phone.wait_talking()
    phone.wait_hears(440)
    phone.hang_up()
    phone.wait_ended()


def test_page_hears_itself(make_softphone: MakeSoftphone, worker: Person):
    page = make_softphone(worker)
    page.dial("*43")
    page.wait_talking()
    page.wait_hears(1000)
    page.press("End")
    page.wait_over()
    record = page.wait_record(dialled="*43", result="answered", hung_up_by="caller")
    assert record["direction"] == "out"


def test_the_test_call_is_one_click(make_softphone: MakeSoftphone, worker: Person):
    page = make_softphone(worker)
    page.press("Test call")
    page.wait_hears(1000)
    page.press("End")
    page.wait_record(dialled="*43", result="answered")


def test_web_accounts_can_use_the_echo_from_their_phone(
    make_phone: MakePhone, make_softphone: MakeSoftphone, worker: Person
):
    page, phone = make_softphone(worker), make_phone(worker, codecs="opus/48000/2")
    phone.dial("*43")
    phone.wait_hears(440)
    phone.hang_up()
    phone.wait_ended()
    record = page.wait_record(dialled="*43", result="answered", hung_up_by="caller")
    assert record["caller"]["device"] == "phone"
