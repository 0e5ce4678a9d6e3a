"""Two edges behind Kamailio's dispatcher: telephones know one address, and notice nothing of the edges."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.e2e.instance import Instance, Person
from tests.e2e.kamailio import ADDRESS, Kamailio
from tests.e2e.sipp import Sipp, write_rows
from tests.edge.telephone import Telephone
from tests.ports import PortBlock
from ucplatform.sip.message import Response

PHONES = 12
CALLS = 30
PEOPLE = [Person(str(n), f"Desk {n}", f"secret-{n}") for n in range(700, 700 + 2 * PHONES)]
TALKERS = [Person(str(n), f"Talker {n}", f"secret-{n}") for n in (790, 791, 792)]


@pytest.fixture(scope="module")
def instance(ports: PortBlock) -> Iterator[Instance]:
    """A house of two edges that trusts Kamailio."""
    settings = {
        "UC_SIP_TRUSTED": ADDRESS,
        "UC_MEDIA_ADDRESSES": "loop=127.0.0.1",
        "UC_RTP_PORTS": "{}-{}".format(*ports.take_range(160)),
    }
    started = Instance(ports, edges=2, **settings)
    started.load([*PEOPLE, *TALKERS])
    yield started
    started.stop()


def edges(instance: Instance) -> list[str]:
    return [f"127.0.0.1:{instance.sip_port + 10 * place}" for place in range(2)]


@pytest.fixture(scope="module")
def kamailio(
    instance: Instance,
    ports: PortBlock,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[Kamailio]:
    flags = [request.param] if request.param else []
    started = Kamailio(tmp_path_factory.mktemp("kamailio") / "run", ports, edges(instance), *flags)
    started.wait_ready()
    yield started
    started.stop()


def registrations(instance: Instance, place: int) -> int:
    """How many devices an edge says that it holds."""
    path = instance.data / "run" / ("edge.sock" if place == 0 else f"edge-{place + 1}.sock")
    with socket.socket(socket.AF_UNIX) as stream:
        stream.settimeout(5)
        stream.connect(str(path))
        stream.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b""
        while piece := stream.recv(65536):
            answer += piece
    return int(json.loads(answer.partition(b"\r\n\r\n")[2])["registrations"])


@pytest.mark.parametrize("kamailio", ["", "ANY_EDGE"], ids=["named edge", "any edge"], indirect=True)
def test_calls_between_devices_of_both_edges(
    instance: Instance, ports: PortBlock, kamailio: Kamailio, tmp_path: Path
) -> None:
    called, calling = PEOPLE[:PHONES], PEOPLE[PHONES:]
    port = ports.take()
    rows = write_rows(tmp_path / "register.csv", [(p.number, p.secret, p.number) for p in called])
    with Sipp(
        tmp_path / "register", ports, "register", calls=PHONES, port=port, server=kamailio.server, rows=rows,
        rate=50,
    ) as sipp:  # fmt: skip
        sipp.wait().assert_all(PHONES)
    shares = [registrations(instance, place) for place in range(2)]
    assert min(shares) > 0, shares
    pairs = [(a.number, a.secret, b.number) for a, b in zip(calling, called, strict=True)]
    rows = write_rows(tmp_path / "calls.csv", pairs)
    with Sipp(tmp_path / "callee", ports, "callee_answers", calls=CALLS, port=port) as answering:
        answering.wait_listening()
        with Sipp(
            tmp_path / "caller",
            ports,
            "caller_talks",
            calls=CALLS,
            server=kamailio.server,
            rows=rows,
            rate=30,
        ) as asking:
            asking.wait().assert_all(CALLS)
            answering.wait().assert_all(CALLS)


class Sound(asyncio.DatagramProtocol):
    """A telephone's media: `heard` is set by every packet."""

    async def open(self) -> Sound:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        self.port = self._transport.get_extra_info("sockname")[1]
        self.heard = asyncio.Event()
        self._count = 0
        return self

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.heard.set()

    async def reaches(self, other: Sound, to: int) -> None:
        """Talk to the gateway's port until the other side hears it."""
        other.heard.clear()
        async with asyncio.timeout(5):
            while not other.heard.is_set():
                self._count += 1
                head = b"\x80\x00" + self._count.to_bytes(2, "big") + (160 * self._count).to_bytes(4, "big")
                self._transport.sendto(head + b"ssrc" + b"\xff" * 160, ("127.0.0.1", to))
                await asyncio.sleep(0.02)

    def close(self) -> None:
        self._transport.close()


@pytest.fixture
async def talkers(kamailio: Kamailio, instance: Instance) -> AsyncIterator[list[tuple[Telephone, Sound]]]:
    async with AsyncExitStack() as stack:
        made = []
        for person in TALKERS:
            phone = await Telephone(person.number, person.secret, kamailio.address, instance.domain).open()
            sound = await Sound().open()
            stack.callback(phone.close)
            stack.callback(sound.close)
            assert (await phone.register("Supported: path")).status == 200
            made.append((phone, sound))
        yield made


def media_port(body: bytes) -> int:
    return int(body.decode().partition("m=audio ")[2].split()[0])


@pytest.mark.parametrize("kamailio", ["ANY_EDGE"], ids=["any edge"], indirect=True)
async def test_a_killed_edge_takes_no_sound_along_and_new_calls_go_to_the_other(
    instance: Instance, talkers: list[tuple[Telephone, Sound]]
) -> None:
    (caller, here), (callee, there), (third, _) = talkers
    answer, invite = await caller.call(callee, here.port, there.port)
    owner = invite.contacts[0].uri.param("edge")
    await here.reaches(there, media_port(answer.body))
    await there.reaches(here, media_port(invite.body))
    doomed = await asyncio.to_thread(instance.pid, f"edge-{owner}")
    with instance.unattended():
        os.kill(doomed, signal.SIGKILL)
        await here.reaches(there, media_port(answer.body))
        other, second = await third.call(callee)
    assert second.contacts[0].uri.param("edge") != owner
    third.send(hang_up(third, other))
    callee.answer(await callee.request("BYE"))
    callee.send(
        callee.inside("BYE", invite, callee.tag)
    )  # the edge may still be away: the other one keeps it
    caller.answer(await caller.request("BYE", 15))


def hang_up(phone: Telephone, response: Response) -> bytes:
    routes = reversed(response.headers.values("Record-Route"))
    return phone.build(
        "BYE",
        str(response.contacts[0].uri),
        *(f"{name}: {response.headers.get(name)}" for name in ("From", "To", "Call-ID")),
        *(f"Route: {hop}" for hop in routes),
    )
