"""The history over HTTP: alice and bob see their calls, charlie none of them, an administrator all."""

import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from ucplatform.calls import actions, listing

ROWS = (
    {"result": "answered"},
    {"result": "missed", "status": 487},
    {"result": "declined", "status": 603},
    {"result": "busy", "status": 486},
)


@pytest.fixture
def calls(alice, bob, record):
    """Four calls of alice to bob, a minute apart; ids c-e1-0000 to c-e1-0003."""
    records = [record(**changes) for changes in ROWS]
    actions.ingest(records)
    return [made["id"] for made in records]


def get(client, path="/api/v1/calls", status=200, **query):
    response = client.get(path, query)
    assert response.status_code == status, response.content
    return response.json()


def ids(answer):
    return [item["id"][-1] for item in answer["items"]]


def test_each_party_sees_the_calls_from_their_side(visitor, calls, alice, bob):
    hers, his = get(visitor(alice)), get(visitor(bob))
    assert ids(hers) == ids(his) == ["3", "2", "1", "0"]
    assert [item["direction"] for item in hers["items"]] == ["out"] * 4
    assert [item["direction"] for item in his["items"]] == ["missed", "in", "missed", "in"]
    assert hers["items"][0]["peer"] == {"number": "202", "name": "Bob"}
    assert his["items"][0]["peer"] == {"number": "201", "name": "Alice"}
    assert (hers["count"], hers["next"]) == (4, None)


def test_a_call_has_times_in_unix_seconds(visitor, calls, alice):
    call = get(visitor(alice), f"/api/v1/calls/{calls[0]}")
    assert (call["answered"] - call["created"], call["ended"] - call["answered"]) == (3, 10)
    assert (call["duration_s"], call["status"], call["sound"]) == (10, 200, None)
    assert call["legs"][0]["codec"] == "opus/48000/2"


def test_charlie_sees_nothing(visitor, calls, charlie):
    assert get(visitor(charlie)) == {"items": [], "count": 0, "next": None}
    get(visitor(charlie), status=403, who="all")
    get(visitor(charlie), f"/api/v1/calls/{calls[0]}", 404)
    get(visitor(charlie), f"/api/v1/calls/{calls[0]}/messages", 404)


def test_an_administrator_sees_all_when_asked(visitor, calls, admin, alice):
    assert get(visitor(admin))["count"] == 0
    assert ids(get(visitor(admin), who="all")) == ["3", "2", "1", "0"]
    get(visitor(admin), f"/api/v1/calls/{calls[0]}")
    get(visitor(alice), status=403, who="all")


@pytest.mark.parametrize("path", ["/calls", "/calls/c-e1-0000", "/calls/c-e1-0000/messages", "/me/calls"])
def test_nobody_without_signing_in(visitor, calls, path):
    get(visitor(), f"/api/v1{path}", 401)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"result": "busy"}, ["3"]),
        ({"result": ""}, ["3", "2", "1", "0"]),
        ({"direction": "missed"}, ["3", "1"]),
        ({"direction": "in"}, ["2", "0"]),
        ({"direction": "out"}, []),
        ({"q": "ali"}, ["3", "2", "1", "0"]),
        ({"q": "ALICE 202"}, ["3", "2", "1", "0"]),
        ({"q": "nobody"}, []),
        ({"q": "álice"}, ["3", "2", "1", "0"]),
        ({"q": "%"}, []),
        ({"sort": "created"}, ["0", "1", "2", "3"]),
        ({"sort": "-duration"}, ["0", "3", "2", "1"]),
        ({"sort": "result"}, ["0", "3", "2", "1"]),
    ],
)
def test_filters_and_orders(visitor, calls, bob, query, expected):
    assert ids(get(visitor(bob), **query)) == expected


@pytest.mark.parametrize(
    "query",
    [
        {"sort": "created; DROP TABLE calls_call"},
        {"sort": "caller_user__password"},
        {"sort": "?"},
        {"result": "' OR 1=1 --"},
        {"direction": "up"},
        {"period": "1 day"},
        {"who": "alice"},
        {"limit": "100000"},
        {"q": "x" * 101},
        {"cursor": "x"},
        {"cursor": "W10"},
        {"cursor": "WzEsMl0"},
        {"cursor": "e30", "sort": "duration"},
    ],
)
def test_what_is_not_on_the_list_is_refused(visitor, calls, alice, query):
    get(visitor(alice), status=422, **query)


@pytest.mark.parametrize("sort", ["-created", "created", "-duration", "result", "caller", "-callee"])
def test_pages_join_to_the_whole_list(visitor, alice, bob, record, sort):
    actions.ingest([record(**ROWS[n % 4]) for n in range(11)])
    whole = [item["id"] for item in get(visitor(alice), sort=sort)["items"]]
    pieces, cursor = [], ""
    while cursor is not None:
        answer = get(visitor(alice), sort=sort, limit=3, cursor=cursor)
        pieces += [item["id"] for item in answer["items"]]
        cursor = answer["next"]
        assert answer["count"] == 11
    assert pieces == whole and len(set(whole)) == 11


def test_a_period_begins_at_midnight_where_the_page_is():
    begin = listing.period_begin("today", "Asia/Tokyo")
    assert begin == datetime.now(ZoneInfo("Asia/Tokyo")).replace(hour=0, minute=0, second=0, microsecond=0)
    assert listing.period_begin("week", "").weekday() == 0
    assert listing.period_begin("month", "../../etc/passwd").day == 1


def test_periods_filter(visitor, alice, bob, record):
    now = datetime.now(UTC).timestamp()
    actions.ingest([record(), record(created=now, rang=None, answered=now, ended=now + 5)])
    assert ids(get(visitor(alice), period="today")) == ["1"]
    assert ids(get(visitor(alice), period="all")) == ["1", "0"]


SNAPSHOT = {
    "id": "c-e1-9",
    "state": "talking",
    "parties": [
        {
            "extension": "201",
            "device": "browser",
            "role": "caller",
            "peer": {"number": "202", "name": "Bob"},
            "call_id": "abc@page",
            "local_tag": "ours",
            "remote_tag": "pages",
            "state": "talking",
            "direction": "out",
            "answered": 1790000000.5,
        },
        {"extension": "202", "device": "phone", "call_id": "x", "local_tag": "a", "remote_tag": "b"},
    ],
}


def test_a_page_that_comes_back_finds_its_call(visitor, alice, bob, charlie, redis):
    redis.set("uc:call:c-e1-9", json.dumps(SNAPSHOT))
    assert get(visitor(alice), "/api/v1/me/calls") == [
        {
            "id": "c-e1-9",
            "call_id": "abc@page",
            "from_tag": "pages",
            "to_tag": "ours",
            "peer": {"number": "202", "name": "Bob"},
            "state": "talking",
            "direction": "out",
            "answered": 1790000000.5,
        }
    ]
    assert get(visitor(bob), "/api/v1/me/calls") == []  # his is on the desk phone
    assert get(visitor(charlie), "/api/v1/me/calls") == []
