"""The beginning of a ladder: what was said before the call was one."""

from tests.pbx.lab import phone_flow, request
from ucplatform.edge.prologue import ATTEMPTS, MESSAGES, OCTETS, Prologue
from ucplatform.sip.message import make_response

FLOW = phone_flow(10)


def test_the_challenge_is_part_of_the_call():
    prologue = Prologue()
    invite = request("INVITE", "201")
    prologue.keep(invite, (1.0, "in", FLOW, b"INVITE"))
    prologue.keep(make_response(invite, 401), (1.1, "out", FLOW, b"401"))
    prologue.keep(request("OPTIONS", "201"), (1.2, "in", FLOW, b"OPTIONS"))
    assert [line[3] for line in prologue.take("call-1", "a-tag")] == [b"INVITE", b"401"]
    assert prologue.take("call-1", "a-tag") == []


def test_strangers_fill_no_memory():
    prologue = Prologue()
    for n in range(ATTEMPTS + 5):
        for _ in range(MESSAGES + 5):
            prologue.keep(request("INVITE", "201", call_id=f"c{n}"), (1.0, "in", FLOW, b""))
    assert prologue.take("c0", "a-tag") == []
    assert len(prologue.take(f"c{ATTEMPTS + 4}", "a-tag")) == MESSAGES


def test_long_messages_of_strangers_fill_no_memory_either():
    prologue = Prologue()
    for n in range(ATTEMPTS):
        prologue.keep(request("INVITE", "201", call_id=f"c{n}"), (1.0, "in", FLOW, bytes(65536)))
    kept = sum(len(line[3]) for n in range(ATTEMPTS) for line in prologue.take(f"c{n}", "a-tag"))
    assert 0 < kept <= OCTETS
    prologue.keep(request("INVITE", "201", call_id="next"), (1.0, "in", FLOW, b"INVITE"))
    assert len(prologue.take("next", "a-tag")) == 1
