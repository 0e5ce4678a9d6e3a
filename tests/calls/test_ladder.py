"""The ladder of a call's messages, from the trace's files to the API."""

import json

import pytest
from django.conf import settings

from ucplatform.calls import actions
from ucplatform.calls.ladder import label_of
from ucplatform.calls.models import Call

OFFER = (
    "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n"
    "m=audio 4000 RTP/AVP 8 9 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:9 G722/8000\r\n"
    "a=rtpmap:101 telephone-event/8000\r\na=sendonly\r\n"
)
INVITE = "INVITE sip:202@test.example SIP/2.0\r\nContent-Type: application/sdp\r\n\r\n" + OFFER
CALLER = {"transport": "ws", "remote": "192.0.2.7:50000", "local": "192.0.2.1:443"}
CALLEE = {"transport": "udp", "remote": "192.0.2.9:5060", "local": "192.0.2.1:5060"}
STEPS = [
    {"t": 0.0, "kind": "sip", "dir": "in", "leg": None, "flow": CALLER, "text": INVITE},
    {
        "t": 0.01,
        "kind": "sip",
        "dir": "out",
        "leg": "leg1",
        "flow": CALLER,
        "text": "SIP/2.0 100 Trying\r\n\r\n",
    },
    {"t": 0.02, "kind": "sip", "dir": "out", "leg": "leg2", "flow": CALLEE, "text": INVITE},
    {
        "t": 0.5,
        "kind": "sip",
        "dir": "in",
        "leg": "leg2",
        "flow": CALLEE,
        "text": "SIP/2.0 180 Ringing\r\n\r\n",
    },
    {"t": 3.0, "kind": "sip", "dir": "in", "leg": "leg2", "flow": CALLEE, "text": "SIP/2.0 200 OK\r\n\r\n"},
    {"t": 3.2, "kind": "event", "leg": "leg1", "event": "dtls", "detail": {"state": "connected"}},
    {"t": 9.0, "kind": "event", "leg": "leg2", "event": "media-timeout", "detail": {}},
    {
        "t": 9.5,
        "kind": "sip",
        "dir": "out",
        "leg": "leg1",
        "flow": CALLER,
        "text": "SIP/2.0 486 Busy <b>Here</b>",
    },
    {"t": 9.6, "kind": "sip", "dir": "in", "leg": "leg3", "flow": {}, "text": "\x00 garbage"},
]


@pytest.fixture
def traced(alice, bob, record):
    """A stored call and its trace on disk; returns the call's id."""
    made = record()
    actions.ingest([made])
    settings.UC_TRACE_DIR.mkdir(exist_ok=True)
    data = settings.UC_TRACE_DIR / f"{int(made['created'])}-1.seg"
    offset = 0
    with data.open("wb") as segment, data.with_suffix(".idx").open("w") as index:
        for step in STEPS:
            line = (
                json.dumps({**step, "t": made["created"] + 0.25 + step["t"], "call": made["id"]}).encode()
                + b"\n"
            )
            segment.write(line)
            index.write(f"{made['id']} {offset} {len(line)}\n")
            offset += len(line)
    yield made["id"]
    for path in settings.UC_TRACE_DIR.iterdir():
        path.unlink()


@pytest.fixture
def ladder(visitor, traced, alice):
    return visitor(alice).get(f"/api/v1/calls/{traced}/messages").json()


def test_lanes_stand_in_the_order_of_the_call(ladder):
    assert [(lane["id"], lane["role"], lane["device"], lane["label"]) for lane in ladder["lanes"]] == [
        ("leg1", "caller", "browser", "Alice 201"),
        ("server", "server", None, "Server"),
        ("leg2", "callee", "phone", "Bob 202"),
        ("leg3", "callee", None, "leg3"),
    ]


def test_rows_run_between_a_device_and_the_server(ladder):
    assert [(i["from"], i["to"], i["label"], i["class"]) for i in ladder["items"]] == [
        ("leg1", "server", "INVITE", "request"),  # no leg yet: found by the address
        ("server", "leg1", "100 Trying", "1xx"),
        ("server", "leg2", "INVITE", "request"),
        ("leg2", "server", "180 Ringing", "1xx"),
        ("leg2", "server", "200 OK", "2xx"),
        ("leg1", "server", "dtls", "media"),
        ("leg2", "server", "media-timeout", "warn"),
        ("server", "leg1", "486 Busy <b>Here</b>", "error"),
        ("leg3", "server", "?", "warn"),
    ]


def test_times_count_from_the_invite(ladder):
    assert [round(item["t"], 2) for item in ladder["items"][:4]] == [0, 0.01, 0.02, 0.5]
    assert ladder["items"][0]["time"] == pytest.approx(1_790_000_000.25)


def test_detail_names_codecs_and_events(ladder):
    first, *_ = ladder["items"]
    assert first["detail"] == "PCMA, G722 sendonly"
    assert first["text"] == INVITE
    assert ladder["items"][5]["detail"] == "connected"
    assert ladder["items"][5]["text"] is None


@pytest.mark.parametrize(
    ("name", "number", "label"),
    [
        ("Reception", "200", "Reception 200"),
        ("Web 200", "200", "Web 200"),
        ("", "200", "200"),
        ("A12", "2", "A12 2"),
    ],
)
def test_a_lane_says_its_number_once(name, number, label):
    assert label_of(name, number) == label


def test_parties_and_administrators_only(visitor, traced, bob, charlie, admin):
    path = f"/api/v1/calls/{traced}/messages"
    assert visitor(bob).get(path).status_code == 200
    assert visitor(admin).get(path).status_code == 200
    assert visitor(charlie).get(path).status_code == 404
    assert visitor().get(path).status_code == 401


def test_a_call_whose_trace_is_gone_has_lanes_and_no_rows(visitor, alice, bob, record):
    actions.ingest([record(result="missed", legs=[])])
    answer = visitor(alice).get(f"/api/v1/calls/{Call.objects.get().pk}/messages").json()
    assert answer["items"] == []
    assert [lane["id"] for lane in answer["lanes"]] == ["caller", "server"]
