"""Runs a plan: everything started, kept running, and stopped without leaving a process behind."""

import asyncio
import json
import signal
import sys
import time
from collections.abc import Callable
from typing import TextIO

import redis

from ucplatform.embedded.address import AddressError
from ucplatform.embedded.plan import LAST_STAGE, Plan
from ucplatform.embedded.probe import redis_client
from ucplatform.embedded.watch import STOPPED, Timing, Watch

PUBLISH_EVERY_S = 5
PUBLISHED_FOR_S = 15
IMPATIENCE_S = 0.7
PREDECESSOR_S = 1.5


def to_screen(text: str) -> None:
    """One event on the screen, with the time; a closed terminal is no reason to stop telephony."""
    try:
        print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)
    except OSError:
        pass


class Supervisor:
    """`run` returns the exit status: 0 after a wanted stop, 1 when a role could not be started.

    The health of each role is published as `uc:role:<name>`, JSON of `Watch.report`, for 15 s.
    `announce` is called once, when every role is ready for the first time."""

    def __init__(
        self,
        plan: Plan,
        redis_url: str,
        announce: Callable[[], None] = lambda: None,
        timing: Timing | None = None,
        screen: Callable[[str], None] = to_screen,
    ) -> None:
        self.plan = plan
        self.announce = announce
        self.screen = screen
        self.redis = redis_client(redis_url)
        timing = timing or Timing()
        self.watches = [Watch(role, plan, timing, screen, self._changed, self._failed) for role in plan.roles]
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.news = asyncio.Event()
        self.over = asyncio.Event()
        self.status = 0
        self.asked_at = 0.0
        self.announced = False
        self.locks: list[TextIO] = []

    async def run(self) -> int:
        """Check, start, watch, stop. Raises AddressError when a port is taken or the roles run already."""
        self.locks = self.plan.lock()
        await self._check()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._asked, number)
        publishing = asyncio.create_task(self._publish())
        try:
            await self._start()
            await self.over.wait()
        finally:
            publishing.cancel()
            await self._stop()
        return self.status

    async def _check(self) -> None:
        """The plan's check. A port may be held a moment longer by what a killed supervisor left dying."""
        deadline = time.monotonic() + PREDECESSOR_S
        while True:
            try:
                self.plan.check()
                return
            except AddressError:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(0.1)

    def _asked(self, number: signal.Signals) -> None:
        """First time: stop. Again, and not at once (a terminal and a shell may both send it): kill."""
        now = time.monotonic()
        if not self.over.is_set():
            self.screen(f"{number.name}: stopping")
            self.asked_at = now
            self.over.set()
        elif now - self.asked_at > IMPATIENCE_S:
            for watch in self.watches:
                watch.kill()

    def _changed(self, watch: Watch) -> None:
        self.news.set()

    def _failed(self, sentence: str) -> None:
        self.screen(sentence)
        self.status = 1
        self.over.set()

    async def _start(self) -> None:
        """Roles that others need come first and are waited for."""
        for first in (True, False):
            chosen = [watch for watch in self.watches if watch.role.first == first]
            for watch in chosen:
                task = asyncio.create_task(watch.run(), name=watch.role.name)
                task.add_done_callback(self._ended)
                self.tasks[watch.role.name] = task
            if first:
                await self._until_ready(chosen)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        """A watch ends by itself only when it has failed; an error in it must not go unseen."""
        if not task.cancelled() and task.exception():
            self._failed(f"{task.get_name()}: {task.exception()!r}")

    async def _until_ready(self, watches: list[Watch]) -> None:
        """Until all of them are ready, or the stop."""
        waiting = [asyncio.create_task(watch.ready.wait()) for watch in watches]
        over = asyncio.create_task(self.over.wait())
        while not over.done() and not all(task.done() for task in waiting):
            pending = {task for task in [*waiting, over] if not task.done()}
            await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for task in [*waiting, over]:
            task.cancel()

    async def _stop(self) -> None:
        """By stages: the edges say good-bye to their callers first, Redis goes last."""
        stages = sorted({watch.role.stage for watch in self.watches})
        for stage in [stage for stage in stages if stage < LAST_STAGE]:
            await self._stop_stage(stage)
        await self._withdraw()
        await self._stop_stage(LAST_STAGE)
        await self.redis.aclose()
        self.screen("stopped")

    async def _stop_stage(self, stage: int) -> None:
        watches = [watch for watch in self.watches if watch.role.stage == stage]
        await asyncio.gather(*(watch.stop(self.tasks.get(watch.role.name)) for watch in watches))

    async def _publish(self) -> None:
        """At every change, and often enough that the keys do not expire while all is quiet. The announcement
        follows the first publication of a whole house, so that /healthz agrees with it."""
        while True:
            self.news.clear()
            whole = all(watch.health.ready for watch in self.watches)
            try:
                pipeline = self.redis.pipeline(transaction=False)
                for watch in self.watches:
                    report = json.dumps(watch.report())
                    pipeline.set(f"uc:role:{watch.role.name}", report, ex=PUBLISHED_FOR_S)
                await pipeline.execute()
            except (redis.RedisError, OSError):
                pass  # /healthz shows it: the keys expire
            if whole and not self.announced:
                self.announced = True
                self.announce()
            try:
                await asyncio.wait_for(self.news.wait(), PUBLISH_EVERY_S)
            except TimeoutError:
                pass

    async def _withdraw(self) -> None:
        """Take the stopped roles off the list: with another supervisor's Redis they would show for 15 s."""
        gone = [f"uc:role:{watch.role.name}" for watch in self.watches if watch.health == STOPPED]
        try:
            if gone:
                await self.redis.delete(*gone)
        except (redis.RedisError, OSError):
            pass


def main(supervisor: Supervisor) -> int:
    """Run to the end in a fresh loop."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    return asyncio.run(supervisor.run())
