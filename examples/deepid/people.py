"""More people than there are: every face mirrored is another one, and so is every face bent in a way of its own."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

GRID = 4
"""Points along each side at which the vectors are drawn that bend a face."""


def multiplied(rng: np.random.Generator, image: Array, label: Array, bends: int, amount: float) -> tuple[Array, Array]:
    """Images [n, 1, h, w] of people 0, 1, ... -> of 2 (1 + bends) times as many, all shots of a person changed alike.

    amount    standard deviation of the vectors, in pixels
    """
    images = []
    for person in range(int(label.max()) + 1):
        shots = image[label == person]
        for sides in (shots, shots[..., ::-1]):
            for bend in range(1 + bends):
                images.append(bent(rng, sides, amount) if bend else sides)
    counts = [len(i) for i in images]
    labels = np.repeat(np.arange(len(images)), counts)
    return np.ascontiguousarray(np.concatenate(images), np.float32), labels


def bent(rng: np.random.Generator, images: Array, amount: float) -> Array:
    """All images moved by the same random vectors, which are interpolated between the points of a grid."""
    height, width = images.shape[2:]
    down, right = (_smooth(rng.normal(0, amount, (GRID, GRID)), height, width) for _ in range(2))
    y = np.clip(np.arange(height)[:, None] + down, 0, height - 1.001)
    x = np.clip(np.arange(width) + right, 0, width - 1.001)
    top, left = y.astype(int), x.astype(int)
    fy, fx = y - top, x - left
    upper = images[..., top, left] * (1 - fx) + images[..., top, left + 1] * fx
    lower = images[..., top + 1, left] * (1 - fx) + images[..., top + 1, left + 1] * fx
    return upper * (1 - fy) + lower * fy


def _smooth(coarse: Array, height: int, width: int) -> Array:
    """Numbers on a grid, interpolated linearly along both axes to [height, width]."""
    every = np.arange(GRID)
    rows = np.stack([np.interp(np.linspace(0, GRID - 1, height), every, c) for c in coarse.T], axis=1)
    return np.stack([np.interp(np.linspace(0, GRID - 1, width), every, r) for r in rows])
