"""A role's log: a file that is turned over by size, and the lines of it that belong on the screen."""

import re
from collections import deque
from collections.abc import Callable
from pathlib import Path

MAX_BYTES = 20 * 1024 * 1024
KEPT_LINES = 20
MAX_LINE = 8192

# Levels of Python and Celery, Caddy's JSON, a traceback's first and last line, Valkey's complaints.
ALARMING = re.compile(
    r"\b(?:WARNING|ERROR|CRITICAL)\b|\"level\":\"(?:error|fatal|panic)\""
    r"|^Traceback |^[\w.]+(?:Error|Exception)\b|^\d+:\w .{1,40} # .*(?:rror|ailed|an't|annot)"
)


class RoleLog:
    """`write` gets whole lines. Continuation lines (indented) follow the line that they belong to."""

    def __init__(
        self, path: Path, role: str, screen: Callable[[str], None], max_bytes: int = MAX_BYTES
    ) -> None:
        self.path = path
        self.role = role
        self.screen = screen
        self.max_bytes = max_bytes
        self.last: deque[str] = deque(maxlen=KEPT_LINES)
        self.alarming = False
        path.parent.mkdir(parents=True, exist_ok=True)
        self._open()

    def _open(self) -> None:
        self.stream = self.path.open("ab", buffering=0)
        self.size = self.stream.tell()

    def write(self, line: bytes) -> None:
        """One line without its end. Undecodable octets are shown, an endless line is cut."""
        text = line[:MAX_LINE].decode("utf-8", "backslashreplace").rstrip()
        if not text:
            return
        data = f"{self.role} | {text}\n".encode()
        if self.size + len(data) > self.max_bytes:
            self.turn_over()
        self.stream.write(data)
        self.size += len(data)
        self.last.append(text)
        self.alarming = self.alarming if text[0] in " \t" else bool(ALARMING.search(text))
        if self.alarming:
            self.screen(f"{self.role} | {text}")

    def turn_over(self) -> None:
        """Keep one older file beside the present one."""
        self.stream.close()
        self.path.replace(self.path.with_suffix(".log.1"))
        self._open()

    def close(self) -> None:
        self.stream.close()
