"""Strips of several digits, composed from pictures of single ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

HEIGHT, WIDTH, LONGEST = 28, 104, 5
TALLEST = 20
"""Pixels that the ink of a digit may be high or wide; smaller pictures are enlarged by whole factors."""
WIDEST_GAP, WIDEST_MARGIN = 6, 8


def cut_out(images: Array) -> list[Array]:
    """Images [n, h, w], bytes or floats in 0 ... 1, to the rectangles of bytes that hold the ink of each."""
    if images.dtype != np.uint8:
        images = np.rint(images * 255).astype(np.uint8)
    factor = max(1, TALLEST // max(images.shape[1:]))
    images = images.repeat(factor, axis=1).repeat(factor, axis=2)
    cut = []
    for image in images:
        rows, columns = (np.flatnonzero(image.max(axis=axis) > 50) for axis in (1, 0))
        rows, columns = (r if len(r) else np.array([0]) for r in (rows, columns))
        cut.append(image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1][:TALLEST, :TALLEST])
    return cut


def compose(singles: Mapping[str, Array], count: int, rng: np.random.Generator) -> dict[str, Array]:
    """`count` strips of one to five of the digits {image: [n, h, w], label: [n]}.

    Returns strip, bytes [count, HEIGHT, WIDTH], and text, [count, LONGEST]: the digits from the left, then -1. Every
    length is as frequent as any other. The left margin, the gaps between neighbours and the height of each digit in
    the strip are drawn from `rng`.
    """
    digits, labels = cut_out(singles["image"]), singles["label"]
    strips = np.zeros((count, HEIGHT, WIDTH), np.uint8)
    text = np.full((count, LONGEST), -1, np.int64)
    lengths = rng.integers(1, LONGEST + 1, count)
    chosen = rng.integers(0, len(digits), (count, LONGEST))
    for strip, row, length, numbers in zip(strips, text, lengths, chosen, strict=True):
        row[:length] = labels[numbers[:length]]
        _write(strip, [digits[i] for i in numbers[:length]], rng.random(2 * LONGEST + 1))
    return {"strip": strips, "text": text}


def _write(strip: Array, digits: list[Array], draws: Array) -> None:
    """Put the digits into an empty strip, side by side; they never touch. `draws` are numbers in 0 ... 1."""
    free = WIDTH - sum(d.shape[1] for d in digits)
    widest = min(WIDEST_GAP, free // len(digits))
    gaps = [1 + int(u * widest) for u in draws[: len(digits) - 1]]
    x = int(draws[LONGEST] * (min(WIDEST_MARGIN, free - sum(gaps)) + 1))
    for i, digit in enumerate(digits):
        height, width = digit.shape
        # In the middle of the strip, up to four pixels higher or lower.
        y = (HEIGHT - height) // 2 + round((2 * draws[LONGEST + 1 + i] - 1) * min(4, (HEIGHT - height) // 2))
        strip[y : y + height, x : x + width] = digit
        x += width + (gaps[i] if i < len(gaps) else 0)
