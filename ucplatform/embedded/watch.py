"""The life of one role: started, probed until it is ready and ever after, started again when it ends."""

import asyncio
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ucplatform.embedded.health import Health
from ucplatform.embedded.logfile import RoleLog
from ucplatform.embedded.plan import Plan, Role
from ucplatform.embedded.probe import ProbeError
from ucplatform.embedded.process import Process

STARTING = Health("starting")
RESTARTING = Health("restarting")
STOPPED = Health("stopped")


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. A role that ran for `calm` starts its back-off anew; one that answers no probe for `hung` is
    killed; one that ends `attempts` times without ever being ready fails the whole start."""

    fast_probe: float = 0.05
    slow_probe: float = 2.0
    probe_timeout: float = 2.0
    first_delay: float = 0.2
    longest_delay: float = 15.0
    calm: float = 30.0
    hung: float = 30.0
    slow_start: float = 60.0
    stop: float = 4.0
    attempts: int = 4


class Watch:
    """Owns the role's process. `changed` is called after every change of health, `failed` with a sentence if
    the role cannot be started at all."""

    def __init__(
        self,
        role: Role,
        plan: Plan,
        timing: Timing,
        screen: Callable[[str], None],
        changed: Callable[["Watch"], None],
        failed: Callable[[str], None],
    ) -> None:
        self.role = role
        self.timing = timing
        self.screen = screen
        self.changed = changed
        self.failed = failed
        self.log = RoleLog(plan.data / "log" / f"{role.name}.log", role.name, screen)
        self.process = Process(
            role.command, {**plan.environment, **role.environment}, plan.directory, self.log
        )
        self.health = STARTING
        self.ready = asyncio.Event()  # has been ready once
        self.failures = 0
        self.stopping = asyncio.Event()

    @property
    def pid(self) -> int | None:
        return self.process.pid

    def report(self) -> dict[str, Any]:
        """{"state", "pid", "lacks"}, and "relay" of a media engine."""
        health = self.health
        report: dict[str, Any] = {"state": health.state, "pid": self.pid, "lacks": list(health.lacks)}
        if health.relay is not None:
            report["relay"] = health.relay
        return report

    def _set_health(self, new: Health) -> None:
        old, self.health = self.health, new
        if old != new:
            lacks = f": lacks {', '.join(new.lacks)}" if new.lacks else ""
            took = f" in {time.time() - self.process.started:.1f} s" if new.ready and old == STARTING else ""
            if new not in (STARTING, STOPPED):
                self.screen(f"{self.role.name} {new.state}{took}{lacks}")
        if new.ready:
            self.ready.set()
        self.changed(self)

    async def run(self) -> None:
        """Keep the role running until `stop`."""
        delay = self.timing.first_delay
        while not self.stopping.is_set():
            begun = time.monotonic()
            self._set_health(STARTING)
            status = await self._live()
            if self.stopping.is_set():
                break
            lived = time.monotonic() - begun
            delay = self.timing.first_delay if lived > self.timing.calm else delay
            self._say_end(status, lived, delay)
            if self.failures >= self.timing.attempts:
                return
            self._set_health(RESTARTING)
            await self._pause(delay)
            delay = min(2 * delay, self.timing.longest_delay)
        self._set_health(STOPPED)

    async def _live(self) -> int:
        """One run of the program; its exit status."""
        if self.role.gone:
            self.role.gone.unlink(missing_ok=True)
        try:
            await self.process.start()
        except OSError as error:
            self.log.write(f"ERROR cannot run {self.role.command[0]}: {error}".encode())
            return 127
        probing = asyncio.create_task(self._probe())
        try:
            return await self.process.wait()
        finally:
            probing.cancel()

    async def _pause(self, seconds: float) -> None:
        """Wait, but not when told to stop."""
        try:
            await asyncio.wait_for(self.stopping.wait(), seconds)
        except TimeoutError:
            pass

    def _say_end(self, status: int, lived: float, delay: float) -> None:
        self.failures = 0 if self.ready.is_set() else self.failures + 1
        how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        if self.failures >= self.timing.attempts:
            last = "\n    ".join(self.log.last) or "(no output)"
            self.failed(
                f"{self.role.name} {how} and was never ready, {self.failures} times in a row. Last words:\n"
                f"    {last}\nAll of it: {self.log.path}"
            )
        else:
            self.screen(f"{self.role.name} {how} after {lived:.1f} s; starting it again in {delay:.1f} s")

    async def _probe(self) -> None:
        """Ask quickly until ready, then slowly; kill a role that has stopped answering."""
        answered = begun = time.monotonic()
        ready = told = False
        while True:
            try:
                async with asyncio.timeout(self.timing.probe_timeout):
                    health = await self.role.probe.check(self.process.started)
            except (OSError, TimeoutError, ProbeError, ValueError) as error:
                silent = time.monotonic() - answered
                if ready and silent > self.timing.hung:
                    self.screen(f"{self.role.name} has not answered for {silent:.0f} s ({error}): killing it")
                    self.process.signal(signal.SIGKILL)
                    return
                if ready and silent > 2 * self.timing.slow_probe:
                    self._set_health(Health("silent", (str(error) or "an answer",)))
                if not ready and not told and time.monotonic() - begun > self.timing.slow_start:
                    told = True
                    self.screen(f"{self.role.name} is slow to start ({error}); see {self.log.path}")
            else:
                answered = time.monotonic()
                ready = ready or health.ready
                self._set_health(health)
            await asyncio.sleep(self.timing.slow_probe if ready else self.timing.fast_probe)

    async def stop(self, running: "asyncio.Task[None] | None") -> None:
        """Ask the role to end, insist after `timing.stop`. `running` is the task of `run`, if any."""
        self.stopping.set()
        if running is None:
            return self.log.close()
        self.process.signal(signal.SIGTERM)
        done, _ = await asyncio.wait([running], timeout=self.timing.stop)
        if not done:
            self.screen(f"{self.role.name} did not stop in {self.timing.stop:.0f} s: killing it")
            self.kill()
            await asyncio.wait([running], timeout=self.timing.stop)
        self.log.close()

    def kill(self) -> None:
        """End it now, for good."""
        self.stopping.set()
        self.process.signal(signal.SIGKILL)
