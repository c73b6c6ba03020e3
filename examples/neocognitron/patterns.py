"""Five digits as strokes one pixel wide, 16 x 16: what Fukushima's network of 1980 was shown."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
SIZE = 16

_DIGITS = (
    """
    ..####..
    .#....#.
    #......#
    #......#
    #......#
    #......#
    #......#
    #......#
    .#....#.
    ..####..
    """,
    """
    ...##...
    ..#.#...
    .#..#...
    ....#...
    ....#...
    ....#...
    ....#...
    ....#...
    ....#...
    .#######
    """,
    """
    ..####..
    .#....#.
    .......#
    .......#
    ......#.
    .....#..
    ....#...
    ..##....
    .#......
    ########
    """,
    """
    .######.
    ......#.
    .....#..
    ....#...
    ...###..
    ......#.
    .......#
    .......#
    #.....#.
    .#####..
    """,
    """
    .....#..
    ....##..
    ...#.#..
    ..#..#..
    .#...#..
    #....#..
    ########
    .....#..
    .....#..
    .....#..
    """,
)


def digits() -> Array:
    """The digits 0 to 4 in the middle, f32 [5, 1, 16, 16]."""
    found = np.zeros((len(_DIGITS), 1, SIZE, SIZE), np.float32)
    for image, text in zip(found[:, 0], _DIGITS, strict=True):
        rows = [[mark == "#" for mark in line.strip()] for line in text.strip().splitlines()]
        image[3:13, 4:12] = rows
    return found


def shifted(images: Array, down: int, right: int) -> Array:
    """Images [n, 1, h, w] moved by so many pixels, at most three; what is left behind is empty."""
    moved = np.zeros_like(images)
    height, width = images.shape[2:]
    here = (slice(max(0, down), height + min(0, down)), slice(max(0, right), width + min(0, right)))
    there = (slice(max(0, -down), height + min(0, -down)), slice(max(0, -right), width + min(0, -right)))
    moved[:, :, here[0], here[1]] = images[:, :, there[0], there[1]]
    return moved
