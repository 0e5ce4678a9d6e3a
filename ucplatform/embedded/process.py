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
LAST_WORDS_S = 1.0
libc = ctypes.CDLL(None, use_errno=True)


class Process:
    """Started once; `wait` returns the exit status when it has ended."""

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

        # A pipe of our own: with asyncio's, a process has not ended before the last one who holds the pipe.
        output, theirs = os.pipe()
        self.started = time.time()
        try:
            self.child = await asyncio.create_subprocess_exec(
                *self.command,
                env=self.environment,
                cwd=self.directory,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=theirs,
                stderr=theirs,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        except OSError:
            os.close(output)
            raise
        finally:
            os.close(theirs)
        self.reader = asyncio.StreamReader(limit=4 * MAX_LINE)
        self.pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(self.reader), os.fdopen(output, "rb", buffering=0)
        )

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self.child.pid if self.child and self.child.returncode is None else None

    async def wait(self) -> int:
        """Copy output to the log until the process ends; negative is the signal that ended it."""
        assert self.child is not None  # ours: start() comes first
        reading = asyncio.create_task(self._copy(self.reader))
        try:
            status = await self.child.wait()
            self.signal(signal.SIGKILL)  # what it left behind in its group
            await asyncio.wait([reading], timeout=LAST_WORDS_S)
        finally:
            reading.cancel()
            self.pipe.close()
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
