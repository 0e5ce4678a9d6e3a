"""The command stream: in order, acknowledged after execution, once by id, across restarts of either side."""

import asyncio

import redis as redis_library

from tests.edge.conftest import Lines, Valkey, until
from ucplatform.edge.commands import Commands, stream_key


class Executor:
    """Keeps what it was asked; `fails` names kinds that raise, `holds` kinds that never end."""

    def __init__(self) -> None:
        self.done: list[dict[str, str]] = []
        self.fails: set[str] = set()
        self.holds: set[str] = set()
        self.began = asyncio.Event()

    async def __call__(self, command: dict[str, str]) -> None:
        self.began.set()
        if command["kind"] in self.holds:
            await asyncio.Event().wait()
        if command["kind"] in self.fails:
            raise ValueError("cannot")
        self.done.append(command)


def send(valkey: Valkey, kind: str, command_id: str, **arguments: str) -> None:
    """As ucplatform.notify does it."""
    with redis_library.Redis.from_url(valkey.url) as client:
        client.xadd(
            stream_key("1"), {"kind": kind, "id": command_id, **arguments}, maxlen=1000, approximate=True
        )


def waiting(valkey: Valkey) -> int:
    """Entries still in the stream."""
    with redis_library.Redis.from_url(valkey.url) as client:
        return client.xlen(stream_key("1"))


async def test_executes_in_order_and_acknowledges(valkey: Valkey) -> None:
    executor = Executor()
    send(valkey, "hangup", "0", call="early")  # before the edge ever ran
    commands = Commands(valkey.url, "1", executor)
    await commands.start()
    for number in range(1, 100):
        send(valkey, "hangup", str(number), call=f"c-{number}")
    await until(lambda: len(executor.done) == 100)
    assert [command["id"] for command in executor.done] == [str(n) for n in range(100)]
    assert executor.done[1] == {"kind": "hangup", "id": "1", "call": "c-1"}
    await until(lambda: waiting(valkey) == 0)
    await commands.close()


async def test_the_same_id_is_done_once(valkey: Valkey) -> None:
    executor = Executor()
    commands = Commands(valkey.url, "1", executor)
    await commands.start()
    for _ in range(3):
        send(valkey, "hangup", "same")
    send(valkey, "hangup", "other")
    await until(lambda: waiting(valkey) == 0 and executor.done)
    await commands.close()
    send(valkey, "hangup", "same")
    again = Commands(valkey.url, "1", executor)
    await again.start()
    await until(lambda: waiting(valkey) == 0)
    await again.close()
    assert [command["id"] for command in executor.done] == ["same", "other"]


async def test_a_command_that_was_interrupted_is_executed_after_the_restart(valkey: Valkey) -> None:
    executor = Executor()
    executor.holds.add("hangup")
    commands = Commands(valkey.url, "1", executor)
    await commands.start()
    send(valkey, "hangup", "1")
    await executor.began.wait()
    await commands.close()
    executor.holds.clear()
    again = Commands(valkey.url, "1", executor)
    await again.start()
    await until(lambda: executor.done)
    await again.close()


async def test_what_cannot_be_executed_is_logged_and_done_with(valkey: Valkey, lines: Lines) -> None:
    executor = Executor()
    executor.fails.add("dance")
    commands = Commands(valkey.url, "1", executor)
    await commands.start()
    send(valkey, "dance", "1")
    send(valkey, "", "2")
    send(valkey, "hangup", "3")
    await until(lambda: executor.done)
    await until(lambda: waiting(valkey) == 0)
    await commands.close()
    assert len(lines.about("command-failed")) == 1 and len(lines.about("malformed-command")) == 1


async def test_goes_on_when_a_killed_redis_is_back(valkey: Valkey) -> None:
    for keep in (True, False):  # with the stream of before, and with nothing at all
        executor = Executor()
        commands = Commands(valkey.url, "1", executor)
        await commands.start()
        send(valkey, "hangup", f"before {keep}")
        await until(lambda: executor.done)  # noqa: B023 awaited at once
        await until(lambda: waiting(valkey) == 0)  # what is not yet acknowledged is executed again
        valkey.kill()
        valkey.start(keep=keep)
        send(valkey, "hangup", f"after {keep}")
        await until(lambda: len(executor.done) == 2)  # noqa: B023 awaited at once
        await commands.close()
