"""A new offer that its far end refuses is taken back by the old descriptions: the sound goes on as before."""

import pytest

from tests.gateway.calls import phone_calls_phone
from tests.gateway.control import PHONE, Control
from tests.gateway.test_hold import Phones, renegotiate


async def test_the_old_descriptions_undo_an_offer_that_was_refused(control: Control, phones: Phones) -> None:
    alice, bob = await phones(frequency=440), await phones(frequency=700)
    await phone_calls_phone(control, alice, bob)
    alice.talk()
    bob.talk()
    hold = alice.description("inactive")
    await control.body("offer", "c1", PHONE, from_tag="a", to_tag="b", sdp=hold)
    await renegotiate(control, alice, bob, ("a", "b"), ("sendrecv", "sendrecv"))
    assert await bob.tone() == pytest.approx(440, abs=5)
    assert await alice.tone() == pytest.approx(700, abs=5)
