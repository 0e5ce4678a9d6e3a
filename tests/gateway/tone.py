"""Tones: made, put into G.711, and found again by their frequency."""

import numpy as np
from numpy.typing import NDArray

RATE = 8000
Samples = NDArray[np.int16]


def sine(frequency: float, seconds: float, rate: int = RATE, amplitude: float = 0.4) -> Samples:
    moments = np.arange(int(seconds * rate)) / rate
    return (np.sin(2 * np.pi * frequency * moments) * amplitude * 32767).astype(np.int16)


def to_ulaw(samples: Samples) -> bytes:
    """G.711 µ-law, written by the formula and not by the tables that are being tested."""
    value = samples.astype(np.int32)
    sign = np.where(value < 0, 0x80, 0)
    magnitude = np.minimum(np.abs(value), 32635) + 132
    exponent = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    return bytes((~(sign | exponent << 4 | mantissa) & 0xFF).astype(np.uint8))


def from_ulaw(data: bytes) -> Samples:
    value = ~np.frombuffer(data, np.uint8) & 0xFF
    exponent, mantissa = (value >> 4) & 7, value & 0x0F
    magnitude = ((mantissa.astype(np.int32) << 3) + 132 << exponent) - 132
    return np.where(value & 0x80, -magnitude, magnitude).astype(np.int16)


def loudest(samples: Samples, rate: int = RATE) -> float:
    """The frequency in Hz that dominates; 0 when there is next to nothing to hear."""
    sound = samples.astype(np.float64)
    if len(sound) < rate // 10 or np.abs(sound).max() < 300:
        return 0.0
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    return float(np.argmax(spectrum) * rate / len(sound))
