"""INVITE inside a dialog: all that holds for the first one holds for it (RFC 3261 section 14)."""

import pytest

from tests.sip.pair import Pair
from tests.sip.wire import got
from ucplatform.sip.commands import AckMissing, AckReceived, CancelReceived, RequestReceived


def talking(transport: str = "udp") -> tuple[Pair, tuple[str, ...], RequestReceived]:
    """A call that is up, and a re-INVITE of `a` that `b` has to answer."""
    pair = Pair(transport)
    pair.call()
    pair.run()
    pair.answer(pair.b.take()[0], 200)
    pair.run()
    pair.ack()
    pair.run()
    key = pair.call(to_tag="bob", cseq=2)
    pair.run()
    [again] = got(pair.b, RequestReceived)
    assert again.request.to_tag == "bob"
    pair.a.take()
    pair.log.clear()
    return pair, key, again


def test_its_cancel_is_passed_up_with_its_key():
    pair, key, again = talking()
    pair.cancel(key)
    pair.run()
    [cancelled] = got(pair.b, CancelReceived)
    assert cancelled.key == again.key
    pair.answer(again, 487)
    pair.run()
    assert [event.response.status for event in pair.a.take()] == [487]
    pair.settle()


def test_the_200_to_its_cancel_carries_the_dialogs_tag():
    pair, key, _ = talking()
    pair.cancel(key)
    pair.run()
    [answer] = pair.messages("b", "200 CANCEL")
    assert answer.to_tag == "bob"


def test_its_cancel_crossing_200_changes_nothing():
    pair, key, again = talking()
    pair.answer(again, 200)
    pair.cancel(key)
    pair.run()
    assert got(pair.b, CancelReceived) == []
    assert [event.response.status for event in pair.a.take()] == [200]
    pair.ack(cseq=2)
    pair.run()
    assert len(got(pair.b, AckReceived)) == 1
    pair.settle()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_its_2xx_is_sent_until_the_ack(transport):
    """13.3.1.4 and 14.2"""
    pair, _, again = talking(transport)
    pair.answer(again, 200)
    pair.run(3.6)
    assert len(pair.times("b", "200 INVITE")) == 4
    pair.ack(cseq=1)  # of the first INVITE, once more: it does not count for this one
    pair.run(4)
    assert len(pair.times("b", "200 INVITE")) == 5
    pair.ack(cseq=2)
    pair.run(10)
    assert len(pair.times("b", "200 INVITE")) == 5
    pair.settle()


def test_a_lost_ack_is_sent_again_with_each_copy_of_the_2xx():
    pair, _, again = talking()
    pair.lose = lambda sender, what, count: what == "ACK" and count < 3
    pair.answer(again, 200)
    pair.run()
    pair.ack(cseq=2)
    pair.run(5)
    assert len(pair.times("a", "ACK")) == 3
    assert len(got(pair.b, AckReceived)) == 1
    assert got(pair.b, AckMissing) == []
    pair.settle()


def test_an_ack_that_never_comes_is_told_with_its_key():
    pair, _, again = talking()
    pair.answer(again, 200)
    pair.run(31.9)
    assert got(pair.b, AckMissing) == []
    pair.run(0.3)
    assert got(pair.b, AckMissing) == [AckMissing(again.key)]
    pair.settle()


def test_both_sides_may_invite_at_once():
    """Each has a transaction of its own; the 491 is the user's decision (14.2)."""
    pair, _, again = talking()
    pair.answer(again, 491)
    pair.run()
    assert [event.response.status for event in pair.a.take()] == [491]
    assert len(pair.times("a", "ACK")) == 1  # of the failure, by the transaction
    pair.settle()
