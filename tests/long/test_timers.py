"""What only time brings about, in the running product and at the times it really has."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import MakePhone
from tests.e2e.instance import Instance, Person
from tests.e2e.sipp import Sipp, write_rows
from tests.e2e.stranger import SDP, Stranger
from tests.e2e.wait import until
from tests.long.house import House

RING_SECONDS = 30
CALLS = 10
EXPIRES = 30
#: 64*T1, RFC 3261 13.3.1.4
ACK_SECONDS = 32
MEDIA_SECONDS = 30
#: how often the gateway looks whether a leg is silent
LOOK_SECONDS = 5
NONCE_SECONDS = 300


@pytest.fixture(scope="module", autouse=True)
def old_phones(house: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sipp]:
    """Phones that are there from the first test to the last: the nonce of their sign-in grows old."""
    directory = tmp_path_factory.mktemp("old")
    rows = [(person.number, person.secret, person.number) for person in house.crowd(CALLS)]
    with Sipp(
        directory / "phones", house.ports, "register_again", calls=CALLS, server=house.instance.sip,
        rows=write_rows(directory / "people.csv", rows), seconds=NONCE_SECONDS + 60,
    ) as phones:  # fmt: skip
        yield phones


@pytest.mark.timeout(180)
def test_after_30_seconds_of_ringing_nobody_answered(house: House, tmp_path: Path):
    called, calling = house.crowd(CALLS), house.crowd(CALLS)
    port = house.sign_in(tmp_path, called)
    pairs = [(a, b.number) for a, b in zip(calling, called, strict=True)]
    with (
        house.callees(tmp_path / "callee", port, CALLS, "callee_rings") as ringing,
        house.caller(tmp_path / "caller", pairs, CALLS, "caller_waits_in_vain") as waiting,
    ):
        waiting.wait().assert_all(CALLS)  # 180, then 480
        ringing.wait().assert_all(CALLS)  # each got its CANCEL
    for row in house.wait_records(calling, CALLS):
        assert (row["result"], row["cause"], row["answered"]) == ("missed", "no_answer", None)
        assert RING_SECONDS - 1 < row["ended"] - row["rang"] < RING_SECONDS + 2


@pytest.mark.timeout(120)
def test_a_registration_that_nobody_refreshes_ends(house: House, instance: Instance, desk: Person):
    caller = instance.take_person(web=False)
    before = house.edge()["registrations"]
    with Stranger(instance, desk.number) as device, Stranger(instance, caller.number) as other:
        begun = time.monotonic()
        assert device.signed("REGISTER", desk.number, desk, headers=(f"Expires: {EXPIRES}",)).status == 200
        assert house.edge()["registrations"] == before + 1
        until(lambda: house.edge()["registrations"] == before, EXPIRES + 5, "it has ended", every=0.2)
        assert time.monotonic() - begun > EXPIRES - 1
        assert other.signed("INVITE", desk.number, caller, body=SDP).status == 480
    assert house.wait_records([caller], 1)[0]["result"] == "unavailable"
    assert desk.number not in house.registrations()


@pytest.mark.timeout(120)
def test_an_answer_that_is_never_acknowledged_ends_the_call(house: House, instance: Instance, desk: Person):
    with Stranger(instance, desk.number) as deaf:
        # An inactive stream: nobody expects sound of it, so only the missing ACK can end the call.
        assert deaf.signed("INVITE", "*43", desk, body=f"{SDP}a=inactive\r\n").status == 200
        begun = time.monotonic()
        bye = deaf.wait_request("BYE", ACK_SECONDS + 5)
        assert time.monotonic() - begun > ACK_SECONDS - 2
        assert bye.call_id == deaf.call_id
    row = house.wait_records([desk], 1)[0]
    assert (row["result"], row["cause"], row["hung_up_by"]) == ("answered", "no_ack", "server")


@pytest.mark.timeout(150)
def test_a_phone_that_falls_silent_is_let_go(
    house: House, instance: Instance, make_phone: MakePhone, desk: Person
):
    caller = instance.take_person(web=False)
    phone, silent = make_phone(caller), make_phone(desk, frequency=700, answer="auto")
    phone.dial(desk.number)
    phone.wait_hears(700)
    begun = time.monotonic()
    silent.signal(signal.SIGSTOP)
    try:
        phone.wait_ended(MEDIA_SECONDS + 2 * LOOK_SECONDS + 3)
        assert time.monotonic() - begun > MEDIA_SECONDS - 1
    finally:
        silent.signal(signal.SIGCONT)
    row = house.wait_records([caller], 1)[0]
    assert (row["result"], row["cause"], row["hung_up_by"]) == ("answered", "media_lost", "callee")


@pytest.mark.timeout(NONCE_SECONDS + 180)
def test_a_nonce_of_five_minutes_is_stale_and_not_wrong(old_phones: Sipp):
    """They sign in anew with the nonce they have, are told stale=true, and sign in with the next one."""
    old_phones.wait().assert_all(CALLS)
