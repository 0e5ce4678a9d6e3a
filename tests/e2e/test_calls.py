"""A person calls from the page and is called there; each hears the tone of the other."""

from tests.e2e.baresip import Baresip
from tests.e2e.conftest import MakePhone, MakeSoftphone
from tests.e2e.instance import Instance, Person
from tests.e2e.softphone import Softphone


def test_browser_calls_phone(talking: tuple[Softphone, Baresip], desk: Person):
    page, phone = talking
    page.press("End")
    phone.wait_ended()
    record = page.wait_record(direction="out", result="answered", hung_up_by="caller", dialled=desk.number)
    assert record["peer"] == {"number": desk.number, "name": desk.name}
    assert record["created"] <= record["rang"] <= record["answered"] <= record["ended"]
    legs = {leg["role"]: leg for leg in record["legs"]}
    assert legs["caller"]["device"] == "browser" and legs["callee"]["device"] == "phone"
    assert all(leg["codec"] and leg["stats"]["in"]["packets"] > 50 for leg in legs.values())


def test_phone_calls_browser(
    make_phone: MakePhone, make_softphone: MakeSoftphone, worker: Person, desk: Person
):
    phone, page = make_phone(desk), make_softphone(worker)
    phone.dial(worker.number)
    page.wait_incoming()
    page.press("Answer")
    phone.wait_talking()
    phone.wait_hears(1000)
    page.wait_hears(440)
    phone.hang_up()
    page.wait_over()
    record = page.wait_record(direction="in", result="answered", hung_up_by="caller")
    assert record["peer"]["number"] == desk.number
    kinds = {item["label"].split()[0] for item in page.messages(record) if item["kind"] == "sip"}
    assert {"INVITE", "180", "200", "ACK", "BYE"} <= kinds


def test_browser_calls_browser(instance: Instance, make_softphone: MakeSoftphone):
    anna, bert = instance.take_person(web=True), instance.take_person(web=True)
    first, second = make_softphone(anna), make_softphone(bert, frequency=600)
    first.dial(bert.number)
    second.wait_incoming()
    second.press("Answer")
    first.wait_talking()
    first.wait_hears(600)
    second.wait_hears(1000)
    second.press("End")
    first.wait_over()
    first.wait_record(direction="out", result="answered", hung_up_by="callee")
    second.wait_record(direction="in", result="answered", hung_up_by="callee")


def test_opus_only_browser_and_pcmu_only_phone(
    make_phone: MakePhone, make_softphone: MakeSoftphone, worker: Person, desk: Person
):
    phone, page = make_phone(desk, codecs="pcmu"), make_softphone(worker, opus_only=True)
    page.dial(desk.number)
    phone.wait_ringing()
    phone.answer()
    page.wait_hears(440)
    phone.wait_hears(1000)
    page.press("End")
    phone.wait_ended()
    record = page.wait_record(result="answered")
    codecs = {leg["role"]: leg["codec"].lower() for leg in record["legs"]}
    assert "opus" in codecs["caller"] and "pcmu" in codecs["callee"]


def test_phone_over_tcp_calls_phone_over_udp(make_phone: MakePhone, instance: Instance):
    first, second = instance.take_person(web=False), instance.take_person(web=False)
    caller, callee = make_phone(first, transport="tcp"), make_phone(second, frequency=700)
    caller.dial(second.number)
    callee.wait_ringing()
    callee.answer()
    caller.wait_hears(700)
    callee.wait_hears(440)
    since = caller.mark()
    callee.hang_up()
    caller.wait_ended()
    # And the other way, to the phone that is reached through its own TCP connection.
    since = callee.mark()
    callee.dial(first.number)
    caller.wait_ringing(since=caller.mark() - 1)
    caller.answer()
    callee.wait_talking(since=since)
    callee.wait_hears(440)
    caller.wait_hears(700)
    caller.hang_up()
    callee.wait_ended(since=since)
