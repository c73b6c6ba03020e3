"""Augmentation of training images, declared in the `train` section.

Every random number depends on (seed, epoch, input, transformation, place of the sample in the epoch) alone, so that
runs do not depend on threads or on where they were resumed. Images are [n, c, h, w] or, without channels, [n, h, w].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from netlang.diagnostics import error
from netlang.ir.module import Call
from netlang.runtime.arrays import Array
from netlang.runtime.parameters import generator

Augment = tuple[tuple[str, tuple[Call, ...]], ...]

DRAWS = 4
"""Uniform random numbers that a transformation gets per sample."""

Transformation = Callable[[Array, Call, Array], Array]
"""(images, call with its arguments, [n, DRAWS] random numbers in [0, 1)) -> images of the same shape."""


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


def random_flip(images: Array, call: Call, draws: Array) -> Array:
    """Mirror each image with probability `p`, left-right (`horizontal`) or upside down (`vertical`)."""
    axis = -1 if call["axis"] == "horizontal" else -2
    chosen = draws[:, 0] < call["p"]
    out = images.copy()
    out[chosen] = np.flip(images[chosen], axis)
    return out


def random_erase(images: Array, call: Call, draws: Array) -> Array:
    """Blank a rectangle with probability `p` (Zhong et al. 2020): of 2 % of the image up to `area` of it, its sides in
    a ratio between 0.3 and 3.3."""
    h, w = images.shape[-2:]
    out = images.copy()
    largest = float(call["area"])
    smallest = min(0.02, largest)
    # The four numbers decide whether, how large, of which shape, where; the last gives both coordinates.
    for i in np.flatnonzero(draws[:, 0] < call["p"]):
        size = (smallest + draws[i, 1] * (largest - smallest)) * h * w
        ratio = 0.3 * (3.3 / 0.3) ** draws[i, 2]
        tall = min(h, max(1, round(np.sqrt(size * ratio))))
        wide = min(w, max(1, round(np.sqrt(size / ratio))))
        place = int(draws[i, 3] * (h - tall + 1) * (w - wide + 1))
        top, left = divmod(place, w - wide + 1)
        out[i, ..., top : top + tall, left : left + wide] = 0
    return out


def normalize(images: Array, call: Call) -> Array:
    """`(x - mean) / std`, per channel where they are lists. Also done in evaluation."""
    mean, std = (_per_channel(call[key], images) for key in ("mean", "std"))
    return (images - mean) / std


def _per_channel(numbers: Any, images: Array) -> Array:
    values = np.asarray(numbers, images.dtype)
    return values.reshape(-1, 1, 1) if values.ndim else values


_RANDOM: dict[str, Transformation] = {
    "random_shift": random_shift,
    "random_crop": random_crop,
    "random_flip": random_flip,
    "random_erase": random_erase,
}


def check(augment: Augment, shapes: Mapping[str, Sequence[int]]) -> None:
    """Raise NetError where a transformation does not suit its input; `shapes` are those of one sample."""
    for name, calls in augment:
        shape = tuple(shapes[name])
        for call in calls:
            spans = (call.span,) if call.span else ()
            if call.name in _RANDOM and len(shape) < 2:
                raise error(f"{call.name} needs images, '{name}' has samples of shape {list(shape)}", *spans)
            if call.name == "normalize":
                for key in ("mean", "std"):
                    count = np.size(call[key])
                    if count > 1 and (len(shape) != 3 or shape[0] != count):
                        raise error(f"normalize has {count} values for samples of shape {list(shape)}", *spans)


class EpochAugmentation:
    """The transformations of one epoch, its random numbers drawn once for all samples."""

    def __init__(self, augment: Augment, seed: int, epoch: int, count: int) -> None:
        self._augment = augment
        self._draws = {
            (name, place): generator(seed, "augment", name, place, epoch).random((count, DRAWS))
            for name, calls in augment
            for place, call in enumerate(calls)
            if call.name in _RANDOM
        }

    def __call__(self, batch: dict[str, Array], rows: slice) -> dict[str, Array]:
        """`batch` transformed; `rows` are the places of its samples in the epoch."""
        out = dict(batch)
        for name, calls in self._augment:
            for place, call in enumerate(calls):
                if call.name in _RANDOM:
                    out[name] = _RANDOM[call.name](out[name], call, self._draws[name, place][rows])
                else:
                    out[name] = normalize(out[name], call)
            out[name] = np.ascontiguousarray(out[name], batch[name].dtype)
        return out


def for_evaluation(augment: Augment, batch: dict[str, Array]) -> dict[str, Array]:
    """`batch` with the transformations that are not random."""
    out = dict(batch)
    for name, calls in augment:
        for call in calls:
            if call.name not in _RANDOM:
                out[name] = np.ascontiguousarray(normalize(out[name], call), batch[name].dtype)
    return out
