"""One event, one line: `event key=value …`, whatever a stranger put into the values."""

import json
import logging
from collections.abc import Mapping
from typing import Any

logger = logging.getLogger("ucplatform.edge")

MAX_VALUE = 300


def text(value: Any) -> str:
    """`value` as one word of a log line: quoted and escaped when it holds blanks, quotes or control
    characters.
    """
    word = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    if len(word) > MAX_VALUE:
        word = word[:MAX_VALUE] + "…"
    if word.isprintable() and word and not set(word) & set(' "\\='):
        return word
    # JSON escapes C0 controls; ascii also those that are invisible or turn the line around (C1, U+2028,
    # bidi).
    return json.dumps(word, ensure_ascii=not word.isprintable())


def line(event: str, fields: Mapping[str, Any]) -> str:
    """The text of one log line; fields that are None are left out."""
    return " ".join([event, *(f"{key}={text(value)}" for key, value in fields.items() if value is not None)])


def info(event: str, **fields: Any) -> None:
    """Something an operator wants to see went well."""
    logger.info(line(event, fields))


def warning(event: str, **fields: Any) -> None:
    """Something was refused, cut or lost, and the house goes on."""
    logger.warning(line(event, fields))


def error(event: str, **fields: Any) -> None:
    """Something of ours is broken."""
    logger.error(line(event, fields))


def refused(reason: str, **fields: Any) -> None:
    """The one line that every refusal of a connection or a message leaves."""
    warning("refused", reason=reason, **fields)


def fault(event: str, exception: BaseException, **fields: Any) -> None:
    """An exception that should not have been, with the place it came from, in one line."""
    trace = exception.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else None
    error(event, error=repr(exception), where=where, **fields)
