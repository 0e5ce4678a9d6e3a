"""The transcoding worker, one process for many streams: `python -m gateway.worker FD`, by transcoder.py.

It reads and writes packets on a SOCK_SEQPACKET socket. What the relaying process sends faster than this one
can work is dropped there when the socket's buffer is full; it never waits for us.
"""

import logging
import signal
import socket
import struct
import sys

import av
import numpy as np

from gateway.codecs import FORMATS, Resampler, Samples
from gateway.negotiate import Key

logger = logging.getLogger(__name__)

READY, OPEN, DATA, CLOSE = 0, 1, 2, 3
REQUEST = struct.Struct("!BIHI")  # what, stream, sequence, timestamp; then the payload
RESULT = struct.Struct(
    "!BIBQ"
)  # what, stream, marker, timestamp since the stream's first packet; then the payload
MAX_MESSAGE = 4096
FRAMES_PER_SECOND = 50
MAX_CONCEALED = 0.2  # seconds; a longer gap is a pause of the speaker
MAX_LATE = 1.0  # seconds; further back, the sender has begun anew
FADE = 0.5  # of the last frame's loudness, each time it stands in for a lost one


def encode_open(stream: int, source: Key, target: Key) -> bytes:
    names = " ".join(f"{name}/{clock}/{channels}" for name, clock, channels in (source, target))
    return REQUEST.pack(OPEN, stream, 0, 0) + names.encode()


def decode_open(payload: bytes) -> tuple[Key, Key]:
    source, target = (part.split("/") for part in payload.decode().split(" "))
    return (source[0], int(source[1]), int(source[2])), (target[0], int(target[1]), int(target[2]))


class Stream:
    """One direction of one call: decode, resample, cut into 20 ms, encode."""

    def __init__(self, source: Key, target: Key) -> None:
        self._clock = FORMATS[source].clock
        self._decoder = FORMATS[source].decoder()
        self._encoder = FORMATS[target].encoder()
        self._resampler = Resampler(self._decoder.rate, self._encoder.rate)
        self._frame = self._encoder.rate // FRAMES_PER_SECOND
        self._tick = FORMATS[target].clock // FRAMES_PER_SECOND
        self._target_clock = FORMATS[target].clock
        self._pending: Samples = np.zeros(0, np.int16)
        self._last: Samples = np.zeros(0, np.int16)
        self._first: int | None = None
        self._next = 0
        self._elapsed = 0  # of the source's clock, from the first packet to the next expected one
        self._position = 0  # of the target's clock
        self._marker = 1

    def packet(self, timestamp: int, payload: bytes) -> list[tuple[int, int, bytes]]:
        """(marker, position, payload) of every frame that is complete now."""
        if self._first is None:
            self._first = self._next = timestamp
        gap = (timestamp - self._next + 0x80000000 & 0xFFFFFFFF) - 0x80000000
        if -MAX_LATE * self._clock < gap < 0:
            return []  # came too late, or twice
        samples = self._decoder.decode(payload)
        if not len(samples):
            return []
        lasting = len(samples) * self._clock // self._decoder.rate
        if 0 < gap <= MAX_CONCEALED * self._clock:
            samples = np.concatenate([self._concealed(gap * self._decoder.rate // self._clock), samples])
        elif gap:
            self._jump(gap)
        self._last = samples[-lasting * self._decoder.rate // self._clock :]
        self._next = timestamp + lasting & 0xFFFFFFFF
        self._elapsed += gap + lasting
        self._pending = np.concatenate([self._pending, self._resampler.process(samples)])
        return self._encoded()

    def _concealed(self, count: int) -> Samples:
        """The last frame, ever softer, in place of what was lost."""
        if not len(self._last):
            return np.zeros(count, np.int16)
        repeated = np.resize(self._last, count).astype(np.float32)
        return (repeated * np.linspace(FADE, 0.0, count, dtype=np.float32)).astype(np.int16)

    def _jump(self, gap: int) -> None:
        """After a pause the sound goes on where its clock says."""
        self._pending = np.zeros(0, np.int16)
        elapsed = max(self._elapsed + gap, 0)
        self._position = max(elapsed * self._target_clock // self._clock, self._position)
        self._marker = 1

    def _encoded(self) -> list[tuple[int, int, bytes]]:
        made = []
        while len(self._pending) >= self._frame:
            frame, self._pending = self._pending[: self._frame], self._pending[self._frame :]
            payload = self._encoder.encode(frame)
            if payload is not None:
                made.append((self._marker, self._position, payload))
                self._marker = 0
            self._position += self._tick
        return made


class Worker:
    """All streams of this process."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._streams: dict[int, Stream] = {}

    def run(self) -> None:
        """Until the other side closes."""
        self._channel.send(RESULT.pack(READY, 0, 0, 0))
        while message := self._channel.recv(MAX_MESSAGE):
            what, stream, _, timestamp = REQUEST.unpack_from(message)
            payload = message[REQUEST.size :]
            if what == DATA:
                self._data(stream, timestamp, payload)
            elif what == OPEN:
                self._streams[stream] = Stream(*decode_open(payload))
            elif what == CLOSE:
                self._streams.pop(stream, None)

    def _data(self, number: int, timestamp: int, payload: bytes) -> None:
        stream = self._streams.get(number)
        if stream is None:
            return
        try:
            made = stream.packet(timestamp, payload)
        except (av.FFmpegError, ValueError) as error:  # a payload that its codec does not know
            logger.debug("stream %d: %s", number, error)
            return
        for marker, position, encoded in made:
            self._channel.send(RESULT.pack(DATA, number, marker, position) + encoded)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the gateway; its end closes our socket
    av.logging.set_level(av.logging.PANIC)
    with socket.socket(fileno=int(sys.argv[1])) as channel:
        try:
            Worker(channel).run()
        except (BrokenPipeError, ConnectionResetError):
            pass  # the gateway is gone


if __name__ == "__main__":
    main()
