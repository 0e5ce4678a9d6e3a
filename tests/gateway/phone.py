"""A desk phone's media in a few lines: plain RTP on loopback, a tone out, what comes in kept."""

import asyncio
import random
from collections.abc import Callable

from gateway.rtp import Packet
from tests.gateway import tone
from ucplatform import sdp

FRAME = 160
FOUND_AFTER = 50  # packets: one second of sound


class Phone(asyncio.DatagramProtocol):
    """Sends 20 ms of G.711 µ-law at a time once `talk` is called. `heard` holds the packets that came in."""

    def __init__(self, frequency: float = 440.0, codecs: str = "0 101", payload_type: int = 0) -> None:
        self.sound = tone.to_ulaw(tone.sine(frequency, 1.0))
        self.formats = codecs
        self.payload_type = payload_type
        self.heard: list[Packet] = []
        self.reports: list[bytes] = []
        self.sources: set[tuple[str, int]] = set()
        self.peer: tuple[str, int] | None = None
        self.ssrc = random.randrange(1 << 32)
        self.sequence = random.randrange(1 << 16)
        self.timestamp = random.randrange(1 << 32)
        self._talking: asyncio.Task[None] | None = None
        self._waiters: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []

    @classmethod
    async def open(cls, **how: object) -> "Phone":
        phone = cls(**how)  # type: ignore[arg-type]
        loop = asyncio.get_running_loop()
        phone.transport, _ = await loop.create_datagram_endpoint(lambda: phone, local_addr=("127.0.0.1", 0))
        return phone

    @property
    def port(self) -> int:
        return int(self.transport.get_extra_info("sockname")[1])

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.sources.add(addr)
        if 192 <= data[1] <= 223:
            self.reports.append(data)
        else:
            self.heard.append(Packet.parse(data))
        for waiter in list(self._waiters):
            condition, future = waiter
            if condition() and not future.done():
                future.set_result(None)
                self._waiters.remove(waiter)

    async def until(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        """Wait until it is so; looked at whenever a packet comes."""
        if not condition():
            future = asyncio.get_running_loop().create_future()
            self._waiters.append((condition, future))
            await asyncio.wait_for(future, seconds)

    def description(self, direction: str = "sendrecv", extra: str = "", port: int | None = None) -> str:
        """An SDP body; offer and answer look alike."""
        names = {"0": "PCMU/8000", "8": "PCMA/8000", "9": "G722/8000", "101": "telephone-event/8000",
                 "18": "G729/8000", "96": "opus/48000/2", "110": "telephone-event/48000"}  # fmt: skip
        maps = "".join(f"a=rtpmap:{number} {names[number]}\r\n" for number in self.formats.split())
        return (
            "v=0\r\no=phone 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {port or self.port} RTP/AVP {self.formats}\r\n{maps}{extra}a={direction}\r\n"
        )

    def connect(self, description: str) -> sdp.Media:
        """Send to where a description says; gives its audio line."""
        part = sdp.parse(description).media[0]
        assert part.connection is not None
        self.peer = (part.connection.address, part.port)
        return part

    def send(self, payload: bytes, payload_type: int | None = None, marker: bool = False) -> Packet:
        """One packet now; the next one follows on."""
        number = self.payload_type if payload_type is None else payload_type
        packet = Packet(number, marker, self.sequence, self.timestamp, self.ssrc, payload)
        self.transport.sendto(self.protected(bytes(packet)), self.peer)
        self.sequence = (self.sequence + 1) & 0xFFFF
        self.timestamp = (self.timestamp + FRAME) & 0xFFFFFFFF
        return packet

    def protected(self, data: bytes) -> bytes:
        """A packet as it goes out; plain here."""
        return data

    def talk(self) -> None:
        """Send the tone at its pace until `hush`."""
        if self._talking is None:
            self._talking = asyncio.create_task(self._talk())

    async def _talk(self) -> None:
        loop = asyncio.get_running_loop()
        due, position = loop.time(), 0
        while True:
            self.send(self.sound[position : position + FRAME])
            position = (position + FRAME) % len(self.sound)
            due += 0.02
            await asyncio.sleep(max(due - loop.time(), 0))

    async def hush(self) -> None:
        if self._talking is not None:
            self._talking.cancel()
            await asyncio.gather(self._talking, return_exceptions=True)
            self._talking = None

    async def tone(self, after: int | None = None) -> float:
        """The frequency of the next second of sound that comes in (µ-law)."""
        start = len(self.heard) if after is None else after
        await self.until(lambda: len(self.heard) >= start + FOUND_AFTER)
        payloads = [packet.payload for packet in self.heard[start : start + FOUND_AFTER]]
        return tone.loudest(tone.from_ulaw(b"".join(payloads)))

    async def close(self) -> None:
        await self.hush()
        self.transport.close()
