"""`scenes`: generated pictures of shapes with a class for every pixel, for nets that segment.

Squares, discs and triangles of any colour, size and place, some behind others, before a textured background; an
outline one pixel wide around each shape is void, as the borders of real annotations are.
"""

from __future__ import annotations

import numpy as np

from netlang.runtime.data.dataset import IMAGE, LABEL, Array, Dataset
from netlang.runtime.data.fitting import ImageShape
from netlang.runtime.parameters import generator

CLASSES = ("background", "square", "disc", "triangle")
COUNTS = {"train": 240, "test": 60}
SIZE: ImageShape = (3, 64, 64)
LARGEST_SHARE = 0.28
"""Of the picture's shorter side, that a shape's half width may be."""


def load(wanted: ImageShape | None) -> Dataset:
    """Images as bytes [n, c, h, w] and labels [n, h, w]; void is the number after the last class."""
    size = wanted or SIZE
    train, test = (_drawn(part, size) for part in COUNTS)
    return Dataset("scenes", train, test, CLASSES, "pictures drawn apart")


def _drawn(part: str, size: ImageShape) -> dict[str, Array]:
    rng = generator(0, "scenes", part)
    pairs = [_scene(rng, size) for _ in range(COUNTS[part])]
    return {IMAGE: np.stack([i for i, _ in pairs]), LABEL: np.stack([label for _, label in pairs])}


def _scene(rng: np.random.Generator, size: ImageShape) -> tuple[Array, Array]:
    channels, height, width = size
    noise = rng.normal(0, 12, (channels, height, width))
    image = rng.uniform(40, 200, (channels, 1, 1)) + noise
    label = np.zeros((height, width), np.int64)
    y, x = np.mgrid[:height, :width]
    reach = min(height, width) * LARGEST_SHARE
    for _ in range(rng.integers(2, 5)):
        kind = int(rng.integers(1, len(CLASSES)))
        half = rng.uniform(0.4, 1.0) * reach
        distance = _distance(kind, y - rng.uniform(0, height), x - rng.uniform(0, width), half)
        colour = rng.uniform(0, 255, (channels, 1, 1))
        image = np.where(distance <= 0, colour + noise, image)
        label = np.where(distance <= 0, kind, label)
        label[np.abs(distance) < 0.5] = len(CLASSES)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8), label


def _distance(kind: int, down: Array, right: Array, half: float) -> Array:
    """How far pixels at these offsets from a shape's centre are outside of it (negative: inside), in pixels."""
    if kind == 1:
        square: Array = np.maximum(np.abs(down), np.abs(right)) - 0.8 * half
        return square
    if kind == 2:
        disc: Array = np.hypot(down, right) - half
        return disc
    # Upright: below two sides of slope 2, above the base.
    sides = (2 * np.abs(right) - down - half) / np.sqrt(5)
    triangle: Array = np.maximum(sides, down - 0.7 * half)
    return triangle
