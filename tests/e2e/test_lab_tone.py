"""The measuring itself is right."""

from pathlib import Path

import numpy as np
import pytest

from tests.e2e import tone


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
@pytest.mark.parametrize("frequency", [440.0, 1000.0, 1633.0])
def test_a_sine_is_found(rate: int, frequency: float):
    found = tone.sine(frequency, 1.0, rate).windows()
    assert len(found) == 4
    assert all(window.is_near(frequency, 2.0) and -10 < window.level < -8 for window in found)


def test_a_sine_survives_eight_bit_companding():
    sound = tone.sine(440, 0.5, 8000)
    companded = np.sign(sound.samples) * np.log1p(255 * np.abs(sound.samples)) / np.log1p(255)
    coarse = np.round(companded * 127) / 127
    back = np.sign(coarse) * np.expm1(np.abs(coarse) * np.log1p(255)) / 255
    assert tone.measure(back, 8000).is_near(440, 2.0)


def test_silence_noise_and_other_tones_are_not_taken_for_it():
    noise = np.random.default_rng(1).normal(0, 0.2, 8000)
    assert not tone.measure(np.zeros(8000), 8000).is_near(440)
    assert not tone.measure(noise, 8000).is_near(440, 4000)
    assert not tone.sine(1000, 0.5).windows()[0].is_near(440)
    assert not tone.measure(tone.sine(440, 0.5, level=0.001).samples, 48000).is_near(440)


def test_runs_of_windows():
    mixed = np.concatenate([tone.sine(440, 1.0).samples, np.zeros(48000), tone.sine(440, 0.5).samples])
    assert tone.longest_run(tone.Sound(mixed, 48000).windows(), 440) == 4


def test_wav_files_round_trip_even_unfinished(tmp_path: Path):
    path = tone.write_wav(tmp_path / "a.wav", tone.sine(1000, 1.0, 16000))
    whole = tone.read_wav(path)
    assert whole.rate == 16000 and whole.seconds == 1.0 and whole.windows()[0].is_near(1000)
    path.write_bytes(path.read_bytes()[:-8001])
    assert 0.7 < tone.read_wav(path).seconds < 0.76
    path.write_bytes(b"RIFF")
    assert tone.read_wav(path).seconds == 0
