"""The odd peers of docs/rfcs.md that SIPp cannot play, each against the whole product. The others are rows of
test_scenarios_calls, _inside and _formats; what is the endpoint's alone stands in tests/sip/test_quirks.py.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from tests.e2e.instance import Instance, Person
from tests.e2e.streams import Talk, answer, final, telephone
from tests.e2e.wait import until
from tests.edge.telephone import Telephone
from ucplatform.sip.digest import Challenge, authorize
from ucplatform.sip.message import Response

pytestmark = pytest.mark.asyncio(loop_scope="module")

Make = Callable[..., Awaitable[Telephone]]


@pytest.fixture(scope="module")
def people(instance: Instance) -> Iterator[Person]:
    """Whom nobody else uses."""
    everybody = [Person(str(n), f"Odd {n}", f"secret-{n}") for n in range(5300, 5340)]
    instance.load(everybody)
    return iter(everybody)


@pytest_asyncio.fixture(loop_scope="module")
async def make(instance: Instance, people: Iterator[Person]) -> AsyncIterator[Make]:
    """make(*lines): a telephone over UDP, registered with these headers; make(None): not registered."""
    async with AsyncExitStack() as stack:

        async def new(*lines: str | None) -> Telephone:
            phone = await telephone(instance, next(people), "udp")
            stack.callback(phone.close)
            if None not in lines:
                assert (await phone.register(*(line for line in lines if line))).status == 200
            return phone

        yield new


async def up(caller: Telephone, callee: Telephone) -> tuple[Talk, Talk]:
    """A call that both sides have taken."""
    talk = await Talk.place(caller, callee.number)
    other = await Talk.wait(callee)
    other.reply(200, other.body())
    await callee.request("ACK")
    await talk.answered()
    return talk, other


def registration(instance: Instance, number: str) -> str:
    """The edge's line about this extension's device."""

    def look() -> str:
        lines = (instance.data / "log" / "edge-1.log").read_text(errors="replace").splitlines()
        return next((line for line in lines if f" registered number={number} " in line), "")

    return until(look, 5, f"the registration of {number} in the log")


# ---- what a NAT or a SIP ALG does to a REGISTER

INNER, OUTER = "10.1.2.3:5060", "198.51.100.7:5060"
VIA = "SIP/2.0/UDP {};rport"


@pytest.mark.parametrize(
    ("noticed", "via", "contact", "call_id"),
    [
        ("nat", INNER, INNER, "x"),
        ("nat,alg-via", "", INNER, "x"),
        ("nat,alg-contact", INNER, OUTER, "x"),
        ("nat,alg-port", "127.0.0.1:5070", "", "x"),
        ("alg", "", "", INNER.partition(":")[0]),
        ("transport", "", "{};transport=tcp", "x"),
    ],
)
async def test_what_was_done_to_a_registration_is_named_and_the_device_is_reached(
    make: Make, instance: Instance, noticed: str, via: str, contact: str, call_id: str
):
    callee, caller = await make(None), await make(None)
    own = callee.address
    callee.via = (VIA.format(via or own),)
    callee.address = call_id  # which is what stands behind the @ of its Call-ID
    line = f"Contact: <sip:{callee.number}@{(contact or own).format(own)}>"
    assert (await callee.register(line, "Expires: 600")).status == 200
    callee.via, callee.address = (), own
    assert f"noticed={noticed}" in registration(instance, callee.number).split(" ")
    talk, other = await up(caller, callee)
    assert (await talk.ask("BYE")).status == 200
    assert (await callee.request("BYE")).call_id == other.request.call_id


# ---- spelling


class LineFeeds(Telephone):
    """A telephone that ends its lines by LF alone."""

    def send(self, data: bytes, to: tuple[str, int] | None = None) -> None:
        head, _, body = data.partition(b"\r\n\r\n")
        super().send(head.replace(b"\r\n", b"\n") + b"\n\n" + body, to)


async def test_a_telephone_that_ends_its_lines_by_line_feeds_alone_calls_and_is_called(
    instance: Instance, people: Iterator[Person]
):
    server = ("127.0.0.1", instance.sip_port)
    phones = []
    for person in (next(people), next(people)):
        phones.append(await LineFeeds(person.number, person.secret, server, instance.domain).open())
        assert (await phones[-1].register()).status == 200
    talk, _ = await up(*phones)
    assert (await talk.ask("BYE")).status == 200
    for phone in phones:
        phone.close()


async def test_a_datagram_needs_no_content_length_and_no_max_forwards(make: Make):
    phone = await make(None)
    data = phone.build("OPTIONS", f"sip:{phone.domain}", "Call-ID: short")
    phone.send(data.replace(b"Max-Forwards: 70\r\n", b"").replace(b"Content-Length: 0\r\n", b""))
    assert (await final(phone)).status == 200


# ---- repeated and lost


async def test_an_invite_that_comes_three_times_rings_once(make: Make):
    caller, callee = await make(None), await make()
    send, sent = caller.send, []
    caller.send = lambda data, to=None: sent.append(data) or send(data, to)  # type: ignore[func-returns-value]
    talk = await Talk.place(caller, callee.number)
    other = await Talk.wait(callee)
    for _ in range(2):
        send(sent[-1])
    other.reply(180)
    other.reply(200, other.body())
    await callee.request("ACK")
    await talk.answered()
    assert (await talk.ask("BYE")).status == 200
    assert (await callee.requests.get()).method == "BYE"


async def test_a_2xx_that_comes_again_gets_its_ack_each_time(make: Make):
    caller, callee = await make(None), await make()
    talk, other = await up(caller, callee)
    for _ in range(3):
        other.reply(200, other.body())
        ack = await callee.request("ACK")
        assert ack.cseq.number == other.request.cseq.number
    assert (await talk.ask("BYE")).status == 200


async def test_a_2xx_without_an_ack_comes_again_until_there_is_one(make: Make):
    caller, callee = await make(None), await make()
    talk = await Talk.place(caller, callee.number)
    other = await Talk.wait(callee)
    other.reply(200, other.body())
    first = await final(caller)
    assert (await final(caller)).to_bytes() == first.to_bytes()
    caller.responses.put_nowait(first)
    await talk.answered()
    assert (await talk.ask("BYE")).status == 200


# ---- numbers that go back


async def test_a_register_that_counts_back_comes_too_late(make: Make):
    """RFC 3261 10.3 step 7."""
    phone = await make(None)
    uri, to = f"sip:{phone.domain}", f"To: <sip:{phone.number}@{phone.domain}>"
    for cseq, status in ((50, 200), (40, 500), (60, 200)):
        response = await signed(phone, "REGISTER", uri, cseq, to, "Call-ID: counts")
        assert response.status == status


async def test_a_request_in_a_call_that_counts_back_is_refused_and_the_call_lives(make: Make):
    """RFC 3261 12.2.2."""
    talk, _ = await up(await make(None), await make())
    assert (await talk.ask("INFO")).status == 200
    assert talk.dialog is not None
    ahead, talk.dialog = talk.dialog, talk.dialog._replace(local_cseq=1)
    assert (await talk.ask("INFO")).status == 500
    talk.dialog = ahead
    assert (await talk.ask("BYE")).status == 200


async def test_credentials_that_are_sent_again_are_stale_and_not_wrong(make: Make):
    """RFC 7616 3.3: the count of a nonce was used before."""
    phone = await make(None)
    send, sent = phone.send, []
    phone.send = lambda data, to=None: sent.append(data) or send(data, to)  # type: ignore[func-returns-value]
    assert (await phone.register()).status == 200
    again = sent[-1].replace(b";branch=z9hG4bK", b";branch=z9hG4bKagain").replace(b"CSeq: ", b"CSeq: 1")
    send(again)
    response = await final(phone)
    assert response.status == 401
    assert "stale=true" in (response.headers.get("WWW-Authenticate") or "").lower()


# ---- answers that are none


@pytest.mark.parametrize("body", ["", "v=0\r\nthis is none\r\n"], ids=["none", "malformed"])
async def test_an_answer_without_a_description_ends_the_call_at_both_sides(make: Make, body: str):
    caller, callee = await make(None), await make()
    talk = await Talk.place(caller, callee.number)
    other = await Talk.wait(callee)
    other.reply(200, body)
    await callee.request("ACK")
    answer(callee, await callee.request("BYE"), 200)
    assert (await final(talk.phone)).status == 488


async def test_an_answer_that_switches_the_sound_off_ends_the_call_at_both_sides(make: Make):
    """Port 0 (RFC 3264 6): nothing is left to talk by."""
    caller, callee = await make(None), await make()
    talk = await Talk.place(caller, callee.number)
    other = await Talk.wait(callee)
    other.reply(200, other.body().replace("m=audio 40000", "m=audio 0"))
    await callee.request("ACK")
    answer(callee, await callee.request("BYE"), 200)
    assert (await final(talk.phone)).status == 488


async def test_a_device_that_hangs_up_in_the_moment_it_answers_is_heard(make: Make):
    """Early BYE: the caller has its 200, and our BYE behind its ACK."""
    caller, callee = await make(None), await make()
    talk = await Talk.place(caller, callee.number)
    other = await Talk.wait(callee)
    other.reply(200, other.body())
    callee.send(callee.inside("BYE", other.request, callee.tag))
    assert (await final(callee)).status == 200
    await talk.answered()
    await caller.request("BYE")


async def test_a_bye_of_a_device_that_only_rings_ends_nothing_of_the_others(make: Make):
    """BYE on an early dialog is the caller's alone (RFC 3261 15)."""
    caller, callee = await make(None), await make()
    talk = await Talk.place(caller, callee.number)
    other = await Talk.wait(callee)
    other.reply(180)
    assert (await caller.response()).status == 180
    callee.send(callee.inside("BYE", other.request, callee.tag))
    assert (await final(callee)).status in (200, 481)
    other.reply(200, other.body())
    await callee.request("ACK")
    await talk.answered()
    assert (await talk.ask("BYE")).status == 200


async def signed(phone: Telephone, method: str, uri: str, cseq: int, *lines: str) -> Response:
    """A request with a CSeq of its own, and once more with credentials."""
    phone.send(phone.build(method, uri, *lines, cseq=cseq))
    challenge = await final(phone)
    asked = Challenge.parse(challenge.headers.get("WWW-Authenticate") or "")
    credentials = authorize(asked, method, uri, phone.number, phone.secret, "c")
    phone.send(phone.build(method, uri, *lines, f"Authorization: {credentials}", cseq=cseq + 1))
    return await final(phone)
