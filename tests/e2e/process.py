"""A child process with its output in a file, stopped by its id."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


class Child:
    """Starts at once, in a process group of its own so that nothing it started outlives it unseen."""

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.log = log
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=dict(env) if env is not None else None,
                cwd=cwd,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Process id, and id of the group and session it leads."""
        return self._process.pid

    @property
    def code(self) -> int | None:
        """Exit code, None while it runs."""
        return self._process.poll()

    def wait(self, seconds: float) -> int:
        """Exit code once it ended; AssertionError with the end of its output at the deadline."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {seconds:g} s:\n{self.tail()}") from None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process alone."""
        if self.code is None:
            self._process.send_signal(number)

    def stop(self, seconds: float = 10.0) -> int:
        """SIGTERM, then after `seconds` SIGKILL to whatever is left of its group. Returns the exit code."""
        self.signal(signal.SIGTERM)
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
            return self._process.wait(seconds)

    def text(self) -> str:
        """All it has written so far."""
        return self.log.read_text(errors="replace")

    def tail(self, lines: int = 30) -> str:
        """The end of what it has written."""
        return "\n".join(self.text().splitlines()[-lines:])
