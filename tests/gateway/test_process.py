"""`python -m gateway` as a process: ready, stopped by SIGTERM, and clear about what is wrong."""

import asyncio
import os
import signal
import socket
import sys

from tests.ports import own_block
from ucplatform import ng

READY = b"gateway ready"


async def start(**environ: str) -> asyncio.subprocess.Process:
    ports = "{}-{}".format(*own_block().take_range(100))
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway",
        env={**os.environ, "UC_RTP_PORTS": ports, "UC_MEDIA_ADDRESSES": "loop=127.0.0.1", **environ},
        stderr=asyncio.subprocess.PIPE,
    )


async def test_it_serves_and_stops() -> None:
    port = own_block().take()
    process = await start(UC_GATEWAY_NG=f"127.0.0.1:{port}")
    assert process.stderr is not None
    async with asyncio.timeout(20):
        while READY not in (line := await process.stderr.readline()):
            assert line
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(ng.encode("c", {"command": "ping"}))
        framer = ng.StreamFramer()
        while not (replies := framer.feed(await reader.read(4096))):
            pass
        assert replies[0][1]["pid"] == process.pid
        assert replies[0][1]["ports"] == {"free": 100, "total": 100}
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
        writer.close()


async def test_a_taken_port_is_named() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        place = f"127.0.0.1:{other.getsockname()[1]}"
        process = await start(UC_GATEWAY_NG=place)
        async with asyncio.timeout(20):
            _, output = await process.communicate()
    assert process.returncode == 1
    assert f"cannot listen on {place}" in output.decode() and "in use" in output.decode()


async def test_a_wrong_setting_is_named() -> None:
    process = await start(UC_RTP_PORTS="9-5")
    async with asyncio.timeout(20):
        _, output = await process.communicate()
    assert process.returncode == 2 and "gateway: UC_RTP_PORTS" in output.decode()
