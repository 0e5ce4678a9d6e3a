"""The process as a whole: ready, healthy, taken addresses, and a stop that loses nothing."""

import asyncio
import json
import os
import socket
import stat
import time
from pathlib import Path

import pytest
import websockets

from tests.edge.conftest import Valkey
from tests.edge.process import PROXY, EdgeProcess, closed
from tests.edge.responder import options
from ucplatform.edge.addresses import Routes
from ucplatform.edge.redis_link import connect
from ucplatform.edge.server import endpoint, remove_stale


async def get(path: str, target: str) -> tuple[int, dict]:
    """An HTTP GET over a unix socket: status and JSON."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(f"GET {target} HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n\r\n".encode())
    async with asyncio.timeout(5):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), json.loads(body)


async def test_answers_on_all_transports_and_says_how_it_is(tmp_path: Path, valkey: Valkey) -> None:
    edge = await EdgeProcess(tmp_path, valkey.url).start()
    status, health = await get(edge.socket, "/healthz")
    assert status == 200 and health["state"] == "ready" and health["pid"] == edge.process.pid
    assert (await get(edge.socket, "/accounts/login/"))[0] == 404
    assert stat.S_IMODE(os.stat(edge.socket).st_mode) == 0o600
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.settimeout(5)
        peer.sendto(options(), edge.address("udp"))
        assert peer.recv(65536).startswith(b"SIP/2.0 200")
    for kind in ("tcp", "tls"):
        reader, writer = await asyncio.open_connection(
            *edge.address(kind), ssl=_unchecked() if kind == "tls" else None
        )
        writer.write(options(via=kind.upper()))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"SIP/2.0 200")
        writer.close()
    assert await edge.stop() == 0


def _unchecked():
    import ssl

    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def test_stops_within_two_seconds_with_1001_and_loses_nothing(tmp_path: Path, valkey: Valkey) -> None:
    edge = await EdgeProcess(tmp_path, valkey.url).start()
    connections = await asyncio.gather(*(edge.websocket() for _ in range(50)))
    _, stream = await asyncio.open_connection(*edge.address("tcp"))
    start = time.monotonic()
    codes = asyncio.gather(*(closed(connection) for connection in connections))
    assert await edge.stop() == 0
    assert time.monotonic() - start < 2.0
    assert set(await codes) == {1001}
    assert edge.lines[-1].endswith("edge-stopped edge=1")
    assert "Traceback" not in "\n".join(edge.lines)
    assert "last words" in (tmp_path / "records").read_text()
    assert b"stopped" in next((tmp_path / "trace").glob("*.seg")).read_bytes()
    async with connect(valkey.url) as redis:
        assert await redis.get("uc:reg:200") == "[]"
    assert not os.path.exists(edge.socket)
    stream.close()


async def test_a_taken_sip_port_is_a_clear_error(tmp_path: Path, valkey: Valkey) -> None:
    for setting, kind in (("UC_SIP_UDP", socket.SOCK_DGRAM), ("UC_SIP_TCP", socket.SOCK_STREAM)):
        with socket.socket(socket.AF_INET, kind) as taken:
            taken.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            edge = EdgeProcess(tmp_path, valkey.url, **{setting: address})
            await edge.launch()
            assert await edge.ended() == 1
            assert edge.about(f"cannot listen on {setting[-3:].lower()} {address}: Address already in use")


async def test_a_taken_socket_is_a_clear_error_and_is_left_alone(tmp_path: Path, valkey: Valkey) -> None:
    first = await EdgeProcess(tmp_path, valkey.url).start()
    second = EdgeProcess(tmp_path, valkey.url)
    await second.launch()
    assert await second.ended() == 1
    assert second.about(f"another process listens on {first.socket}")
    assert (await get(first.socket, "/healthz"))[0] == 200
    await first.stop()


async def test_a_taken_tcp_address_for_http_is_a_clear_error(tmp_path: Path, valkey: Valkey) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        edge = EdgeProcess(tmp_path, valkey.url, UC_EDGE_SOCKET=f"127.0.0.1:{taken.getsockname()[1]}")
        await edge.launch()
        assert await edge.ended() == 1
        assert edge.about("Address already in use")


async def test_believes_a_front_door_on_another_machine_only_when_told(
    tmp_path: Path, valkey: Valkey
) -> None:
    """In containers the front door reaches the edge over TCP, from an address that UC_SIP_TRUSTED names."""
    own = Routes().local("192.0.2.1")  # any address of this machine but loopback
    for trusted, seen in (([own], "198.51.100.7:0"), ([], own)):
        with socket.create_server((own, 0)) as probe:
            port = probe.getsockname()[1]
        edge = await EdgeProcess(
            tmp_path, valkey.url, UC_EDGE_SOCKET=f"{own}:{port}", UC_SIP_TRUSTED=trusted
        ).start()
        async with websockets.connect(
            f"ws://{own}:{port}/sip", subprotocols=["sip"], additional_headers=PROXY, compression=None
        ) as connection:
            await connection.send(options(via="WSS").decode())
            assert f" {seen}" in str(await connection.recv())
        await edge.stop()


async def test_starts_again_after_kill_9(tmp_path: Path, valkey: Valkey) -> None:
    """The socket file of the killed one is in the way, and is nobody's."""
    first = await EdgeProcess(tmp_path, valkey.url).start()
    await first.kill()
    assert os.path.exists(first.socket)
    second = await EdgeProcess(tmp_path, valkey.url).start()
    async with second.websocket() as connection:
        await connection.send(options(via="WSS").decode())
        assert str(await connection.recv()).startswith("SIP/2.0 200")
    assert await second.stop() == 0


async def test_goes_on_without_redis(tmp_path: Path, valkey: Valkey) -> None:
    edge = await EdgeProcess(tmp_path, valkey.url).start()
    async with edge.websocket() as connection:
        valkey.kill()
        await edge.line("store-away")
        await connection.send(options(via="WSS").decode())
        assert str(await connection.recv()).startswith("SIP/2.0 200")
        valkey.start()
        while len(edge.about("store-ready")) < 2:
            await asyncio.sleep(0.01)
    assert await edge.stop() == 0


def test_a_file_that_is_no_socket_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "edge.sock"
    path.write_text("precious")
    with pytest.raises(OSError, match="no socket"):
        remove_stale(str(path))
    assert path.read_text() == "precious"


def test_describes_addresses_to_twisted(tmp_path: Path) -> None:
    assert endpoint("127.0.0.1:8001") == "tcp:port=8001:interface=127.0.0.1:backlog=1024"
    assert endpoint("[::1]:8001") == "tcp:port=8001:interface=\\:\\:1:backlog=1024"
    assert endpoint(f"unix:{tmp_path}/a:b").startswith(f"unix:{tmp_path}/a\\:b:")
