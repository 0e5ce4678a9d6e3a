"""The settings' first start: what is made once, kept, and private."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRINT = (
    "from ucplatform import settings as s; print(s.UC_SECRET_KEY, s.UC_DOMAIN, s.UC_WEB_SOCKET, sep='\\n')"
)


def start(data: Path, program: str = PRINT, **more: str) -> subprocess.Popen[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("UC_")}
    env = {**inherited, "UC_DATA_DIR": str(data), **more}
    return subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def read(data: Path, **more: str) -> list[str]:
    out, error = start(data, **more).communicate(timeout=60)
    assert not error, error
    return out.split("\n")[:3]


def test_key_and_domain_are_made_once_whoever_comes_first(tmp_path):
    processes = [start(tmp_path / "data") for _ in range(4)]
    assert len({process.communicate(timeout=60)[0] for process in processes}) == 1
    key = tmp_path / "data" / "secret-key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert len(key.read_text().strip()) >= 60
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["domain", "run", "secret-key"]
    assert stat.S_IMODE((tmp_path / "data" / "run").stat().st_mode) == 0o700


def test_the_domain_is_fixed_at_the_first_start(tmp_path):
    assert read(tmp_path, UC_DOMAIN="Phones.Example")[1] == "phones.example"
    assert read(tmp_path, UC_DOMAIN="other.example")[1] == "phones.example"
    assert read(tmp_path)[1] == "phones.example"


def test_a_key_from_the_environment_is_not_written_down(tmp_path):
    assert read(tmp_path, UC_SECRET_KEY="k" * 50)[0] == "k" * 50
    assert not (tmp_path / "secret-key").exists()


def test_a_long_data_directory_still_has_sockets(tmp_path):
    data = tmp_path / ("d" * 90)
    socket = read(data)[2].removeprefix("unix:")
    assert len(socket) < 107 and socket.startswith("/tmp/uc-")
    assert stat.S_IMODE(Path(socket).parent.stat().st_mode) == 0o700
    Path(socket).parent.rmdir()


def test_two_data_directories_share_nothing(tmp_path):
    one, two = read(tmp_path / "one"), read(tmp_path / "two")
    assert one[0] != two[0] and one[2] != two[2]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://ana:p%40ss@mail.example:2525", ("mail.example", 2525, "ana", "p@ss", True, False)),
        ("smtps://mail.example", ("mail.example", 465, "", "", False, True)),
        ("smtp://localhost:25", ("localhost", 25, "", "", False, False)),
    ],
)
def test_a_mail_server_is_one_variable(tmp_path, url, expected):
    names = ("HOST", "PORT", "HOST_USER", "HOST_PASSWORD", "USE_TLS", "USE_SSL")
    program = (
        f"from ucplatform import settings as s; print(tuple(getattr(s, 'EMAIL_' + n) for n in {names!r}))"
    )
    assert start(tmp_path, program, UC_EMAIL_URL=url).communicate(timeout=60)[0].strip() == repr(expected)


def test_sqlite_waits_and_reads_beside_a_writer(db):
    from django.db import connection

    with connection.cursor() as cursor:
        assert cursor.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert cursor.execute("PRAGMA busy_timeout").fetchone() == (20_000,)


def test_settings_stay_short():
    lines = (ROOT / "ucplatform" / "settings.py").read_text().count("\n")
    assert lines <= 250
