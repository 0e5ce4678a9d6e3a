"""An extension with a browser and a desk phone: both ring, one wins and hears, the other stops ringing."""

import pytest

from tests.e2e.conftest import MakePhone, MakeSoftphone
from tests.e2e.instance import Instance, Person


@pytest.mark.parametrize("caller", ["browser", "phone"])
@pytest.mark.parametrize("winner", ["browser", "phone"])
def test_both_ring_and_one_wins(
    make_phone: MakePhone,
    make_softphone: MakeSoftphone,
    instance: Instance,
    worker: Person,
    caller: str,
    winner: str,
):
    page, phone = make_softphone(worker, frequency=600), make_phone(worker)
    other = instance.take_person(web=caller == "browser")
    if caller == "browser":
        calling_page = make_softphone(other)
        calling_page.dial(worker.number)
    else:
        calling_phone = make_phone(other, frequency=1000)
        calling_phone.dial(worker.number)
    page.wait_incoming()
    phone.wait_ringing()
    if winner == "browser":
        page.press("Answer")
        page.wait_hears(1000)
        phone.wait_ended()
    else:
        phone.answer()
        phone.wait_hears(1000)
        page.wait_no_incoming()
    tone = 600 if winner == "browser" else 440
    if caller == "browser":
        calling_page.wait_hears(tone)
        calling_page.press("End")
    else:
        calling_phone.wait_hears(tone)
        calling_phone.hang_up()
    if winner == "browser":
        page.wait_over()
    else:
        phone.wait_ended()
    record = page.wait_record(direction="in", result="answered", hung_up_by="caller")
    assert record["callee"]["device"] == winner
    outcomes = {leg["device"]: leg["outcome"] for leg in record["legs"] if leg["role"] == "callee"}
    assert len(outcomes) == 2


def test_nobody_answers_when_the_caller_gives_up(
    make_phone: MakePhone, make_softphone: MakeSoftphone, worker: Person, desk: Person
):
    page, phone = make_softphone(worker), make_phone(desk)
    phone.dial(worker.number)
    page.wait_incoming()
    phone.hang_up()
    page.wait_no_incoming()
    page.wait_record(direction="missed", result="cancelled", answered=None)


def test_the_phone_declines(
    make_phone: MakePhone, make_softphone: MakeSoftphone, worker: Person, desk: Person
):
    page, phone = make_softphone(worker), make_phone(desk)
    page.dial(desk.number)
    phone.wait_ringing()
    phone.hang_up()
    page.wait_over()
    page.wait_record(direction="out", result="busy", status=486)


def test_the_page_declines(
    make_phone: MakePhone, make_softphone: MakeSoftphone, worker: Person, desk: Person
):
    page, phone = make_softphone(worker), make_phone(desk)
    phone.dial(worker.number)
    page.wait_incoming()
    page.press("Decline")
    phone.wait_ended()
    page.wait_record(direction="in", result="declined", status=603)


def test_a_number_that_nobody_has(make_softphone: MakeSoftphone, worker: Person):
    page = make_softphone(worker)
    page.dial("555")
    page.wait_says("No one has the number 555.")
    page.wait_record(dialled="555", result="not_found", status=404)


def test_a_person_without_a_device(make_softphone: MakeSoftphone, worker: Person, desk: Person):
    page = make_softphone(worker)
    page.dial(desk.number)
    page.wait_record(dialled=desk.number, result="unavailable", status=480)


def test_an_emergency_number_cannot_be_called_yet(make_softphone: MakeSoftphone, worker: Person):
    page = make_softphone(worker)
    page.dial("112")
    page.wait_says("Emergency numbers cannot be called from here yet.")
