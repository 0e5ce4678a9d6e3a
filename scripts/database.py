"""Tables, first accounts and static files, by `manage.py prepare` when their sources have changed."""

import os

from page import DIST
from steps import PYTHON, ROOT, Stamp, data_directory, fingerprint, run, say

APPS = ROOT / "ucplatform"


def prepare() -> None:
    """What is up to date is left out; when nothing is left, Django is not even started."""
    data = data_directory()
    data.mkdir(parents=True, exist_ok=True)
    stamps = {"database": tables(), "static": static()}
    wanted = [name for name, stamp in stamps.items() if not stamp.holds() or not is_there(name)]
    if not wanted:
        return
    say(
        " and ".join({"database": "database and first accounts", "static": "static files"}[n] for n in wanted)
    )
    run([PYTHON, "manage.py", "prepare", *wanted], "preparation")
    for name in wanted:
        stamps[name].write()


def is_there(name: str) -> bool:
    """A deleted SQLite file or folder is made anew. Another database may have been: it is always migrated."""
    if name == "static":
        return (data_directory() / "static").is_dir()
    return not os.environ.get("DATABASE_URL", "").strip() and (data_directory() / "uc.sqlite3").is_file()


def tables() -> Stamp:
    migrations = [path for path in APPS.rglob("migrations/*.py")]
    value = fingerprint([*migrations, ROOT / "requirements.txt"], os.environ.get("UC_DEMO", ""))
    return Stamp(data_directory() / "run" / "database.stamp", value)


def static() -> Stamp:
    """By the build's own fingerprint, our apps' files and the versions of the packages that bring files."""
    folders = [path for path in APPS.glob("*/static") if path.is_dir()]
    value = fingerprint([DIST / ".sources", *folders, ROOT / "requirements.txt"])
    return Stamp(data_directory() / "run" / "static.stamp", value)
