"""The same client drives a real rtpengine."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.phone import Phone
from tests.gateway.srtp_phone import SrtpPhone
from tests.media.test_client import until
from tests.ports import own_block
from ucplatform import sdp
from ucplatform.media import EngineError, MediaClient

DATA = Path(__file__).parents[1] / "data" / "sdp"


@pytest.fixture
def media_ports() -> tuple[int, int]:
    return own_block().take_range(200)


@pytest.fixture
async def client(tmp_path: Path, media_ports: tuple[int, int]) -> AsyncIterator[MediaClient]:
    binary = shutil.which("rtpengine")
    assert binary, "rtpengine is missing: apt install rtpengine-daemon"
    port = own_block().take()
    log = (tmp_path / "rtpengine.log").open("wb")
    process = subprocess.Popen(
        [binary, "--table=-1", "--interface=127.0.0.1", f"--listen-ng=127.0.0.1:{port}",
         f"--port-min={media_ports[0]}", f"--port-max={media_ports[1]}", "--num-threads=1", "--foreground",
         "--log-stderr", "--log-level=6", f"--pidfile={tmp_path / 'pid'}"],
        stdout=log, stderr=log,
    )  # fmt: skip
    client = MediaClient([f"127.0.0.1:{port}"])
    await client.start()
    await until(lambda: client.states()[f"127.0.0.1:{port}"]["alive"], seconds=10)
    yield client
    await client.close()
    process.terminate()
    assert await asyncio.to_thread(process.wait, 10) is not None
    log.close()


TO_PHONE = {"ICE": "remove", "DTLS": "off", "transport-protocol": "RTP/AVP", "rtcp-mux": ["demux"]}
TO_SECURE_PHONE = {
    "ICE": "remove",
    "DTLS": "off",
    "transport-protocol": "RTP/SAVP",
    "rtcp-mux": ["demux"],
}
TO_BROWSER = {
    "ICE": "force",
    "DTLS": "passive",
    "SDES": ["off"],
    "transport-protocol": "UDP/TLS/RTP/SAVPF",
    "rtcp-mux": ["offer"],
}


async def test_browser_offer_forked_to_two_phones(client: MediaClient, media_ports: tuple[int, int]):
    offer = (DATA / "chromium_offer_audio.sdp").read_bytes().decode()
    branches = {}
    for leg in ("B1", "B2"):
        reply = await client.request(
            "c-1", {"command": "offer", "from-tag": "A", "via-branch": leg, "sdp": offer, **TO_PHONE}
        )
        branches[leg] = sdp.parse(str(reply["sdp"])).media[0]
    ports = {part.port for part in branches.values()}
    assert len(ports) == 2 and all(media_ports[0] <= port <= media_ports[1] for port in ports)
    assert all(part.proto == "RTP/AVP" and sdp.ice_of(part) is None for part in branches.values())
    await client.request("c-1", {"command": "delete", "from-tag": "A", "via-branch": "B2"})
    answer = (DATA / "yealink_offer.sdp").read_bytes().decode()
    reply = await client.request(
        "c-1",
        {
            "command": "answer",
            "from-tag": "A",
            "to-tag": "B1",
            "via-branch": "B1",
            "sdp": answer,
            **TO_BROWSER,
        },
    )
    towards_browser = sdp.parse(str(reply["sdp"])).media[0]
    assert towards_browser.proto == "UDP/TLS/RTP/SAVPF"
    assert sdp.ice_of(towards_browser) and sdp.fingerprints_of(towards_browser)
    assert towards_browser.all("candidate") and sdp.Candidate.parse(towards_browser.all("candidate")[0])
    query = await client.request("c-1", {"command": "query"})
    assert isinstance(query["tags"], dict) and {"A", "B1"} <= set(query["tags"])
    statistics = await client.request("c-1", {"command": "delete", "from-tag": "A"})
    assert "totals" in statistics and client.engine_of("c-1") is None


async def test_sound_between_a_phone_with_srtp_and_one_without(client: MediaClient):
    """As call control asks for it (`pbx.mediaplan`), either of them calling."""
    secure, plain = await SrtpPhone.open(frequency=440), await Phone.open(frequency=700)
    profiles = {secure: TO_SECURE_PHONE, plain: TO_PHONE}
    try:
        for number, (caller, callee) in enumerate(((secure, plain), (plain, secure))):
            call, tags = f"c-{number}", {"from-tag": "A", "via-branch": "B"}
            offer = {"command": "offer", **tags, "sdp": caller.description(), **profiles[callee]}
            callee.connect(str((await client.request(call, offer))["sdp"]))
            tags["to-tag"] = "B"
            answer = {"command": "answer", **tags, "sdp": callee.description(), **profiles[caller]}
            caller.connect(str((await client.request(call, answer))["sdp"]))
            secure.talk()
            plain.talk()
            assert await plain.tone() == pytest.approx(440, abs=5)
            assert await secure.tone() == pytest.approx(700, abs=5)
            await secure.hush()
            await plain.hush()
            await client.request(call, {"command": "delete", "from-tag": "A"})
    finally:
        await secure.close()
        await plain.close()


async def test_what_rtpengine_refuses(client: MediaClient):
    (address,) = client.engines
    assert (await client.ping(address))["result"] == "pong"
    with pytest.raises(EngineError, match=r"[Uu]nknown call"):
        await client.request("c-none", {"command": "query"})
    assert client.states()[address] == {"alive": True, "ours": False, "free_ports": None}
    with pytest.raises(EngineError, match="no engine speaks attach"):
        await client.request("c-2", {"command": "attach"})
