"""The worker's streams by themselves: every pair of codecs, losses and pauses."""

import numpy as np
import pytest

from gateway.codecs import FORMATS, G711
from gateway.negotiate import G722, OPUS, PCMA, PCMU, Key
from gateway.worker import Stream
from tests.gateway import tone

RATES = {PCMU: 8000, PCMA: 8000, G722: 16000, OPUS: 48000}


def encoded(key: Key, frequency: float, frames: int) -> list[bytes]:
    """20 ms payloads of a tone."""
    encoder = FORMATS[key].encoder()
    size = encoder.rate // 50
    sound = tone.sine(frequency, frames / 50, encoder.rate)
    payloads = [encoder.encode(sound[at : at + size]) for at in range(0, len(sound), size)]
    return [payload for payload in payloads if payload]


def heard(key: Key, payloads: list[bytes]) -> float:
    decoder = FORMATS[key].decoder()
    return tone.loudest(np.concatenate([decoder.decode(payload) for payload in payloads]), decoder.rate)


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("source", FORMATS)
def test_a_tone_survives_every_pair(source: Key, target: Key) -> None:
    stream = Stream(source, target)
    step_in, step_out = FORMATS[source].clock // 50, FORMATS[target].clock // 50
    made = []
    for index, payload in enumerate(encoded(source, 440, 100)):
        made += stream.packet(1000 + index * step_in, payload)
    assert heard(target, [payload for _, _, payload in made]) == pytest.approx(440, abs=5)
    assert len(made) >= 97
    assert [position for _, position, _ in made] == [index * step_out for index in range(len(made))]
    assert [marker for marker, _, _ in made] == [1] + [0] * (len(made) - 1)


def test_g711_tables_agree_with_the_formula() -> None:
    samples = np.arange(-32768, 32768, dtype=np.int32).astype(np.int16)
    assert tone.from_ulaw(bytes(range(256))).tolist() == G711(PCMU).decode(bytes(range(256))).tolist()
    for key, worst in ((PCMU, 1024), (PCMA, 1024)):
        law = G711(key)
        again = law.decode(law.encode(samples)).astype(np.int32)
        assert np.abs(again - samples)[644:-644].max() <= worst // 2


def test_losses_are_concealed_and_pauses_are_kept() -> None:
    stream = Stream(PCMU, PCMA)
    payloads = encoded(PCMU, 440, 50)
    made = []
    for index, payload in enumerate(payloads):
        if index not in (10, 11, 30):
            made += stream.packet(index * 160, payload)
    assert [position for _, position, _ in made] == [index * 160 for index in range(50)]
    after = stream.packet(50 * 160 + 80000, payloads[0])
    assert after[0][:2] == (1, 50 * 160 + 80000)


def test_late_and_repeated_packets_are_not_heard_twice() -> None:
    stream = Stream(PCMU, PCMA)
    payloads = encoded(PCMU, 440, 4)
    counts = [len(stream.packet(index * 160, payloads[index])) for index in (0, 1, 2, 1, 2, 0, 3)]
    assert counts == [1, 1, 1, 0, 0, 0, 1]


def test_timestamps_may_wrap() -> None:
    stream = Stream(PCMU, PCMA)
    made = []
    for index, payload in enumerate(encoded(PCMU, 440, 4)):
        made += stream.packet((0xFFFFFF00 + index * 160) & 0xFFFFFFFF, payload)
    assert [position for _, position, _ in made] == [0, 160, 320, 480]
