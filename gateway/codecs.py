"""Decoding and encoding speech, in the transcoding worker only (MEDIA.md has what each costs).

Samples are mono, 16 bits, as numpy arrays. `rate` is that of the samples; the RTP clock of G.722 is another.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from numpy.typing import NDArray

from gateway.negotiate import G722, OPUS, PCMA, PCMU, Key

Samples = NDArray[np.int16]

OPUS_BITRATE = 32000  # speech at full band, mono


class Decoder(Protocol):
    """Payloads to samples. Raises av.FFmpegError or ValueError for a payload that is none."""

    rate: int

    def decode(self, payload: bytes) -> Samples: ...


class Encoder(Protocol):
    """Samples, 20 ms at a time, to payloads. None while the encoder still waits for more."""

    rate: int

    def encode(self, samples: Samples) -> bytes | None: ...


@dataclass(frozen=True, slots=True)
class Format:
    """A codec that can be transcoded: its RTP clock, and how to make its two halves."""

    clock: int
    decoder: Callable[[], Decoder]
    encoder: Callable[[], Encoder]


def _ulaw_values() -> Samples:
    """ITU-T G.711 µ-law, all 256 of them."""
    code = ~np.arange(256) & 0xFF
    magnitude = (((code & 0x0F) << 3) + 132 << (code >> 4 & 7)) - 132
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _alaw_values() -> Samples:
    """ITU-T G.711 A-law, all 256 of them."""
    code = np.arange(256) ^ 0x55
    exponent, mantissa = code >> 4 & 7, (code & 0x0F) << 4
    magnitude = np.where(exponent == 0, mantissa + 8, (mantissa + 264) << np.maximum(exponent - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


def _nearest(values: Samples) -> NDArray[np.uint8]:
    """The code whose value is nearest, for each of the 65536 samples (index: the sample as unsigned)."""
    order = np.argsort(values, kind="stable")
    ranked = values[order].astype(np.int32)
    middles = (ranked[:-1] + ranked[1:] + 1) // 2
    samples = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)
    return order[np.searchsorted(middles, samples, side="right")].astype(np.uint8)


class G711:
    """Both laws, by table, both ways."""

    rate = 8000
    _tables: dict[Key, tuple[Samples, NDArray[np.uint8]]] = {}

    def __init__(self, key: Key) -> None:
        if key not in self._tables:
            values = _ulaw_values() if key == PCMU else _alaw_values()
            self._tables[key] = (values, _nearest(values))
        self._values, self._codes = self._tables[key]

    def decode(self, payload: bytes) -> Samples:
        return self._values[np.frombuffer(payload, np.uint8)]

    def encode(self, samples: Samples) -> bytes:
        return self._codes[samples.view(np.uint16)].tobytes()


class AvDecoder:
    """A decoder of FFmpeg."""

    def __init__(self, name: str, rate: int) -> None:
        self.rate = rate
        self._context = _context(name, "r", rate)

    def decode(self, payload: bytes) -> Samples:
        frames = self._context.decode(av.Packet(payload))
        parts = [frame.to_ndarray().reshape(-1) for frame in frames]
        return np.concatenate(parts) if parts else np.zeros(0, np.int16)


class AvEncoder:
    """An encoder of FFmpeg."""

    def __init__(self, name: str, rate: int, **options: str) -> None:
        self.rate = rate
        self._context = _context(name, "w", rate, options)
        self._position = 0

    def encode(self, samples: Samples) -> bytes | None:
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = self.rate
        frame.pts = self._position
        self._position += len(samples)
        packets = [bytes(packet) for packet in self._context.encode(frame)]
        return b"".join(packets) or None


def _context(name: str, mode: str, rate: int, options: dict[str, str] | None = None) -> AudioCodecContext:
    context = av.CodecContext.create(name, "r" if mode == "r" else "w")
    if not isinstance(context, AudioCodecContext):
        raise TypeError(f"{name} is no audio codec")
    context.sample_rate = rate
    context.format = av.AudioFormat("s16")
    context.layout = av.AudioLayout("mono")
    if options:
        context.options = options
    return context


def _opus_encoder() -> Encoder:
    return AvEncoder("libopus", 48000, application="voip", frame_duration="20", b=str(OPUS_BITRATE), vbr="on")


FORMATS: dict[Key, Format] = {
    PCMU: Format(8000, lambda: G711(PCMU), lambda: G711(PCMU)),
    PCMA: Format(8000, lambda: G711(PCMA), lambda: G711(PCMA)),
    G722: Format(8000, lambda: AvDecoder("g722", 16000), lambda: AvEncoder("g722", 16000)),
    OPUS: Format(48000, lambda: AvDecoder("libopus", 48000), _opus_encoder),
}


class Resampler:
    """From one rate to another; nothing at all when they are equal. As many seconds come out as go in: the
    filter holds the first two milliseconds back, and silence stands before them, or every frame would wait
    for the next one."""

    def __init__(self, source: int, target: int) -> None:
        self._source, self._target = source, target
        self._resampler = None
        self._begun = False
        if source != target:
            self._resampler = av.AudioResampler(format="s16", layout="mono", rate=target)

    def process(self, samples: Samples) -> Samples:
        if self._resampler is None:
            return samples
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = self._source
        parts = [made.to_ndarray().reshape(-1) for made in self._resampler.resample(frame)]
        if not self._begun:
            self._begun = True
            missing = len(samples) * self._target // self._source - sum(map(len, parts))
            parts.insert(0, np.zeros(max(missing, 0), np.int16))
        return np.concatenate(parts) if parts else np.zeros(0, np.int16)
