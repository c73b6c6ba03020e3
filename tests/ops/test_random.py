"""The generator: known answers from Random123, independence of count, range and spread."""

from __future__ import annotations

import numpy as np
import pytest

from netlang.ir.types import DType
from netlang.ops.random import philox4x32, philox_uniform, philox_words

# kat_vectors of the Random123 distribution, philox4x32 with 10 rounds: counter, key, result.
KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def _words(text: str) -> list[int]:
    return [int(w, 16) for w in text.split()]


@pytest.mark.parametrize(("counter", "key", "result"), KNOWN)
def test_known_answers(counter: str, key: str, result: str) -> None:
    k0, k1 = _words(key)
    found = philox4x32(np.array(_words(counter), np.uint32)[:, None], (k0, k1))
    assert found[:, 0].tolist() == _words(result)


def test_many_counters_at_once() -> None:
    counters = np.array([_words(c) for c, _, _ in KNOWN], np.uint32).T
    together = philox4x32(counters, (5, 6))
    for i in range(len(KNOWN)):
        assert together[:, i].tolist() == philox4x32(counters[:, i : i + 1], (5, 6))[:, 0].tolist()


def test_counter_and_key_of_an_element() -> None:
    seed, step, stream = 0x0123456789ABCDEF, 2**32 + 9, 4
    words = philox_words(seed, step, stream, 11)
    for i in (0, 3, 4, 10):
        counter = np.array([[i // 4], [0], [9], [stream]], np.uint32)
        assert words[i] == philox4x32(counter, (0x89ABCDEF, 0x01234567))[i % 4, 0]


def test_value_of_a_word() -> None:
    # Seed, step and stream 0: the first block is the first known answer.
    expected = [(w >> 8) * 2.0**-24 for w in _words(KNOWN[0][2])]
    for dtype in (DType.F32, DType.F64):
        found = philox_uniform(0, 0, 0, 4, dtype)
        assert found.dtype == dtype.numpy
        assert found.tolist() == expected


def test_a_prefix_does_not_depend_on_the_count() -> None:
    long = philox_uniform(7, 1, 2, 1003)
    for count in (0, 1, 5, 1000):
        assert np.array_equal(philox_uniform(7, 1, 2, count), long[:count])


@pytest.mark.parametrize("other", [(8, 1, 2), (7, 2, 2), (7, 1, 3), (7 + 2**32, 1, 2), (-7, 1, 2)])
def test_seed_step_and_stream_each_matter(other: tuple[int, int, int]) -> None:
    assert not np.any(philox_uniform(7, 1, 2, 64) == philox_uniform(*other, 64))


@pytest.mark.parametrize("dtype", [DType.F16, DType.BF16, DType.F32, DType.F64])
def test_range_and_spread(dtype: DType) -> None:
    u = philox_uniform(3, 0, 0, 20000, dtype).astype(np.float64)
    assert u.min() >= 0
    assert u.max() < 1
    counts = np.histogram(u, bins=10, range=(0, 1))[0]
    assert abs(counts - 2000).max() < 200
    assert abs(np.corrcoef(u[:-1], u[1:])[0, 1]) < 0.03
