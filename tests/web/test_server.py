"""`manage.py web` as a process: it listens, says when it cannot, and stops cleanly."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlencode

import pytest
import websockets

ROOT = Path(__file__).resolve().parents[2]


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=10)
        self.path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    return {
        **os.environ,
        "UC_DATA_DIR": str(tmp_path / "data"),
        "REDIS_URL": "unix:///nowhere/redis.sock",
        "UC_DOMAIN": "test.example",
        **more,
    }


def start(tmp_path: Path, **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "manage.py", "web"],
        cwd=ROOT,
        env=environment(tmp_path, **more),
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until_listening(process: subprocess.Popen[str]) -> None:
    """Reads the log until the line that says so."""
    for line in process.stderr:
        if "web listens on" in line:
            return
    raise AssertionError(f"ended with {process.wait()}")


@pytest.fixture
def web(tmp_path):
    """(process, socket path) of a running web process."""
    path = tmp_path / "w.sock"
    process = start(tmp_path, UC_WEB_SOCKET=f"unix:{path}")
    wait_until_listening(process)
    yield process, path
    if process.poll() is None:
        process.kill()
    process.wait(10)
    process.stderr.close()


def get(path: Path, url: str, **headers: str) -> http.client.HTTPResponse:
    connection = UnixConnection(path)
    connection.request("GET", url, headers=headers)
    return connection.getresponse()


def test_it_answers_on_its_socket_and_ends_on_sigterm(web):
    process, path = web
    assert path.stat().st_mode & 0o777 == 0o600
    response = get(path, "/healthz/live")
    assert (response.status, response.read()) == (200, b"ok\n")
    assert get(path, "/healthz").status == 503  # nothing else runs
    assert get(path, "/healthz/live", Host="evil.example").status == 400
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == 0
    assert not path.exists()


def test_an_address_that_is_taken_is_an_error(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        process = start(tmp_path, UC_WEB_SOCKET=address)
        _, said = process.communicate(timeout=30)
    assert process.returncode != 0
    assert address in said and "in use" in said


def test_a_socket_left_by_a_killed_process_is_taken_over(tmp_path, web):
    process, path = web
    process.kill()
    process.wait(10)
    assert path.exists()
    again = start(tmp_path, UC_WEB_SOCKET=f"unix:{path}")
    try:
        wait_until_listening(again)
        again.send_signal(signal.SIGINT)
        assert again.wait(5) == 0
    finally:
        again.kill()
        again.wait(5)
        again.stderr.close()


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1:http"])
def test_an_address_that_is_none(tmp_path, address):
    process = start(tmp_path, UC_WEB_SOCKET=address)
    _, said = process.communicate(timeout=30)
    assert process.returncode != 0 and "UC_WEB_SOCKET" in said


@pytest.fixture
def house(tmp_path, redis_server):
    """(process, socket path, session cookie) of a web process with a database and somebody signed in."""
    path = tmp_path / "w.sock"
    given = {"REDIS_URL": redis_server, "UC_WEB_SOCKET": f"unix:{path}"}
    somebody = ["extension", "add", "201", "--username", "dora", "--password", "dora-password"]
    for command in (["migrate"], somebody):
        arguments = [sys.executable, "manage.py", *command]
        subprocess.run(
            arguments, cwd=ROOT, env=environment(tmp_path, **given), check=True, capture_output=True
        )
    process = start(tmp_path, **given)
    wait_until_listening(process)
    token = SimpleCookie(get(path, "/accounts/login/").getheader("Set-Cookie"))["csrftoken"].value
    connection = UnixConnection(path)
    form = {"login": "dora", "password": "dora-password", "csrfmiddlewaretoken": token}
    headers = {"Cookie": f"csrftoken={token}", "Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/accounts/login/", urlencode(form), headers)
    answer = connection.getresponse()
    assert answer.status == 302
    cookies = SimpleCookie("; ".join(answer.headers.get_all("Set-Cookie")))
    yield process, path, f"sessionid={cookies['sessionid'].value}"
    if process.poll() is None:
        process.kill()
    process.wait(10)
    process.stderr.close()


def events(path: Path, origin: str, cookie: str = "") -> websockets.unix_connect:
    headers = {"Cookie": cookie} if cookie else {}
    return websockets.unix_connect(
        str(path), "ws://localhost/events", origin=origin, additional_headers=headers, compression=None
    )


async def test_live_events_from_the_socket_to_the_stop(house):
    process, path, cookie = house
    with pytest.raises(websockets.InvalidStatus) as refusal:
        async with events(path, "http://evil.example", cookie):
            pass
    assert refusal.value.response.status_code == 403
    async with events(path, "http://localhost") as stranger:
        with pytest.raises(websockets.ConnectionClosed) as close:
            await stranger.recv()
    assert close.value.rcvd.code == 4401
    async with events(path, "http://localhost", cookie) as page:
        assert json.loads(await page.recv()) == {"type": "hello"}
        process.send_signal(signal.SIGTERM)
        with pytest.raises(websockets.ConnectionClosed) as close:
            await page.recv()
    assert close.value.rcvd.code == 1001
    assert process.wait(5) == 0


async def test_a_huge_frame_ends_the_connection(house):
    _, path, cookie = house
    async with events(path, "http://localhost", cookie) as page:
        await page.recv()
        with pytest.raises(websockets.ConnectionClosed):
            await page.send("x" * 1_048_576)
            await page.recv()


async def test_without_redis_a_page_is_told_to_come_back(web):
    _, path = web
    with pytest.raises(websockets.InvalidStatus) as refusal:
        async with events(path, "http://localhost"):
            pass
    assert refusal.value.response.status_code == 403
