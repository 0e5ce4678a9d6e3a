"""A telephone hands its call to somebody else; the two who are left hear each other."""

from tests.e2e.baresip import Baresip
from tests.e2e.conftest import MakePhone
from tests.e2e.instance import Instance
from tests.e2e.softphone import Softphone


def test_a_phone_transfers_its_call(make_phone: MakePhone, instance: Instance):
    alice = make_phone(instance.take_person(web=False), frequency=440)
    bob = make_phone(instance.take_person(web=False), frequency=700)
    carol = make_phone(instance.take_person(web=False), frequency=1000)
    alice.dial(bob.account.number)
    bob.wait_ringing()
    bob.answer()
    bob.wait_hears(440)
    alice.command("transfer", f"sip:{carol.account.number}@{alice.account.server}")
    carol.wait_ringing()
    carol.answer()
    alice.wait_ended()
    bob.wait_hears(1000)
    carol.wait_hears(700)
    carol.hang_up()
    bob.wait_ended()


def test_a_phone_hears_why_its_transfer_failed(make_phone: MakePhone, instance: Instance):
    """baresip hangs up by itself then; a call that goes on is SIPp's `caller_transfers_to_nobody`."""
    alice = make_phone(instance.take_person(web=False), frequency=440)
    bob = make_phone(instance.take_person(web=False), frequency=700)
    alice.dial(bob.account.number)
    bob.wait_ringing()
    bob.answer()
    bob.wait_hears(440)
    since = alice.mark()
    alice.command("transfer", f"sip:99999@{alice.account.server}")
    assert alice.wait_event("TRANSFER_FAILED", since=since)["param"] == "404 Not Found"
    bob.wait_ended()


def test_a_phone_transfers_a_page(
    talking: tuple[Softphone, Baresip], make_phone: MakePhone, instance: Instance
):
    page, phone = talking
    carol = make_phone(instance.take_person(web=False), frequency=700)
    phone.command("transfer", f"sip:{carol.account.number}@{phone.account.server}")
    carol.wait_ringing()
    carol.answer()
    phone.wait_ended()
    page.wait_hears(700)
    carol.wait_hears(1000)
    page.press("End")
    carol.wait_ended()
