"""Logging for every Django process: one event is one line, whatever a stranger put into the text (log
injection)."""

import logging
from typing import Any

# Control characters, and the line ends that a terminal or a log collector may know.
ESCAPES = {code: f"\\x{code:02x}" for code in [*range(0x20), *range(0x7F, 0xA0)]}
ESCAPES |= {0x2028: "\\u2028", 0x2029: "\\u2029"}


class LineFormatter(logging.Formatter):
    """`time level logger message`; control characters are shown escaped. A traceback keeps its own lines."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        return super().formatMessage(record).translate(ESCAPES)


def configuration(level: str) -> dict[str, Any]:
    """The value of Django's LOGGING: everything to standard error, where the supervisor collects it."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": LineFormatter}},
        "handlers": {"line": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["line"], "level": level},
        "loggers": {"axes": {"level": "WARNING"}},  # four lines for each sign-in otherwise
    }
