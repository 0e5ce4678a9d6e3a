"""What must be refused is refused, and the log says so in one line."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.e2e.conftest import MakePhone
from tests.e2e.instance import Instance, Person
from tests.e2e.stranger import SDP, Stranger
from tests.e2e.wait import until


def refusals(instance: Instance, *words: str) -> list[str]:
    """The edge's lines about refused things that hold all of these words."""
    log = (instance.data / "log" / "edge-1.log").read_text(errors="replace")
    return [line for line in log.splitlines() if " refused " in line and all(word in line for word in words)]


def assert_one_line(instance: Instance, *words: str) -> None:
    """The refusal is told, and told once."""
    until(lambda: refusals(instance, *words), 5, f"a line with {words}")
    assert len(refusals(instance, *words)) == 1


def test_a_call_without_credentials_is_challenged_and_goes_nowhere(
    instance: Instance, desk: Person, make_phone: MakePhone
):
    phone = make_phone(desk)
    with Stranger(instance, "399") as stranger:
        mark = phone.mark()
        assert stranger.request("INVITE", desk.number, body=SDP).status == 401
        assert stranger.request("INVITE", "*43", body=SDP).status == 401
        assert stranger.request("OPTIONS", desk.number).status == 200  # the server lives
        assert not phone.has_event("CALL_INCOMING", mark)
        until(
            lambda: refusals(instance, "no-credentials", stranger.call_id), 10, "the line of the refused call"
        )
        assert_one_line(instance, "no-credentials", stranger.call_id)


@pytest.mark.parametrize("method", ["MESSAGE", "SUBSCRIBE", "PUBLISH", "REFER"])
def test_nothing_is_made_without_an_account(instance: Instance, desk: Person, method: str):
    with Stranger(instance, "399") as stranger:
        assert stranger.request(method, desk.number).status in (401, 405, 489)


def test_a_wrong_password_is_refused_in_one_line(instance: Instance, desk: Person):
    with Stranger(instance, desk.number) as stranger:
        assert stranger.signed("INVITE", "*43", desk, "wrong", SDP).status == 403
        assert_one_line(instance, "wrong-credentials", stranger.call_id)


def test_an_unknown_account_is_refused_like_a_wrong_password(instance: Instance, desk: Person):
    nobody = Person("777", "", "guess")
    with Stranger(instance, "777") as unknown, Stranger(instance, desk.number) as known:
        one, two = (
            unknown.signed("REGISTER", "777", nobody),
            known.signed("REGISTER", desk.number, desk, "guess"),
        )
        assert (one.status, one.reason) == (two.status, two.reason) == (403, "Forbidden")
        assert [name for name, _ in one.headers] == [name for name, _ in two.headers]


def test_another_extensions_from_is_refused(instance: Instance, desk: Person):
    other = instance.take_person(web=False)
    with Stranger(instance, other.number) as stranger:
        assert stranger.signed("INVITE", "*43", desk, body=SDP).status == 403
        assert_one_line(instance, "foreign-from", stranger.call_id)


def test_a_registration_of_another_number_is_refused(instance: Instance, desk: Person):
    other = instance.take_person(web=False)
    with Stranger(instance, desk.number) as stranger:
        assert stranger.signed("REGISTER", other.number, desk).status == 403
        assert_one_line(instance, "foreign-to", stranger.call_id)


def test_a_forged_bye_ends_no_call(instance: Instance, desk: Person, make_phone: MakePhone):
    phone = make_phone(desk)
    since = phone.dial("*43")
    phone.wait_talking(since=since)
    call_id = until(lambda: _call_id(phone.messages()), 5, "the Call-ID of the phone's call")
    with Stranger(instance, desk.number) as stranger:
        assert stranger.request("BYE", "*43", call_id=call_id, to_tag="guessed").status == 481
        assert_one_line(instance, "no-such-dialog", call_id)
    assert not phone.has_event("CALL_CLOSED", since)
    phone.wait_hears(440)
    phone.hang_up()


def _call_id(messages: str) -> str:
    """The Call-ID of the last INVITE in a phone's trace."""
    _, _, last = messages.rpartition("INVITE sip:")
    return next((line[8:].strip() for line in last.splitlines() if line.startswith("Call-ID:")), "")


def test_a_websocket_from_a_foreign_page_is_refused(instance: Instance):
    async def knock() -> int:
        try:
            async with connect(
                f"{instance.http.replace('http', 'ws')}/sip",
                subprotocols=["sip"],
                origin="https://evil.example",
            ):
                return 101
        except InvalidStatus as refused:
            return refused.response.status_code

    assert asyncio.run(knock()) == 403
    assert_one_line(instance, "https://evil.example")


def test_a_frame_of_a_mebibyte_closes_with_1009(instance: Instance):
    async def shout() -> tuple[int, str]:
        async with connect(f"{instance.http.replace('http', 'ws')}/sip", subprotocols=["sip"]) as socket:
            local = socket.local_address[1]
            with contextlib.suppress(ConnectionClosed):
                await socket.send("X" * 2**20)
            await socket.wait_closed()
            return socket.close_code or 0, str(local)

    before = len(refusals(instance))
    code, _ = asyncio.run(shout())
    assert code == 1009
    until(lambda: len(refusals(instance)) > before, 5, "a line about the frame")
    assert len(refusals(instance)) == before + 1
