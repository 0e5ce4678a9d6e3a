"""What tone is in a piece of sound: WAV files written and read, the strongest frequency measured."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float64]  # -1 … 1, one channel

QUIET = -50.0  # dBFS; below it there is no tone, only noise of codecs


@dataclass(frozen=True, slots=True)
class Tone:
    """The strongest frequency in a window of sound.

    `level` is that of the window in dBFS (a full sine is -3), `purity` how much of the window's power lies
    within 20 Hz of the frequency (0 … 1).
    """

    frequency: float
    level: float
    purity: float

    def is_near(self, frequency: float, tolerance: float = 8.0) -> bool:
        """True when this is a tone of that frequency: loud enough, clean enough, within `tolerance` Hz."""
        return self.level > QUIET and self.purity > 0.5 and abs(self.frequency - frequency) <= tolerance


@dataclass(frozen=True, slots=True)
class Sound:
    """One channel of samples at `rate` Hz."""

    samples: Samples
    rate: int

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.samples) / self.rate

    def after(self, seconds: float) -> Sound:
        """What comes behind the first so many seconds."""
        return Sound(self.samples[int(seconds * self.rate) :], self.rate)

    def windows(self, seconds: float = 0.25) -> list[Tone]:
        """The tone of each whole window in order."""
        size = int(seconds * self.rate)
        starts = range(0, len(self.samples) - size + 1, size)
        return [measure(self.samples[at : at + size], self.rate) for at in starts]


def measure(samples: Samples, rate: int) -> Tone:
    """The tone in one window of samples."""
    level = 10 * np.log10(np.mean(samples**2) + 1e-12)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), n=4 * len(samples))) ** 2
    frequencies = np.fft.rfftfreq(4 * len(samples), 1 / rate)
    spectrum[frequencies < 30] = 0  # no offset, no hum
    peak = frequencies[int(np.argmax(spectrum))]
    near = np.abs(frequencies - peak) <= 20
    purity = spectrum[near].sum() / (spectrum.sum() + 1e-12)
    return Tone(float(peak), float(level), float(purity))


def longest_run(tones: list[Tone], frequency: float) -> int:
    """How many windows in a row hold the frequency, at best."""
    best = run = 0
    for tone in tones:
        run = run + 1 if tone.is_near(frequency) else 0
        best = max(best, run)
    return best


def sine(frequency: float, seconds: float, rate: int = 48000, level: float = 0.5) -> Sound:
    """A tone to play."""
    times = np.arange(int(seconds * rate)) / rate
    return Sound(level * np.sin(2 * np.pi * frequency * times), rate)


def write_wav(path: Path, sound: Sound) -> Path:
    """16-bit mono PCM."""
    pcm = (np.clip(sound.samples, -1, 1) * 32767).astype("<i2").tobytes()
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(pcm), b"WAVE", b"fmt ", 16, 1, 1, sound.rate,
                       sound.rate * 2, 2, 16, b"data", len(pcm))  # fmt: skip
    path.write_bytes(head + pcm)
    return path


def read_wav(path: Path) -> Sound:
    """First channel of a 16-bit PCM WAV. Sizes in its head are ignored: it may still be growing."""
    data = path.read_bytes()
    at, channels, rate = 12, 1, 8000
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        if name == b"fmt ":
            _, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", data, at + 8)
            assert bits == 16, f"{path} has {bits} bits"
        if name == b"data":
            body = data[at + 8 :]
            pcm = np.frombuffer(body[: len(body) // (2 * channels) * 2 * channels], dtype="<i2")
            return Sound(pcm[::channels].astype(np.float64) / 32768, rate)
        at += 8 + size + size % 2
    return Sound(np.zeros(0), rate)
