"""random_shift and random_crop: windows of the old size, cut out of a padded image."""

from __future__ import annotations

import numpy as np

from netlang.ir.module import Call
from netlang.runtime.arrays import Array


def random_shift(images: Array, call: Call, draws: Array) -> Array:
    """Move each image by up to `pixels` in both directions; `fill` comes in at the edges."""
    return _window(images, int(call["pixels"]), call["fill"], draws)


def random_crop(images: Array, call: Call, draws: Array) -> Array:
    """Pad by `pad` with `fill`, then cut the old size out at a random place (He et al. 2016 on CIFAR)."""
    return _window(images, int(call["pad"]), call["fill"], draws)


def _window(images: Array, reach: int, fill: float, draws: Array) -> Array:
    h, w = images.shape[-2:]
    edges = [(0, 0)] * (images.ndim - 2) + [(reach, reach)] * 2
    padded = np.pad(images, edges, constant_values=fill)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (h, w), axis=(-2, -1))
    places = (draws[:, :2] * (2 * reach + 1)).astype(np.int64)
    every = np.arange(len(images))
    down, right = places[:, 0], places[:, 1]
    return windows[every, :, down, right] if images.ndim == 4 else windows[every, down, right]
