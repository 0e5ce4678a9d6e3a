"""Where calls live: who hears of what, what survives a restart, what is left behind by a call (nothing)."""

import asyncio
from pathlib import Path

import pytest

from tests.pbx.lab import ALICE, BOB, HOUSE, binding, page_flow, phone_flow, request, sdp
from ucplatform.edge.callroom import RESTARTED, SNAPSHOT, TIMER, CallRoom
from ucplatform.edge.journal import Journal
from ucplatform.edge.store import Store
from ucplatform.edge.trace import TraceWriter
from ucplatform.media import MediaClient
from ucplatform.pbx.call import Call
from ucplatform.pbx.inputs import (
    DeviceBack,
    FlowLost,
    HangUp,
    InDialog,
    InviteIn,
    MediaDone,
    ReplaceIn,
    Reply,
)
from ucplatform.pbx.registrar import Binding
from ucplatform.pbx.routing import UNKNOWN, ToExtension
from ucplatform.sip.flow import Address, Flow
from ucplatform.sip.locate import Target
from ucplatform.sip.message import Request, make_response


class FarEnd:
    """The other end of the room's line: what leaves is kept, connections are open or not as the test says."""

    def __init__(self) -> None:
        self.sent: list[tuple[Request, Flow]] = []
        self.answers: list[int] = []
        self.timers: set[tuple[str, ...]] = set()
        self.closed: set[str] = set()
        self.dialled: list[Address] = []
        self.deaf: set[Address] = set()
        self.names: dict[str, list[str]] = {}
        self.registered: dict[tuple[str, str], Flow] = {}
        self.moved = asyncio.Event()

    def send_request(self, request, flow, context):
        self.sent.append((request, flow))
        self.moved.set()
        return ("c", str(len(self.sent)))

    def respond(self, key, response):
        self.answers.append(response.status)

    def cancel(self, key, headers):
        pass

    def acknowledge(self, request, flow):
        pass

    def set_timer(self, key, seconds):
        self.timers.add(key)

    def cancel_timer(self, key):
        self.timers.discard(key)

    def find(self, number):
        return UNKNOWN, ()

    def is_open(self, flow):
        return flow.id not in self.closed

    def call_opened(self, call_id, leg_id, invite):
        pass

    def registered_flow(self, number, instance, target):
        return self.registered.get((number, instance))

    async def locate(self, uri, transport):
        addresses = self.names.get(uri.host, [uri.host])
        return [Target(transport, (address, uri.port or 5060), uri.host) for address in addresses]

    async def dial(self, target):
        self.dialled.append(target.address)
        if target.address in self.deaf:
            raise ConnectionRefusedError
        return tcp_flow("tcp-new", target.address[0])


def tcp_flow(name: str, host: str = "192.0.2.20") -> Flow:
    return Flow(name, "tcp", ("192.0.2.1", 5060), (host, 41000))


class Room:
    """A room over a far end, with a journal and a trace of its own, and engines that are never reached."""

    def __init__(self, path: Path) -> None:
        self.far = FarEnd()
        self.records: list[dict] = []
        self.journal = Journal(path / "journal", self.records.extend)
        self.trace = TraceWriter(path / "trace", "1", 60.0)
        self.store = Store("redis://127.0.0.1:1/0")
        self.media = MediaClient(["127.0.0.1:9"])
        self.calls = CallRoom(
            self.far, store=self.store, trace=self.trace, journal=self.journal, media=self.media
        )

    def dial(self, *devices: Binding, flow: Flow | None = None, call_id: str = "call-1") -> Call:
        invite = request("INVITE", "201", sdp(), call_id=call_id)
        event = InviteIn(("s", call_id), invite, flow or phone_flow(10), ALICE, ToExtension(BOB), devices)
        return self.calls.open(HOUSE, event)

    def talk(self, device: Binding | None = None, **more) -> Call:
        call = self.dial(device or binding(), **more)
        self.calls.feed(call, MediaDone("offer:leg2", {"sdp": sdp(1, 5000)}))
        invite = self.far.sent[-1][0]
        contact = (("Contact", "<sip:201@192.0.2.20:5066>"),)
        answer = make_response(
            invite, 200, to_tag="b", headers=contact, body=sdp(20).encode(), content_type="application/sdp"
        )
        self.calls.feed(call, Reply("leg2", "invite", answer))
        self.calls.feed(call, MediaDone("answer", {"sdp": sdp(1, 6000)}))
        assert call.state == "talking"
        return call

    def stored(self, call: Call) -> str | None:
        return self.store._made(SNAPSHOT + call.id).text

    async def close(self) -> None:
        await self.calls.stop()
        await self.media.close()
        await asyncio.to_thread(self.trace.close)
        await self.written()

    async def written(self) -> list[dict]:
        """All records of this room, which writes no more."""
        journal, self.journal = self.journal, None
        if journal is not None:
            await asyncio.to_thread(journal.close)
        return self.records


@pytest.fixture
async def room(tmp_path):
    room = Room(tmp_path)
    yield room
    await room.close()


async def test_only_the_calls_on_a_connection_hear_that_it_is_lost(room):
    mine = room.dial(binding(), flow=page_flow("ws-1"))
    other = room.dial(binding(), flow=page_flow("ws-2"), call_id="call-2")
    room.calls.flow_lost(FlowLost("ws-1"))
    assert (mine.state, other.state) == ("over", "ringing")


async def test_a_call_that_is_forgotten_leaves_nothing_behind(room):
    call = room.talk(flow=page_flow("ws-1"))
    stale = ReplaceIn(("s", "x"), request("INVITE", "201", sdp()), page_flow("ws-3"), ALICE, "leg9")
    room.calls.feed(call, stale)
    room.calls.feed(call, HangUp("ended_by_house"))
    room.calls.feed(call, MediaDone("delete", {}))
    room.calls.feed(call, FlowLost("ws-1"))
    for table in ("calls", "_index", "_invites"):
        assert not len(getattr(room.calls, table)), table
    assert room.stored(call) is None


async def test_a_bye_reaches_a_telephone_whose_connection_is_gone(room):
    call = room.talk(binding(flow=tcp_flow("tcp-1")))
    room.far.closed.add("tcp-1")
    room.far.moved.clear()
    room.calls.feed(call, HangUp("ended_by_house"))
    async with asyncio.timeout(5):
        while room.far.sent[-1][1].id != "tcp-new":
            room.far.moved.clear()
            await room.far.moved.wait()
    assert room.far.sent[-1][0].method == "BYE" and room.far.dialled == [("192.0.2.20", 5066)]


async def test_a_bye_that_goes_out_when_the_call_is_forgotten_leaves_nothing_behind(room):
    call = room.talk(binding(flow=tcp_flow("tcp-1")))
    room.far.closed.add("tcp-1")
    room.calls.feed(call, HangUp("ended_by_house"))
    room.calls.feed(call, MediaDone("delete", {}))
    await asyncio.gather(*room.calls._dials)
    assert room.far.sent[-1][1].id == "tcp-new" and not len(room.calls._index) and not room.calls.calls


async def test_nobody_is_dialled_whose_contact_is_not_where_the_device_came_from(room):
    room.far.closed.add("tcp-1")
    call = room.dial(binding(host=99, flow=tcp_flow("tcp-1")))
    room.calls.feed(call, MediaDone("offer:leg2", {"sdp": sdp(1, 5000)}))
    await asyncio.gather(*room.calls._dials, return_exceptions=True)
    assert room.far.dialled == [] and call.legs["leg2"].failure == (503, "Unreachable")


async def test_a_contact_may_be_a_name_that_leads_to_where_the_device_came_from(room):
    room.far.closed.add("tcp-1")
    room.far.names["phone.test"] = ["198.51.100.9", "192.0.2.20"]
    call = room.dial(binding(flow=tcp_flow("tcp-1"))._replace(contact="sip:201@phone.test"))
    room.calls.feed(call, MediaDone("offer:leg2", {"sdp": sdp(1, 5000)}))
    await asyncio.gather(*room.calls._dials, return_exceptions=True)
    assert room.far.dialled == [("192.0.2.20", 5060)] and room.far.sent[-1][1].id == "tcp-new"


async def test_where_the_contact_does_not_answer_the_device_is_not_reached(room):
    room.far.closed.add("tcp-1")
    room.far.deaf.add(("192.0.2.20", 5060))
    call = room.dial(binding(flow=tcp_flow("tcp-1")))
    room.calls.feed(call, MediaDone("offer:leg2", {"sdp": sdp(1, 5000)}))
    await asyncio.gather(*room.calls._dials, return_exceptions=True)
    assert call.legs["leg2"].failure == (503, "Unreachable")


async def test_a_device_that_has_registered_by_a_new_connection_is_reached_by_it(room):
    call = room.talk(binding(flow=tcp_flow("tcp-1")))
    room.far.closed.add("tcp-1")
    room.far.registered["201", "<20>"] = tcp_flow("tcp-2")
    room.calls.feed(call, HangUp("ended_by_house"))
    assert room.far.sent[-1][0].method == "BYE" and room.far.sent[-1][1].id == "tcp-2"
    assert room.far.dialled == []


async def test_a_call_is_stored_until_its_record_is_written(room):
    call = room.talk()
    room.calls.feed(call, HangUp("ended_by_house"))
    assert '"state": "over"' in room.stored(call)
    again = Call.from_json(call.to_json() | {"legs": [leg.to_json() for leg in call.legs.values()]}, HOUSE)
    room.calls.feed(call, MediaDone("delete", {}))
    assert room.stored(call) is None
    room.calls._restore(again)
    assert [record["id"] for record in await room.written()] == [call.id, call.id], (
        "the row is made once, by its id"
    )


async def test_a_call_that_rang_when_the_edge_stopped_ends_when_it_listens_again(room):
    call = room.dial(binding())
    room.calls._forget(call)
    again = Call.from_json(call.to_json(), HOUSE)
    room.calls._restore(again)
    assert again.state == "ringing" and (TIMER, call.id, RESTARTED) in room.far.timers
    room.calls.timer(call.id, RESTARTED)
    assert again.state == "over" and again.outcome.cause == "server_restart"


async def test_a_call_that_was_read_back_hears_of_its_page(room):
    call = room.talk(flow=page_flow("ws-1"))
    room.calls._forget(call)
    again = Call.from_json(call.to_json(), HOUSE)
    room.calls._restore(again)
    assert again.caller.lost
    room.calls.device_back(DeviceBack(binding("200", flow=page_flow("ws-2"))))
    assert not again.caller.lost and again.caller.flow.id == "ws-2"


async def test_an_engine_that_restarted_ends_the_calls_it_had(room):
    call = room.talk()
    room.calls.media_event({"event": "engine-restarted", "engine": "127.0.0.1:9"})
    assert call.state == "over" and call.outcome.cause == "media_lost"


async def test_a_fault_of_ours_answers_the_request_and_ends_the_call(room):
    call = room.talk()
    leg = call.legs["leg2"]
    leg.session = None  # what no code should ever do
    message = request(
        "INVITE", "x", sdp(20, version=2), call_id=leg.sip_call_id, from_tag="b", to_tag=leg.local_tag, cseq=7
    )
    before = len(room.far.answers)
    room.calls.feed(call, InDialog("leg2", ("s", "again"), message))
    assert room.far.answers[before:] == [500] and call.state == "over"
