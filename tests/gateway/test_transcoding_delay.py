"""Transcoded sound arrives as itself and soon: where a tone begins on one side, and where on the other."""

import asyncio
import statistics
from collections.abc import Awaitable, Callable

import numpy as np
import pytest

from gateway.codecs import FORMATS
from gateway.gateway import Gateway
from gateway.negotiate import G722, OPUS, PCMU, Key
from gateway.rtp import Packet
from tests.gateway import tone
from tests.gateway.control import PHONE, Control
from tests.gateway.phone import Phone

Phones = Callable[..., Awaitable[Phone]]

FORMAT = {PCMU: "0", G722: "9", OPUS: "96"}
FRAME = 0.02  # seconds
BURSTS = 5
QUIET, LOUD = 25, 15  # frames of each burst
LOUDNESS = 3000
MOST = 0.020  # seconds that transcoding may add


class Listener(Phone):
    """Notes when each packet came."""

    def __init__(self, **how: object) -> None:
        super().__init__(**how)  # type: ignore[arg-type]
        self.times: list[float] = []

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if not 192 <= data[1] <= 223:
            self.times.append(asyncio.get_running_loop().time())
        super().datagram_received(data, addr)


async def speak(phone: Phone, codec: Key) -> list[float]:
    """Bursts of a tone between silence; when the first packet of each has left."""
    clock, encoder = FORMATS[codec].clock, FORMATS[codec].encoder()
    samples = tone.sine(1000, FRAME * LOUD, encoder.rate)
    frame = int(encoder.rate * FRAME)
    sounds = [np.zeros(frame, np.int16)] * QUIET
    sounds += [samples[at : at + frame] for at in range(0, len(samples), frame)]
    loop, begun, number, left = asyncio.get_running_loop(), asyncio.get_running_loop().time(), 0, []
    for _ in range(BURSTS):
        for place, sound in enumerate(sounds):
            payload = encoder.encode(sound)
            if place == QUIET:
                left.append(loop.time())
            if payload is not None:
                packet = Packet(int(FORMAT[codec]), False, number, int(number * clock * FRAME), 7, payload)
                phone.transport.sendto(bytes(packet), phone.peer)
            number += 1
            await asyncio.sleep(max(begun + number * FRAME - loop.time(), 0))
    return left


def beginnings(heard: Listener, codec: Key) -> list[float]:
    """When each burst came out of the far end's decoder."""
    decoder = FORMATS[codec].decoder()
    found: list[float] = []
    quiet = True
    for packet, came in zip(heard.heard, heard.times, strict=True):
        sound = np.abs(decoder.decode(packet.payload).astype(np.int32))
        if not len(sound):
            continue
        if quiet and sound.max() > LOUDNESS:
            found.append(came + int(np.argmax(sound > LOUDNESS)) / decoder.rate)
        quiet = sound.max() <= LOUDNESS
    return found


@pytest.mark.parametrize(
    ("source", "target"),
    [(PCMU, OPUS), (OPUS, PCMU), (G722, OPUS), (OPUS, G722)],
    ids=lambda key: key[0],
)
async def test_what_transcoding_adds_to_the_way(
    gateway: Gateway, control: Control, phones: Phones, source: Key, target: Key
) -> None:
    alice = await phones(codecs=FORMAT[source], payload_type=int(FORMAT[source]))
    bob = await Listener.open(codecs=FORMAT[target])
    try:
        caller, callee = (alice, bob) if source == OPUS else (bob, alice)
        legs = {"from_tag": "a", "via_branch": "b"}
        callee.connect(await control.body("offer", "c1", PHONE, **legs, sdp=caller.description()))
        async with asyncio.timeout(10):  # it rings
            while not gateway.transcoder.ready:
                await control.ask("ping")
        legs |= {"to_tag": "b"}
        caller.connect(await control.body("answer", "c1", PHONE, **legs, sdp=callee.description()))
        left = await speak(alice, source)
        await bob.until(lambda: len(bob.heard) >= (BURSTS - 1) * (QUIET + LOUD) + QUIET + LOUD // 2)
    finally:
        await bob.close()
    came = beginnings(bob, target)
    assert len(came) == BURSTS
    added = [after - before for before, after in zip(left, came, strict=True)]
    assert statistics.median(added) < MOST, added
