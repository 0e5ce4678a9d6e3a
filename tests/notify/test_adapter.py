"""What leaves a transaction: once, bounded, and never in the way of the caller when Redis is away."""

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ucplatform.notify import actions, adapter
from ucplatform.notify.logs import LineFormatter

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def no_redis(settings, tmp_path):
    """Redis is configured where nobody listens."""
    settings.REDIS_URL = "redis://127.0.0.1:1"
    adapter.client.cache_clear()
    yield
    adapter.client.cache_clear()


def test_nothing_raises_without_redis(no_redis, caplog):
    adapter.announce("uc:directory", "{}")
    adapter.append("uc:edge:1:commands", {"kind": "x"})
    adapter.increment("uc:metrics:x", {"a": 1})
    adapter.write("uc:beat:worker", "1", 5)
    assert adapter.read_prefix("uc:call:") == {}
    assert adapter.read_many(["a", "b"]) == [None, None]
    assert adapter.counters("uc:metrics:x") == {}
    assert caplog.text.count("redis is away") == 7


def test_a_command_goes_to_one_edge_or_to_all(transactional_db, redis, settings):
    settings.UC_ROLES = ["front", "edge-1", "edge-2"]
    one = actions.command_edge("hangup", edge="2", call="c-1")
    both = actions.command_edge("session-ended", session="0123456789abcdef")
    first = [fields for _id, fields in redis.xrange("uc:edge:1:commands")]
    second = [fields for _id, fields in redis.xrange("uc:edge:2:commands")]
    assert first == [{"kind": "session-ended", "id": both, "session": "0123456789abcdef"}]
    assert second == [{"kind": "hangup", "id": one, "call": "c-1"}, first[0]]


def test_a_call_is_ended_by_its_edge_and_sessions_by_those_of_other_machines_too(
    transactional_db, redis, settings
):
    settings.UC_ROLES = ["edge-1"]
    redis.sadd("uc:edges", "1", "3", "4")
    redis.set("uc:edge:3", "{}")
    assert actions.edge_ids() == ["1", "3"]  # 4 has not been heard of for long
    actions.hang_up("c-e3-5f-00ff")
    redis.set("uc:call:c-e1-5f-00ff", '{"edge": "3"}')  # it has moved
    actions.hang_up("c-e1-5f-00ff")
    actions.command_edge("session-ended", session="0123456789abcdef")
    kinds = {n: [f["kind"] for _id, f in redis.xrange(f"uc:edge:{n}:commands")] for n in "134"}
    assert kinds == {"1": ["session-ended"], "3": ["hangup", "hangup", "session-ended"], "4": []}


@pytest.mark.parametrize("text", ["", "c-1", "c-e-1", "c-e3", "x-e3-1", "c-e3;x-1"])
def test_what_names_no_edge_goes_to_all(redis, text):
    assert actions.edge_of_call(text) is None
    assert actions.edge_of_call("c-e3-5f-00ff") == "3"


def test_a_stream_nobody_reads_is_bounded(redis):
    for n in range(1500):
        adapter.append("uc:edge:9:commands", {"kind": "x", "n": str(n)})
    assert redis.xlen("uc:edge:9:commands") <= 1100


def test_many_keys_are_read_in_chunks(redis):
    redis.mset({f"uc:call:{n}": str(n) for n in range(1234)})
    redis.set("uc:callx", "no")
    assert len(adapter.read_prefix("uc:call:")) == 1234


@pytest.mark.parametrize("text", ["a\nb", "a\r\nINFO forged", "a\x1b[31m", "a\u2028b", "a\x85b"])
def test_one_event_is_one_line(text):
    record = logging.LogRecord("test", logging.INFO, __file__, 1, "said %s", (text,), None)
    line = LineFormatter().format(record)
    assert len(line.splitlines()) == 1 and "\x1b" not in line


def start(redis_server: str, tmp_path: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """A Celery process as the supervisor starts it."""
    env = {**os.environ, "UC_DATA_DIR": str(tmp_path), "REDIS_URL": redis_server}
    command = [sys.executable, "-m", "celery", "-A", "ucplatform.celery", *arguments]
    return subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def wait_for_sign(redis, process, key: str) -> float:
    """Reads keyspace events until the role writes its key; pytest's timeout is the limit."""
    redis.config_set("notify-keyspace-events", "K$")
    listener = redis.pubsub(ignore_subscribe_messages=True)
    listener.subscribe(f"__keyspace@0__:{key}")
    while not redis.exists(key):
        assert process.poll() is None, process.stderr.read().decode()
        listener.get_message(timeout=0.5)
    listener.close()
    return float(redis.get(key))


def test_worker_and_beat_show_that_they_live(redis, redis_server, tmp_path):
    env = {**os.environ, "UC_DATA_DIR": str(tmp_path), "REDIS_URL": redis_server}
    subprocess.run(
        [sys.executable, "manage.py", "migrate"], cwd=ROOT, env=env, check=True, capture_output=True
    )
    beat = start(redis_server, tmp_path, "beat", "--loglevel=warning", f"--pidfile={tmp_path / 'beat.pid'}")
    worker = start(redis_server, tmp_path, "worker", "-P", "threads", "-c", "2", "--loglevel=warning")
    try:
        began = redis.time()[0]
        assert wait_for_sign(redis, beat, "uc:beat:beat") >= began - 1
        assert wait_for_sign(redis, worker, "uc:beat:worker") >= began - 1
        assert 0 < redis.ttl("uc:beat:worker") <= 20
    finally:
        for process in (beat, worker):
            process.send_signal(signal.SIGTERM)
            process.wait(20)
            process.stderr.close()
