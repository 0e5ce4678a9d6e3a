"""`/healthz` and `/metrics` say how the house is, and the inside only to those who stand beside it."""

import json

import pytest
from django.conf import settings

ROLES = settings.UC_ROLES
DIRECT = {}
LOCAL = {"x-uc-peer": "127.0.0.1"}
LAN = {"x-uc-peer": "192.168.1.50"}
FORWARDED = {"x-uc-peer": "127.0.0.1", "x-uc-forwarded": "203.0.113.9"}
PROXIED = {"x-forwarded-for": "203.0.113.9"}


@pytest.fixture
def ready(redis):
    for n, role in enumerate(ROLES):
        redis.set(f"uc:role:{role}", json.dumps({"state": "ready", "pid": 100 + n, "lacks": []}))
    return redis


def test_all_ready(visitor, ready):
    response = visitor().get("/healthz")
    assert response.status_code == 200
    assert set(response.json()["roles"]) == {"front", "web", "edge-1", "gateway-1", "worker", "beat"}


@pytest.mark.parametrize("role", ROLES)
def test_one_role_missing_or_starting(visitor, ready, role):
    ready.delete(f"uc:role:{role}")
    response = visitor().get("/healthz")
    assert (response.status_code, response.json()["roles"][role]["state"]) == (503, "unknown")
    lacks = ["free media ports"]
    ready.set(f"uc:role:{role}", json.dumps({"state": "starting", "pid": 7, "lacks": lacks}))
    response = visitor().get("/healthz")
    assert (response.status_code, response.json()["roles"][role]["lacks"]) == (503, lacks)


@pytest.mark.parametrize(
    ("headers", "inside"), [(DIRECT, 1), (LOCAL, 1), (LAN, 0), (FORWARDED, 0), (PROXIED, 0)]
)
def test_the_inside_is_for_neighbours(visitor, ready, headers, inside):
    role = visitor().get("/healthz", headers=headers).json()["roles"]["edge-1"]
    assert role == ({"state": "ready", "pid": 102, "lacks": []} if inside else {"state": "ready"})


def test_a_dead_redis_is_an_answer_and_not_an_error(visitor, db, redis, settings):
    from ucplatform.notify import adapter

    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    adapter.client.cache_clear()
    try:
        assert visitor().get("/healthz").status_code == 503
        assert visitor().get("/healthz/live").status_code == 200
    finally:
        adapter.client.cache_clear()


def test_metrics(visitor, db, ready):
    ready.hset("uc:metrics:calls-ended", mapping={"answered": 5, "missed": 2})
    ready.set("uc:reg:201@1", json.dumps([{"contact": "a"}, {"contact": "b"}]))
    ready.set("uc:reg:202@2", json.dumps([{"contact": "c"}]))
    ready.set("uc:call:1", json.dumps({"id": "1", "edge": "2", "state": "talking", "parties": []}))
    response = visitor().get("/metrics")
    assert response["Content-Type"].startswith("text/plain; version=0.0.4")
    lines = response.content.decode().splitlines()
    assert {
        'uc_role_ready{role="edge-1"} 1',
        'uc_calls{state="talking"} 1',
        'uc_calls{state="ringing"} 0',
        'uc_edge_calls{edge="2"} 1',
        "uc_registrations 3",
        'uc_calls_ended_total{result="answered"} 5',
        'uc_calls_ended_total{result="missed"} 2',
        "# TYPE uc_calls_ended_total counter",
    } <= set(lines)


def test_metrics_are_not_for_the_lan(visitor, ready, alice, admin):
    assert visitor().get("/metrics", headers=LAN).status_code == 403
    assert visitor(alice).get("/metrics", headers=LAN).status_code == 403
    assert visitor(admin).get("/metrics", headers=LAN).status_code == 200
