"""A browser's media: aiortc's RTCPeerConnection with a tone for a microphone and an ear that measures."""

import asyncio
import fractions

import numpy as np
from aiortc import (
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import AudioFrame

from tests.gateway import tone

RATE = 48000
FRAME = RATE // 50


class Microphone(MediaStreamTrack):
    """A sine at 48 kHz, paced by the clock."""

    kind = "audio"

    def __init__(self, frequency: float) -> None:
        super().__init__()
        self._sound = tone.sine(frequency, 1.0, RATE)
        self._position = 0
        self._due: float | None = None

    async def recv(self) -> AudioFrame:
        loop = asyncio.get_running_loop()
        self._due = loop.time() if self._due is None else self._due + 0.02
        await asyncio.sleep(max(self._due - loop.time(), 0))
        start = self._position % RATE
        frame = AudioFrame.from_ndarray(self._sound[start : start + FRAME].reshape(1, -1), "s16", "mono")
        frame.sample_rate, frame.pts = RATE, self._position
        frame.time_base = fractions.Fraction(1, RATE)
        self._position += FRAME
        return frame


class Browser:
    """One page with one call. `codecs` are names ('opus', 'PCMU', …) that it offers and takes, best first."""

    def __init__(self, frequency: float = 1000.0, codecs: tuple[str, ...] = ()) -> None:
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.microphone = Microphone(frequency)
        self.transceiver = self.connection.addTransceiver(self.microphone, direction="sendrecv")
        self._codecs = codecs
        self._ear: asyncio.Task[None] | None = None
        self._frames: list[np.ndarray] = []
        self._rate = RATE
        self._heard = asyncio.Event()
        self.connection.on("track", self._listen)
        self._prefer(self.transceiver)

    def _prefer(self, transceiver: object) -> None:
        if self._codecs:
            known = RTCRtpSender.getCapabilities("audio").codecs
            chosen = [codec for name in self._codecs for codec in known if codec.mimeType == f"audio/{name}"]
            transceiver.setCodecPreferences(chosen)  # type: ignore[attr-defined]

    def _listen(self, track: MediaStreamTrack) -> None:
        self._ear = asyncio.create_task(self._hear(track))

    async def _hear(self, track: MediaStreamTrack) -> None:
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            samples = frame.to_ndarray().reshape(-1, len(frame.layout.channels))[:, 0]
            self._frames.append(samples)
            self._rate = frame.sample_rate
            self._heard.set()

    async def offer(self) -> str:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return self.connection.localDescription.sdp

    async def accept(self, answer: str) -> None:
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def answer(self, offer: str) -> str:
        await self.connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        await self.connection.setLocalDescription(await self.connection.createAnswer())
        return self.connection.localDescription.sdp

    async def connected(self, seconds: float = 10.0) -> None:
        done = asyncio.get_running_loop().create_future()

        def look() -> None:
            if self.connection.connectionState == "connected" and not done.done():
                done.set_result(None)

        self.connection.on("connectionstatechange", look)
        look()
        await asyncio.wait_for(done, seconds)

    async def tone(self, seconds: float = 10.0) -> float:
        """The frequency of the next second of sound."""
        self._frames.clear()
        async with asyncio.timeout(seconds):
            while sum(map(len, self._frames)) < self._rate:
                self._heard.clear()
                await self._heard.wait()
        return tone.loudest(np.concatenate(self._frames), self._rate)

    async def close(self) -> None:
        await self.connection.close()
        self.microphone.stop()
        if self._ear is not None:
            self._ear.cancel()
            await asyncio.gather(self._ear, return_exceptions=True)
