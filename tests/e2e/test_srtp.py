"""Telephones with encrypted sound: keyed by the descriptions, and refused where a number demands it."""

import itertools

import pytest

from tests.e2e.conftest import MakePhone, MakeSoftphone, connect
from tests.e2e.instance import Instance, Person
from tests.e2e.wait import until

NUMBERS = itertools.count(390)


@pytest.fixture
def extension(instance: Instance, request: pytest.FixtureRequest) -> Person:
    """A desk phone's number under the rule of the test's parameter."""
    person = Person(str(next(NUMBERS)), "Vault", "secret-of-the-vault")
    words = ("--name", person.name, "--secret", person.secret, "--srtp", request.param)
    assert "added" in instance.manage("extension", "add", person.number, *words)
    return person


@pytest.mark.parametrize("extension", ["off", "required"], indirect=True)
def test_a_phone_with_srtp_and_a_browser(
    make_phone: MakePhone, make_softphone: MakeSoftphone, worker: Person, extension: Person
):
    """Its own calls are encrypted under any rule, those to it where its number asks for it."""
    phone = make_phone(extension, encryption="srtp-mand")
    page = make_softphone(worker)
    phone.dial(worker.number)
    page.wait_incoming()
    page.press("Answer")
    phone.wait_talking()
    phone.wait_hears(1000)
    page.wait_hears(440)
    phone.hang_up()
    page.wait_over()
    record = page.wait_record(direction="in", result="answered")
    suites = {leg["role"]: leg["stats"].get("srtp") for leg in record["legs"]}
    assert suites == {"caller": "AES_CM_128_HMAC_SHA1_80", "callee": None}


@pytest.mark.parametrize("extension", ["required"], indirect=True)
def test_a_browser_calls_a_number_that_demands_srtp(
    make_phone: MakePhone, make_softphone: MakeSoftphone, worker: Person, extension: Person
):
    phone = make_phone(extension, encryption="srtp-mand")
    page = make_softphone(worker)
    connect(page, phone)
    page.press("Hold")
    phone.wait_hears_no(1000)
    page.press("Resume")
    phone.wait_hears(1000)
    page.wait_hears(440)
    page.press("End")
    phone.wait_ended()


@pytest.mark.parametrize("extension", ["required"], indirect=True)
def test_a_plain_phone_is_refused_with_a_reason_to_read(
    make_phone: MakePhone,
    make_softphone: MakeSoftphone,
    worker: Person,
    extension: Person,
):
    """Called, and when it calls."""
    phone = make_phone(extension)
    page = make_softphone(worker)
    page.dial(extension.number)
    page.wait_says("this number demands encrypted sound, and the telephone there does not take it")
    page.wait_record(result="failed", cause="srtp_refused", status=488)
    phone.dial(worker.number)
    until(lambda: "488 Not Acceptable Here" in phone.tail(), 10, "the phone shows why")
    page.wait_no_incoming()


@pytest.mark.parametrize("extension", ["preferred"], indirect=True)
def test_a_plain_phone_is_called_in_the_clear_where_srtp_is_only_preferred(
    make_phone: MakePhone, make_softphone: MakeSoftphone, worker: Person, extension: Person
):
    phone = make_phone(extension)
    page = make_softphone(worker)
    connect(page, phone)
    page.press("End")
    phone.wait_ended()
    record = page.wait_record(result="answered")
    assert any(item["kind"] == "event" and "srtp-refused" in str(item) for item in page.messages(record))
