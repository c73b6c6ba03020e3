"""Changes of a training picture that its labels must follow: flips, quarter turns, and elastic deformation."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def flipped(rng: np.random.Generator, image: Array, label: Array, turns: bool) -> tuple[Array, Array]:
    """Mirrored left-right half of the time; with `turns` also turned by a multiple of 90 degrees (square pictures)."""
    if rng.random() < 0.5:
        image, label = image[..., ::-1], label[..., ::-1]
    quarter = int(rng.integers(4)) if turns else 0
    return np.rot90(image, quarter, (-2, -1)), np.rot90(label, quarter, (-2, -1))


def bent(rng: np.random.Generator, image: Array, label: Array, amount: float, void: int) -> tuple[Array, Array]:
    """Moved by random vectors on a grid of 4 x 4 points, interpolated between them, as for the U-Net of 2015.

    amount    standard deviation of the vectors in pixels
    void      label of what comes in from outside; there the picture is black
    """
    height, width = label.shape
    down, right = (_smooth(rng.normal(0, amount, (4, 4)), height, width) for _ in range(2))
    y, x = np.mgrid[:height, :width] + np.stack([down, right])
    outside = (y < 0) | (y > height - 1) | (x < 0) | (x > width - 1)
    y, x = np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)
    nearest = label[np.rint(y).astype(int), np.rint(x).astype(int)]
    return np.where(outside, 0, _bilinear(image, y, x)).astype(image.dtype), np.where(outside, void, nearest)


def zoomed(rng: np.random.Generator, image: Array, label: Array, most: float) -> tuple[Array, Array]:
    """A window of 1 / most to all of the picture, at a random place, enlarged to the picture's size."""
    height, width = label.shape
    share = 1 / rng.uniform(1, most)
    y = np.linspace(0, (height - 1) * share, height) + rng.uniform(0, 1 - share) * (height - 1)
    x = np.linspace(0, (width - 1) * share, width) + rng.uniform(0, 1 - share) * (width - 1)
    rows, columns = np.meshgrid(y, x, indexing="ij")
    nearest = label[np.rint(rows).astype(int), np.rint(columns).astype(int)]
    return _bilinear(image, rows, columns).astype(image.dtype), nearest


def _smooth(coarse: Array, height: int, width: int) -> Array:
    """Numbers on a grid, interpolated linearly along both axes to [height, width]."""
    count = len(coarse)
    rows = np.stack([np.interp(np.linspace(0, count - 1, height), np.arange(count), c) for c in coarse.T], axis=1)
    return np.stack([np.interp(np.linspace(0, count - 1, width), np.arange(count), r) for r in rows])


def _bilinear(image: Array, y: Array, x: Array) -> Array:
    """[c, h, w] read between its pixels at the places [h, w] of y and x."""
    top = np.minimum(y.astype(int), image.shape[1] - 2)
    left = np.minimum(x.astype(int), image.shape[2] - 2)
    fy, fx = y - top, x - left
    upper = image[:, top, left] * (1 - fx) + image[:, top, left + 1] * fx
    lower = image[:, top + 1, left] * (1 - fx) + image[:, top + 1, left + 1] * fx
    return upper * (1 - fy) + lower * fy
