"""random_resized_crop: a random part of each image, enlarged to the size of the whole."""

from __future__ import annotations

import numpy as np

from netlang.ir.module import Call
from netlang.runtime.arrays import Array


def random_resized_crop(images: Array, call: Call, draws: Array) -> Array:
    """A rectangle of `area` of the image up to all of it, its sides in a ratio between 1 / `ratio` and `ratio`
    (Szegedy et al. 2014, section 6), enlarged bilinearly to the old size."""
    whole = images if images.ndim == 4 else images[:, None]
    h, w = whole.shape[2:]
    size = (call["area"] + (1 - call["area"]) * draws[:, 0]) * h * w
    shape = np.exp(np.log(call["ratio"]) * (2 * draws[:, 1] - 1))
    tall = np.clip(np.rint(np.sqrt(size * shape)), 1, h)
    wide = np.clip(np.rint(np.sqrt(size / shape)), 1, w)
    top = np.floor(draws[:, 2] * (h - tall + 1))
    left = np.floor(draws[:, 3] * (w - wide + 1))
    out = _stretched(_stretched(whole, top, tall, 2), left, wide, 3)
    return out.reshape(images.shape)


def _stretched(images: Array, first: Array, length: Array, axis: int) -> Array:
    """Pixels `first` ... `first + length` of each image along `axis` (2 or 3), drawn out over the whole axis."""
    size = images.shape[axis]
    centres = first[:, None] + (np.arange(size) + 0.5) * (length[:, None] / size) - 0.5
    centres = np.clip(centres, first[:, None], (first + length - 1)[:, None])
    below = np.floor(centres).astype(np.int64)
    above = np.minimum(below + 1, size - 1)
    share = (centres - below).astype(images.dtype)
    low, high, part = (np.expand_dims(a, (1, 5 - axis)) for a in (below, above, share))
    start = np.take_along_axis(images, low, axis)
    out: Array = start + part * (np.take_along_axis(images, high, axis) - start)
    return out
