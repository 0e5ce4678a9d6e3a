"""The front with a real Caddy: what it tells the others, what it serves itself, and TLS without set-up."""

import asyncio
import http.client
import json
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from ucplatform.embedded import programs
from ucplatform.embedded.address import Address
from ucplatform.embedded.front import Front
from ucplatform.embedded.health import READY
from ucplatform.embedded.probe import FrontProbe, HttpProbe

Answer = tuple[int, http.client.HTTPMessage, bytes]


async def echo_headers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A web role for the test: answers with the request line and the headers that it was sent."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    body = json.dumps([line for line in head if line]).encode()
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    await writer.drain()
    writer.close()


@pytest.fixture
async def front(tmp_path: Path, free_port: Callable[[], int]) -> AsyncIterator[Front]:
    """Caddy between two echoing sockets, ready."""
    run = tmp_path / "run"
    run.mkdir()
    house = Front(
        http=Address("127.0.0.1", free_port()),
        https=Address("127.0.0.1", free_port()),
        web=Address(path=str(run / "web.sock")),
        edges=(Address(path=str(run / "edge.sock")),),
        data=tmp_path,
        names=("127.0.0.1", "phone.test"),
    )
    for path in ("static/app/assets/page-1a2b.js", "static/app/tokens.css", "secret"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    servers = [await asyncio.start_unix_server(echo_headers, each.path) for each in (house.web, *house.edges)]
    with running(house, tmp_path):
        await until_ready(FrontProbe(HttpProbe(house.http, "/healthz/front"), house.https))
        yield house
    for server in servers:
        server.close()


@contextmanager
def running(house: Front, home: Path) -> Iterator[None]:
    caddy = subprocess.Popen(
        [programs.caddy(), "run", "--adapter", "caddyfile", "--config", str(house.write())],
        env={"XDG_DATA_HOME": str(home), "XDG_CONFIG_HOME": str(home), "HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=(home / "caddy.log").open("w"),
    )
    try:
        yield
    finally:
        caddy.terminate()
        caddy.wait(10)


async def until_ready(probe: FrontProbe) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                assert await probe.check(0) == READY
                return
            except OSError:
                await asyncio.sleep(0)


async def get(front: Front, path: str, headers: dict[str, str] | None = None) -> Answer:
    return await asyncio.to_thread(fetch, http.client.HTTPConnection(str(front.http)), path, headers or {})


def fetch(connection: http.client.HTTPConnection, path: str, headers: dict[str, str]) -> Answer:
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, response.headers, body


def told(body: bytes) -> dict[str, list[str]]:
    """Header → values, names in lower case, as the role behind received them."""
    found: dict[str, list[str]] = {}
    for line in json.loads(body)[1:]:
        name, _, value = line.partition(":")
        found.setdefault(name.lower().replace("_", "-"), []).append(value.strip())
    return found


async def test_a_client_cannot_speak_for_the_front(front: Front) -> None:
    lies = {
        "X-UC-Peer": "203.0.113.1",
        "X_UC_Peer": "203.0.113.2",
        "X-Uc-Local": "203.0.113.3",
        "X-UC-Anything": "203.0.113.4",
        "X-Forwarded-For": "203.0.113.5",
        "X_Forwarded_For": "203.0.113.6",
        "X-Forwarded-Proto": "https",
    }
    _, _, body = await get(front, "/anything", lies)
    headers = told(body)
    assert headers["x-uc-peer"] == ["127.0.0.1"]
    assert headers["x-uc-local"] == ["127.0.0.1"]
    assert headers["x-uc-forwarded"] == ["203.0.113.5"]
    assert headers["x-forwarded-for"] == ["127.0.0.1"]
    assert headers["x-forwarded-proto"] == ["http"]
    assert "x-uc-anything" not in headers
    _, _, body = await get(front, "/anything")
    assert told(body)["x-uc-forwarded"] == [""]


async def test_sip_goes_to_the_edge_and_the_rest_to_web(front: Front, tmp_path: Path) -> None:
    (tmp_path / "run" / "web.sock").unlink()
    status, _, body = await get(front, "/sip")
    assert status == 200 and json.loads(body)[0].startswith("GET /sip ")
    status, _, _ = await get(front, "/sip/else")
    assert status == 502


async def test_files_are_served_with_the_right_life(front: Front) -> None:
    status, headers, body = await get(front, "/static/app/assets/page-1a2b.js")
    assert (status, body) == (200, b"static/app/assets/page-1a2b.js")
    assert headers["Cache-Control"] == "public, max-age=31536000, immutable"
    status, headers, _ = await get(front, "/static/app/tokens.css")
    assert (status, headers["Cache-Control"]) == (200, "public, no-cache")
    assert headers["ETag"] and headers["X-Content-Type-Options"] == "nosniff"
    for path in ("/static/../secret", "/static/%2e%2e/secret"):
        status, _, body = await get(front, path)
        assert body != b"secret"


@pytest.mark.parametrize("name", ["127.0.0.1", "phone.test", "localhost"])
async def test_https_without_set_up(front: Front, name: str, tmp_path: Path) -> None:
    """A browser that trusts the house's own authority finds a right certificate, with and without SNI."""
    root = tmp_path / "caddy/pki/authorities/local/root.crt"
    context = ssl.create_default_context(cafile=str(root))
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", front.https.port, ssl=context, server_hostname=name
    )
    writer.write(b"GET / HTTP/1.1\r\nHost: %b\r\nConnection: close\r\n\r\n" % name.encode())
    answer = await reader.read()
    writer.close()
    assert told(answer.partition(b"\r\n\r\n")[2])["x-forwarded-proto"] == ["https"]


async def test_an_unknown_name_gets_a_certificate_but_makes_none(front: Front, tmp_path: Path) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    made = sorted(path.name for path in tmp_path.glob("caddy/certificates/local/*"))
    for number in range(3):
        _, writer = await asyncio.open_connection(
            "127.0.0.1", front.https.port, ssl=context, server_hostname=f"x{number}.example"
        )
        writer.close()
    assert sorted(path.name for path in tmp_path.glob("caddy/certificates/local/*")) == made


def test_a_public_name_is_left_to_lets_encrypt() -> None:
    address = Address("0.0.0.0", 443)
    house = Front(
        address, address, address, (address,), Path("/d"), ("10.0.0.1",), "phone.example.org", ("10.0.0.9",)
    )
    text = house.caddyfile()
    site = text[text.index("https://phone.example.org:443 {") :]
    assert "tls internal" not in site
    assert "trusted_proxies static 10.0.0.9" in text


async def test_a_browsers_sockets_go_to_one_edge_and_to_another_when_that_is_gone(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    (tmp_path / "run").mkdir()
    edges = tuple(Address(path=str(tmp_path / "run" / f"edge{n}.sock")) for n in ("", "-2"))

    async def answer(number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n%d" % number)
        writer.close()

    servers = [await asyncio.start_unix_server(partial(answer, n), edge.path) for n, edge in enumerate(edges)]
    house = Front(
        http=Address("127.0.0.1", free_port()),
        https=Address("127.0.0.1", free_port()),
        web=Address(path=str(tmp_path / "run" / "web.sock")),
        edges=edges,
        data=tmp_path,
        names=("127.0.0.1",),
    )
    with running(house, tmp_path):
        await until_ready(FrontProbe(HttpProbe(house.http, "/healthz/front"), house.https))
        cookies = [{"Cookie": f"sessionid={n}"} for n in range(12)]
        first = [(await get(house, "/sip", cookie))[2] for cookie in cookies]
        assert set(first) == {b"0", b"1"}
        assert [(await get(house, "/sip", cookie))[2] for cookie in cookies] == first
        assert len({(await get(house, "/sip"))[2] for _ in range(5)}) == 1
        servers[1].close()
        Path(edges[1].path).unlink()
        assert {(await get(house, "/sip", cookie))[2] for cookie in cookies} == {b"0"}
    servers[0].close()
