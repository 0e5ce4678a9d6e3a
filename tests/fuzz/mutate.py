"""Changed copies of real input: quick, without a look at what the code does with them."""

from __future__ import annotations

import random
from collections.abc import Sequence

CHANGES = (1, 1, 1, 2, 2, 3, 8)
SPANS = (0, 1, 1, 4, 20, 200)
COPIES = (1, 2, 2, 50, 2000)


def changed(chance: random.Random, corpus: Sequence[bytes], words: Sequence[bytes], limit: int) -> bytes:
    """One of the corpus with one to eight changes: octets flipped, cut, doubled, many times over, words put
    in, parts of another put in; at most `limit` octets."""
    draw = chance.random  # choice() and randrange() take five times as long
    data = bytearray(corpus[int(draw() * len(corpus))])
    for _ in range(CHANGES[int(draw() * 7)]):
        size = len(data)
        at = int(draw() * (size + 1))
        end = min(size, at + SPANS[int(draw() * 6)])
        kind = int(draw() * 7)
        if kind == 0 and at < size:
            data[at] ^= 1 << int(draw() * 8)
        elif kind == 1:
            del data[at:end]
        elif kind == 2:
            data[at:at] = data[at:end] * COPIES[int(draw() * 4)]
        elif kind == 3:
            word = words[int(draw() * len(words))]
            data[at:end] = word * COPIES[int(draw() * 5)] if draw() < 0.2 else word
        elif kind == 4:
            other = corpus[int(draw() * len(corpus))]
            start = int(draw() * (len(other) + 1))
            data[at:end] = other[start : start + SPANS[int(draw() * 6)] * 5]
        elif kind == 5:
            data[at:at] = words[int(draw() * len(words))]
        else:
            data[at:end] = chance.randbytes(1 + int(draw() * 4))
    return bytes(data[:limit])
