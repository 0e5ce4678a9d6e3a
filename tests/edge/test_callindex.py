"""Finding calls: by dialogs, transactions and what concerns them; nothing is left of a forgotten one."""

from tests.pbx.lab import request
from ucplatform.edge.callindex import SERVED, CallIndex
from ucplatform.sip.message import make_response


def test_a_message_is_found_by_our_tag_or_by_theirs_while_we_have_not_answered():
    index = CallIndex()
    index.remember(("c", "leg1"), "call-1", "a-tag")
    first = request("INVITE", "201")
    assert index.of_message(first, incoming=True) == ("c", "leg1")
    index.remember(("c", "leg1"), "call-1", "ours")
    inside = request("BYE", "201", from_tag="other", to_tag="ours")
    assert index.of_message(inside, incoming=True) == ("c", "leg1")
    assert index.of_message(make_response(inside, 200), incoming=False) == ("c", "leg1")
    assert index.of_message(request("BYE", "201", from_tag="x", to_tag="y"), incoming=True) is None


def test_a_dialog_that_changed_calls_stays_with_the_new_one():
    index = CallIndex()
    index.remember(("old", "leg2"), "call-1", "ours")
    index.remember(("new", "leg3"), "call-1", "ours")
    index.forget("old")
    assert index.of_dialog("call-1", "ours") == ("new", "leg3")
    index.forget("new")
    assert len(index) == 0


def test_a_peer_that_sends_reinvites_for_hours_fills_no_memory():
    index = CallIndex()
    for number in range(3 * SERVED):
        index.serve(("s", str(number)), ("c", "leg1"))
    assert len(index) == SERVED + 1
    assert index.of_server_key(("s", str(3 * SERVED - 1))) == ("c", "leg1")
    assert index.of_server_key(("s", "0")) is None


def test_only_those_concerned_are_told():
    index = CallIndex()
    index.watch("b", [("flow", "ws-1")])
    index.watch("a", [("flow", "ws-1"), ("number", "200")])
    assert index.concerned(("flow", "ws-1")) == ["a", "b"] and index.concerned(("flow", "ws-2")) == []
    index.forget("a")
    assert index.concerned(("flow", "ws-1")) == ["b"] and index.concerned(("number", "200")) == []
