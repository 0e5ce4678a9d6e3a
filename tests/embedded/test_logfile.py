"""A role's log file, and what of it reaches the screen."""

from pathlib import Path

import pytest

from ucplatform.embedded.logfile import MAX_LINE, RoleLog


@pytest.fixture
def screen() -> list[str]:
    return []


@pytest.fixture
def log(tmp_path: Path, screen: list[str]) -> RoleLog:
    return RoleLog(tmp_path / "log" / "web.log", "web", screen.append, max_bytes=10_000)


def test_lines_carry_the_role_and_all_are_kept(log: RoleLog) -> None:
    log.write(b"2026-01-01 10:00:00,000 INFO uc started")
    log.write(b"\xff broken octets")
    assert log.path.read_text() == (
        "web | 2026-01-01 10:00:00,000 INFO uc started\nweb | \\xff broken octets\n"
    )


def test_warnings_and_what_belongs_to_them_reach_the_screen(log: RoleLog, screen: list[str]) -> None:
    lines = [
        "2026-01-01 10:00:00,000 INFO uc quiet",
        "2026-01-01 10:00:00,000 WARNING uc loud",
        "2026-01-01 10:00:00,000 INFO uc quiet again",
        "2026-01-01 10:00:00,000 ERROR uc went wrong",
        "Traceback (most recent call last):",
        '  File "x.py", line 1, in <module>',
        "ValueError: bad",
        "django.db.utils.OperationalError: worse",
        "2026-01-01 10:00:00,000 INFO uc quiet at last",
        '{"level":"error","msg":"caddy complains"}',
        '{"level":"info","msg":"caddy is well"}',
        "123:M 01 Jan 2026 10:00:00.000 # Failed opening the append only file",
        "123:M 01 Jan 2026 10:00:00.000 # Valkey is now ready to exit, bye bye...",
    ]
    for line in lines:
        log.write(line.encode())
    assert screen == [f"web | {lines[n]}" for n in (1, 3, 4, 5, 6, 7, 9, 11)]


def test_a_full_file_is_turned_over_once(log: RoleLog) -> None:
    for number in range(1000):
        log.write(b"line %d" % number)
    older = log.path.with_suffix(".log.1")
    assert log.path.stat().st_size <= 10_000 and older.stat().st_size <= 10_000
    assert log.path.read_text().endswith("web | line 999\n")
    assert list(log.last)[-1] == "line 999"


def test_an_endless_line_is_cut(log: RoleLog) -> None:
    log.write(b"x" * (2 * MAX_LINE))
    assert log.path.stat().st_size < MAX_LINE + 20
