"""One child process in a process group of its own, which cannot outlive its supervisor."""

import asyncio
import ctypes
import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from ucplatform.embedded.logfile import MAX_LINE, RoleLog

PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None, use_errno=True)


class Process:
    """Started once; `wait` returns the exit status when the process and its output have ended."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], directory: Path, log: RoleLog
    ) -> None:
        self.command = command
        self.environment = environment
        self.directory = directory
        self.log = log
        self.child: asyncio.subprocess.Process | None = None
        self.started = 0.0  # unix time

    async def start(self) -> None:
        """Raises OSError when the program cannot be run."""
        parent = os.getpid()

        def die_with_parent() -> None:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:  # it died before the line above
                os._exit(1)

        self.started = time.time()
        self.child = await asyncio.create_subprocess_exec(
            *self.command,
            env=self.environment,
            cwd=self.directory,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=4 * MAX_LINE,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self.child.pid if self.child and self.child.returncode is None else None

    async def wait(self) -> int:
        """Copy output to the log until the process ends; negative is the signal that ended it."""
        assert self.child is not None and self.child.stdout is not None  # ours: start() comes first
        reading = asyncio.create_task(self._copy(self.child.stdout))
        try:
            status = await self.child.wait()
            self.signal(signal.SIGKILL)  # what it left behind in its group: also the last holders of the pipe
            await reading
        finally:
            reading.cancel()
        return status

    async def _copy(self, output: asyncio.StreamReader) -> None:
        while True:
            try:
                line = await output.readuntil(b"\n")
            except asyncio.IncompleteReadError as error:
                line = error.partial
                if not line:
                    return
            except asyncio.LimitOverrunError as error:
                line = await output.readexactly(error.consumed)
            self.log.write(line)

    def signal(self, number: signal.Signals) -> None:
        """Send to the whole group; no error when nobody is left."""
        if self.child is None:
            return
        try:
            os.killpg(self.child.pid, number)
        except (ProcessLookupError, PermissionError):
            pass
