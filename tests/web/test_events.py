"""`/events`: from our own pages only, for the person and the session that opened it."""

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.db import transaction

from ucplatform.asgi import application
from ucplatform.notify import actions as notify
from ucplatform.web.consumers import SIGNED_OUT

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("built")]


class Socket(WebsocketCommunicator):
    """A page's socket; `host`, `origin` and cookies as a browser sends them through the front."""

    def __init__(self, client=None, *, host="localhost:8000", origin="http://localhost:8000", **headers):
        given = {"host": host, "origin": origin, **{k.replace("_", "-"): v for k, v in headers.items()}}
        if client is not None:
            given["cookie"] = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
        path = given.pop("path", "/events")
        super().__init__(
            application, path, [(k.encode(), v.encode()) for k, v in given.items() if v is not None]
        )


async def opened(socket):
    accepted, _ = await socket.connect(timeout=5)
    assert accepted
    assert await socket.receive_json_from(timeout=5) == {"type": "hello"}
    return socket


async def page_of(visitor, user):
    """A browser whose page is open, so that its session has a tag."""
    client = await sync_to_async(visitor)(user)
    await sync_to_async(client.get)("/")
    return client


async def publish(*args):
    def in_transaction():
        with transaction.atomic():
            notify.publish(*args)

    await sync_to_async(in_transaction)()


async def test_each_person_hears_of_their_own(visitor, alice, bob, charlie):
    sockets = [await opened(Socket(await page_of(visitor, user))) for user in (alice, bob, charlie)]
    await publish([alice.pk, bob.pk, None, alice.pk], "calls.changed")
    for socket in sockets[:2]:
        assert await socket.receive_json_from(timeout=5) == {"type": "calls.changed"}
        assert await socket.receive_nothing()
    assert await sockets[2].receive_nothing()
    for socket in sockets:
        await socket.disconnect()


async def test_an_ingested_call_is_heard_by_its_parties(visitor, alice, bob):
    from ucplatform.calls import actions

    socket = await opened(Socket(await page_of(visitor, bob)))
    party = {"number": "201", "name": "Alice", "extension": "201"}
    times = {"created": 1.0, "ended": 2.0, "result": "missed"}
    callee = {"number": "202", "extension": "202"}
    await sync_to_async(actions.ingest)([{"id": "c-1", "caller": party, "callee": callee, **times}])
    assert await socket.receive_json_from(timeout=5) == {"type": "calls.changed"}
    await socket.disconnect()


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": None},
        {"origin": "null"},
        {"origin": "http://localhost:8001"},
        {"origin": "https://localhost:8000"},
        {"origin": "http://localhost:8000.evil.example"},
        {"host": "evil.example", "origin": "http://evil.example"},
        {"path": "/other"},
    ],
)
async def test_a_foreign_page_is_refused_whatever_its_cookie(visitor, alice, headers, caplog, settings):
    settings.UC_ALLOWED_ORIGINS = ["https://evil.example"]  # that is for /sip only
    client = await page_of(visitor, alice)
    accepted, _ = await Socket(client, **headers).connect(timeout=5)
    assert not accepted
    assert caplog.text.count("refused WebSocket") == 1


async def test_over_https_by_a_lan_address(visitor, alice):
    client = await page_of(visitor, alice)
    there = {"host": "192.168.1.20:8443", "origin": "https://192.168.1.20:8443", "x_forwarded_proto": "https"}
    socket = await opened(Socket(client, **there))
    await socket.disconnect()


async def test_who_is_not_signed_in_is_told_so(redis):
    socket = Socket()
    assert (await socket.connect(timeout=5))[0]
    assert (await socket.receive_output(timeout=5))["code"] == SIGNED_OUT


async def test_signing_out_in_one_tab_closes_the_others_of_that_session(visitor, alice):
    here, elsewhere = await page_of(visitor, alice), await page_of(visitor, alice)
    mine, other = await opened(Socket(here)), await opened(Socket(elsewhere))
    await sync_to_async(here.post)("/accounts/logout/")
    assert (await mine.receive_output(timeout=5))["code"] == SIGNED_OUT
    assert await other.receive_nothing()
    await other.disconnect()


async def test_what_a_page_says_is_ignored(visitor, alice):
    socket = await opened(Socket(await page_of(visitor, alice)))
    await socket.send_to(text_data='{"type": "ui.event", "kind": "x"}')
    await socket.send_to(text_data="not json")
    await socket.send_to(bytes_data=b"\x00\xff")
    await publish([alice.pk], "extension.changed")
    assert await socket.receive_json_from(timeout=5) == {"type": "extension.changed"}
    await socket.disconnect()


async def test_a_rolled_back_write_is_not_heard(visitor, alice):
    socket = await opened(Socket(await page_of(visitor, alice)))

    def fail():
        with transaction.atomic():
            notify.publish([alice.pk], "calls.changed")
            transaction.set_rollback(True)

    await sync_to_async(fail)()
    assert await socket.receive_nothing()
    await socket.disconnect()
