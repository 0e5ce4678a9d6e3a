"""What the SIPp scenarios try over UDP and TCP, tried over TLS and WebSockets by a small client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from tests.e2e.instance import Instance, Person
from tests.e2e.streams import KINDS, Talk, answer, description, final, telephone
from tests.edge.telephone import Telephone
from ucplatform.sip.message import Response

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.parametrize("kind", KINDS)]

Make = Callable[..., Awaitable[Telephone]]


@pytest.fixture(scope="module")
def people(instance: Instance) -> Iterator[Person]:
    """Whom nobody else uses."""
    everybody = [Person(str(n), f"Stream {n}", f"secret-{n}") for n in range(5000, 5200)]
    instance.load(everybody)
    return iter(everybody)


@pytest_asyncio.fixture(loop_scope="module")
async def make(instance: Instance, people: Iterator[Person]) -> AsyncIterator[Make]:
    """make(kind, registered=True): a telephone of somebody whom no other test uses."""
    async with AsyncExitStack() as stack:

        async def new(kind: str, *, registered: bool = True) -> Telephone:
            phone = await telephone(instance, next(people), kind)
            stack.callback(phone.close)
            if registered:
                assert (await phone.register("Expires: 600")).status == 200
            return phone

        yield new


async def talking(make: Make, calling: str, called: str) -> tuple[Talk, Talk]:
    """A call that is up, from one kind of telephone to another."""
    caller, callee = await make(calling, registered=False), await make(called)
    talk = await Talk.place(caller, callee.number)
    other = await Talk.wait(callee)
    other.reply(180)
    other.reply(200, other.body(setup="active"))
    await callee.request("ACK")
    await talk.answered()
    return talk, other


async def test_is_called_on_the_connection_that_it_opened(make: Make, kind: str):
    talk, other = await talking(make, "udp", kind)
    assert (await talk.ask("BYE")).status == 200
    bye = await other.phone.request("BYE")
    assert bye.call_id == other.request.call_id


async def test_calls_and_is_hung_up(make: Make, kind: str):
    talk, other = await talking(make, kind, "udp")
    assert (await other.ask("BYE")).status == 200
    assert (await talk.phone.request("BYE")).headers.get("Reason")


async def test_two_on_connections_talk_to_each_other(make: Make, kind: str):
    talk, other = await talking(make, kind, kind)
    assert (await talk.ask("BYE")).status == 200
    await other.phone.request("BYE")


async def test_holds_and_comes_back(make: Make, kind: str):
    talk, other = await talking(make, kind, "udp")
    for wish, seen, said, heard in (
        ("sendonly", "a=sendonly", "recvonly", "a=recvonly"),
        ("sendrecv", "a=sendrecv", "sendrecv", "a=sendrecv"),
    ):
        answering = _answers_a_reinvite(other, seen, said)
        response = await _both(talk.ask("INVITE", body=talk.body(wish)), answering)
        assert response.status == 200 and heard in response.body.decode()
    assert (await talk.ask("BYE")).status == 200


async def test_is_held_and_brought_back(make: Make, kind: str):
    talk, other = await talking(make, "udp", kind)
    for wish, seen, said in (("sendonly", "a=sendonly", "recvonly"), ("sendrecv", "a=sendrecv", "sendrecv")):
        response = await _both(
            talk.ask("INVITE", body=talk.body(wish)), _answers_a_reinvite(other, seen, said)
        )
        assert response.status == 200
    assert (await talk.ask("BYE")).status == 200


async def test_gives_up_while_it_rings(make: Make, kind: str):
    caller, callee = await make(kind, registered=False), await make(kind)
    talk = await Talk.place(caller, callee.number)
    other = await Talk.wait(callee)
    other.reply(180)
    assert (await caller.response()).status == 180
    talk.cancel()
    assert {(await final(caller)).status, (await final(caller)).status} == {200, 487}
    answer(callee, await callee.request("CANCEL"), 200)
    other.reply(487)
    await callee.request("ACK")


async def test_meets_a_refusal(make: Make, kind: str):
    caller, callee = await make(kind, registered=False), await make(kind)
    await Talk.place(caller, callee.number)
    other = await Talk.wait(callee)
    other.reply(486)
    response = await final(caller)
    assert (response.status, response.reason) == (486, "Busy Here")
    caller.acknowledge(response)


async def test_hears_reliably(make: Make, kind: str):
    caller, callee = await make(kind, registered=False), await make("udp")
    talk = await Talk.place(caller, callee.number, "Require: 100rel")
    other = await Talk.wait(callee)
    other.reply(180)
    ringing = await caller.response()
    assert ringing.status == 180 and "100rel" in ringing.require
    assert (await talk.prack(ringing)).status == 200
    other.reply(200, other.body())
    await callee.request("ACK")
    await talk.answered()
    assert (await talk.ask("BYE")).status == 200


async def test_refreshes_its_session(make: Make, kind: str):
    talk, _ = await talking(make, kind, "udp")
    refresh = (("Supported", "timer"), ("Session-Expires", "90;refresher=uac"))
    response = await talk.ask("UPDATE", *refresh)
    assert response.status == 200 and response.headers.get("Session-Expires") == "90;refresher=uac"
    short = await talk.ask("UPDATE", ("Supported", "timer"), ("Session-Expires", "30"))
    assert short.status == 422 and short.headers.get("Min-SE") == "90"
    assert (await talk.ask("BYE")).status == 200


async def test_transfers_blind(make: Make, kind: str):
    talk, other = await talking(make, kind, "udp")
    third = await make("udp")
    phone = talk.phone
    refer = await talk.ask("REFER", ("Refer-To", f"<sip:{third.number}@{phone.domain}>"))
    assert refer.status == 202
    joining = await Talk.wait(third)
    assert joining.request.headers.get("Referred-By") == f"<sip:{phone.number}@{phone.domain}>"
    joining.reply(200, joining.body())
    await third.request("ACK")
    said = []
    while not said or b"200" not in said[-1]:
        notify = await phone.request("NOTIFY")
        answer(phone, notify, 200)
        said.append(notify.body)
    assert said[0].startswith(b"SIP/2.0 100")
    await phone.request("BYE")
    assert other.phone.number != third.number


REFUSED = [
    (420, "INVITE", ("Require: juggling",), None),
    (406, "INVITE", ("Accept: text/plain",), None),
    (415, "INVITE", ("Content-Encoding: gzip",), None),
    (440, "INVITE", ("Max-Breadth: 0",), None),
    (481, "BYE", ("To: <sip:900@lab.example>;tag=none",), ""),
    (489, "SUBSCRIBE", ("Event: presence",), ""),
    (405, "PUBLISH", ("Event: presence",), ""),
    (405, "MESSAGE", (), ""),
    (501, "JUGGLE", (), ""),
    (401, "REFER", ("Refer-To: <sip:900@lab.example>",), ""),
    (401, "REGISTER", (), ""),
    (200, "OPTIONS", (), ""),
]


@pytest.mark.parametrize(("status", "method", "lines", "body"), REFUSED, ids=lambda value: str(value)[:20])
async def test_is_answered_at_once(
    make: Make, kind: str, status: int, method: str, lines: tuple[str, ...], body: str | None
):
    phone = await make(kind, registered=False)
    text = description(phone) if body is None else body
    phone.send(phone.build(method, f"sip:900@{phone.domain}", "Call-ID: once", *lines, body=text))
    assert (await final(phone)).status == status


async def test_a_wrong_secret_and_another_name_are_refused(make: Make, kind: str):
    phone = await make(kind, registered=False)
    phone.secret, secret = "wrong", phone.secret
    assert (await phone.register()).status == 403
    phone.secret = secret
    uri = f"sip:900@{phone.domain}"
    assert (await phone.ask("INVITE", uri, f"From: <sip:1@{phone.domain}>;tag=x", body="v=0")).status == 403


async def test_a_telephone_that_comes_back_after_its_connection_broke_is_called(
    make: Make, kind: str, instance: Instance
):
    lost, caller = await make(kind), await make("udp", registered=False)
    lost.close()
    callee = await telephone(instance, Person(lost.number, "", lost.secret), kind)
    try:
        if kind == "tls":  # a page is waited for while it reconnects, nobody else is
            assert (await callee.register("Expires: 600")).status == 200
        talk = await Talk.place(caller, callee.number)
        if kind != "tls":
            assert (await callee.register("Expires: 600")).status == 200
        other = await Talk.wait(callee)
        other.reply(200, other.body(setup="active"))
        await talk.answered()
        assert (await talk.ask("BYE")).status == 200
    finally:
        callee.close()


async def _answers_a_reinvite(other: Talk, seen: str, said: str) -> None:
    again = await other.phone.request("INVITE")
    assert seen in again.body.decode()
    answer(other.phone, again, 200, other.body(said, setup="active"))
    await other.phone.request("ACK")


async def _both(asking: Awaitable[Response], answering: Awaitable[None]) -> Response:
    """What is answered to the one, while the other side does what it has to."""
    response, _ = await asyncio.gather(asking, answering)
    return response
