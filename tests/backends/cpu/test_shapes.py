"""Tiles follow from the registers of the machine."""

from __future__ import annotations

import pytest

from netlang.backends.cpu.target import Target
from netlang.backends.cpu.tiles.shapes import channel_vectors, most_pixels, pixel_block

AVX512 = Target("x", "", "x86_64", 64, 32)
AVX2 = Target("x", "", "x86_64", 32, 16)
SSE = Target("x", "", "x86_64", 16, 16)
NEON = Target("x", "", "aarch64", 16, 32)


@pytest.mark.parametrize("target", [AVX512, AVX2, SSE, NEON])
@pytest.mark.parametrize("vectors", [1, 2, 3])
def test_sums_weights_and_a_broadcast_fit_into_the_registers(target: Target, vectors: int) -> None:
    for height, width in [(1, 1), (7, 7), (14, 14), (56, 56), (1, 100), (3, 13)]:
        rows, columns = pixel_block(target, vectors, height, width)
        assert rows <= height and columns <= width
        assert vectors * rows * columns + vectors + 1 <= target.registers or rows * columns == 1


def test_the_tiles_of_the_known_machines() -> None:
    assert (channel_vectors(AVX512, 4), most_pixels(AVX512, 2)) == (2, 14)
    assert (channel_vectors(AVX2, 8), most_pixels(AVX2, 2)) == (2, 6)
    assert pixel_block(AVX512, 2, 56, 56) == (1, 14)
    assert pixel_block(AVX512, 2, 7, 7) == (1, 7)
    assert pixel_block(AVX512, 2, 28, 12) == (1, 12)
