"""What is written behind the messages, and what a Redis that dies does to it."""

import time
from collections.abc import AsyncIterator

import pytest
from redis.exceptions import RedisError

from tests.edge.conftest import Lines, Valkey, until
from ucplatform.edge import store as store_module
from ucplatform.edge.redis_link import connect
from ucplatform.edge.store import Store


@pytest.fixture
async def store(valkey: Valkey) -> AsyncIterator[Store]:
    made = Store(valkey.url)
    await made.start()
    yield made
    await made.close()


async def read(valkey: Valkey, key: str) -> str | None:
    async with connect(valkey.url) as redis:
        return await redis.get(key)


async def test_the_newest_value_wins(store: Store, valkey: Valkey) -> None:
    for number in range(1000):
        store.put("uc:call:1", f'{{"n": {number}}}')
    store.put("uc:reg:200", "[]")
    store.delete("uc:call:gone")
    assert await store.flush(5)
    assert await store.load("uc:call:") == {"uc:call:1": '{"n": 999}'}
    assert await store.load("uc:") == {"uc:call:1": '{"n": 999}', "uc:reg:200": "[]"}


async def test_a_value_is_made_when_it_is_written(store: Store, valkey: Valkey, lines: Lines) -> None:
    made = []
    for number in range(100):
        store.put("uc:call:1", lambda number=number: made.append(number) or f"state {number}")
    store.put("uc:call:2", lambda: 1 / 0)
    store.put("uc:call:3", "sound")
    assert await store.flush(5)
    assert await store.load("uc:call:") == {"uc:call:1": "state 99", "uc:call:3": "sound"}
    assert made == [99] and "division" in lines.about("value-not-made")[0]


async def test_deletes_and_expires(store: Store, valkey: Valkey) -> None:
    store.put("a", "1")
    store.put("b", "1", ttl=100)
    store.put("c", "1", ttl=0.01)
    assert await store.flush(5)
    async with connect(valkey.url) as redis:
        assert 90_000 < await redis.pttl("b") <= 100_000 and await redis.pttl("a") == -1
    store.delete("a")
    await store.flush(5)
    await until(lambda: _none(valkey, "c"))
    assert await read(valkey, "a") is None


async def _none(valkey: Valkey, key: str) -> bool:
    return await read(valkey, key) is None


async def test_a_prefix_is_a_prefix(store: Store) -> None:
    store.put("uc:reg:*", "star")
    store.put("uc:reg:200", "x")
    await store.flush(5)
    assert await store.load("uc:reg:*") == {"uc:reg:*": "star"}
    assert await store.load("nothing:") == {}


async def test_loads_thousands(store: Store) -> None:
    for number in range(5000):
        store.put(f"uc:reg:{number}", str(number))
    assert await store.flush(10)
    assert len(await store.load("uc:reg:")) == 5000


async def test_writes_the_last_values_when_a_killed_redis_is_back(
    store: Store, valkey: Valkey, lines: Lines
) -> None:
    store.put("uc:call:1", "first")
    store.put("uc:call:2", "first")
    await store.flush(5)
    valkey.kill()
    for number in range(100):
        store.put("uc:call:1", f"while away {number}")
    store.delete("uc:call:2")
    await until(lambda: not store.available)
    store.put("uc:call:3", "late")
    assert not await store.flush(0.1)
    valkey.start()
    assert await store.flush(10)
    assert await store.load("uc:call:") == {"uc:call:1": "while away 99", "uc:call:3": "late"}
    assert len(lines.about("store-away")) == 1 and len(lines.about("store-ready")) == 2


async def test_a_redis_that_lost_everything_gets_it_again(store: Store, valkey: Valkey, monkeypatch) -> None:
    """Nothing is put after the crash: the store itself notices that its Redis is another one."""
    monkeypatch.setattr(store_module, "WATCH_SECONDS", 0.1)
    store.put("uc:reg:200", "[1]")
    store.put("uc:call:1", "x", ttl=3600)
    store.put("uc:call:2", "x")
    store.delete("uc:call:2")
    await store.flush(5)
    valkey.kill()
    valkey.start(keep=False)
    await until(lambda: _equals(store, {"uc:reg:200": "[1]", "uc:call:1": "x"}))
    async with connect(valkey.url) as redis:
        assert 3_500_000 < await redis.pttl("uc:call:1") <= 3_600_000


async def _equals(store: Store, wanted: dict[str, str]) -> bool:
    try:
        return await store.load("uc:") == wanted
    except (OSError, RedisError):
        return False


async def test_waits_for_a_redis_that_comes_late(valkey: Valkey) -> None:
    valkey.kill()
    with pytest.raises(TimeoutError, match=r"redis\.sock"):
        impatient = Store(valkey.url)
        try:
            await impatient.start(0.1)
        finally:
            await impatient.close(0)
    store = Store(valkey.url)
    await store.start()
    store.put("a", "1")
    assert not await store.flush(0.1)
    assert not store.available
    valkey.start()
    assert await store.flush(10) and store.available
    await store.close()
    assert await read(valkey, "a") == "1"


async def test_ends_quickly_without_redis(valkey: Valkey, lines: Lines) -> None:
    valkey.kill()
    store = Store(valkey.url)
    await store.start()
    store.put("a", "1")
    start = time.monotonic()
    await store.close(0.2)
    assert time.monotonic() - start < 1.0
    assert len(lines.about("store-unwritten")) == 1


async def test_what_is_kept_is_bounded(valkey: Valkey, monkeypatch, lines: Lines) -> None:
    monkeypatch.setattr(store_module, "KEYS", 100)
    valkey.kill()
    store = Store(valkey.url)
    await store.start()
    for number in range(150):
        store.put(f"k{number}", "1")
    store.put("k0", "2")  # one it knows
    assert store.dropped == 50
    valkey.start()
    assert await store.flush(10)
    assert len(await store.load("k")) == 100 and await read(valkey, "k0") == "2"
    assert len(lines.about("store-full")) == 1
    await store.close()


async def test_a_value_that_redis_refuses_is_tried_again(store: Store, valkey: Valkey, lines: Lines) -> None:
    async with connect(valkey.url) as redis:
        await redis.config_set("maxmemory", "1")
        store.put("a", "1")
        await until(lambda: lines.about("store-away"))
        await redis.config_set("maxmemory", "0")
    store.put("b", "2")
    assert await store.flush(5)
    assert await store.load("") == {"a": "1", "b": "2"}
    assert len(lines.about("store-away")) == 1


async def test_putting_costs_the_loop_little(store: Store) -> None:
    best = min(_cpu_per_put(store) for _ in range(5))
    assert best < 5e-6


def _cpu_per_put(store: Store) -> float:
    start = time.thread_time()
    for number in range(2000):
        store.put(f"uc:call:{number % 50}", "x" * 1000, ttl=86400)
    return (time.thread_time() - start) / 2000
