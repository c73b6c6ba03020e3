"""Augmentation of training images, declared in the `train` section: one file for each transformation.

Every random number depends on (seed, epoch, input, transformation, place of the sample in the epoch) alone, so that
runs do not depend on threads or on where they were resumed. Images are [n, c, h, w] or, without channels, [n, h, w].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from netlang.diagnostics import error
from netlang.ir.module import Call
from netlang.runtime.arrays import Array
from netlang.runtime.augment.erase import random_erase
from netlang.runtime.augment.flip import random_flip
from netlang.runtime.augment.jitter import color_jitter
from netlang.runtime.augment.lighting import color_shift
from netlang.runtime.augment.normalizing import normalize
from netlang.runtime.augment.resized_crop import random_resized_crop
from netlang.runtime.augment.shift import random_crop, random_shift
from netlang.runtime.augment.transformation import DRAWS, Transformation
from netlang.runtime.augment.warp import DRAWS as DRAWS_OF_WARP
from netlang.runtime.augment.warp import random_warp
from netlang.runtime.parameters import generator

Augment = tuple[tuple[str, tuple[Call, ...]], ...]

_RANDOM: dict[str, Transformation] = {
    "random_shift": random_shift,
    "random_crop": random_crop,
    "random_resized_crop": random_resized_crop,
    "random_warp": random_warp,
    "random_flip": random_flip,
    "random_erase": random_erase,
    "color_shift": color_shift,
    "color_jitter": color_jitter,
}

_DRAWS = {"random_warp": DRAWS_OF_WARP}
"""Random numbers for each sample, where they are not DRAWS."""


def check(augment: Augment, shapes: Mapping[str, Sequence[int]]) -> None:
    """Raise NetError where a transformation does not suit its input; `shapes` are those of one sample."""
    for name, calls in augment:
        shape = tuple(shapes[name])
        for call in calls:
            spans = (call.span,) if call.span else ()
            if call.name in _RANDOM and len(shape) < 2:
                raise error(f"{call.name} needs images, '{name}' has samples of shape {list(shape)}", *spans)
            if call.name == "color_shift" and (len(shape) != 3 or shape[0] != 3):
                wanted = "images in red, green and blue"
                raise error(f"{call.name} needs {wanted}, '{name}' has samples of shape {list(shape)}", *spans)
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
            (name, place): generator(seed, "augment", name, place, epoch).random((count, _DRAWS.get(call.name, DRAWS)))
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
