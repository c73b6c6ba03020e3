"""How one axis is resized: for each element of the result the elements that it is made of, and their weights.

Element i of the result lies at a position of the input that the `coordinates` give, with n elements made into m and
scale s, which is m / n unless it was given:

    half_pixel             (i + 1/2) / s - 1/2: elements are cells
    pytorch_half_pixel     the same, but the first element's if there is only one
    half_pixel_symmetric   the same, with the middle of the result in the middle of the input where m is not s n
    align_corners          i (n - 1) / (s n - 1): the first and last elements stay where they are
    asymmetric             i / s
    tf_crop_and_resize     as align_corners, between a start and an end that are given as fractions of n - 1

`nearest` takes one of the two elements beside it, `linear` both, `cubic` four by the kernel of Keys (1981) with its
parameter a. With `antialias` a kernel is widened by 1 / s where the result is smaller. The definitions are those of the
operator Resize of ONNX; what lies outside counts as the first or last element.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netlang.frontend.faults import Fault

Array = NDArray[Any]

MODES = ("nearest", "linear", "cubic")
COORDINATES = (
    "half_pixel", "pytorch_half_pixel", "half_pixel_symmetric", "align_corners", "asymmetric", "tf_crop_and_resize",
)  # fmt: skip
ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
_RADIUS = {"linear": 1, "cubic": 2}
_MOST = 1 << 22
"""Entries of the lists that say what an axis is made of."""


@dataclass(frozen=True)
class Interpolation:
    """How an axis is resized; the names are those of the language's `resize`. `span` is that of a crop."""

    mode: str = "nearest"
    coordinates: str = "half_pixel"
    rounding: str = "round_prefer_floor"
    cubic_a: float = -0.75
    exclude_outside: bool = False
    antialias: bool = False
    span: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True)
class Stencil:
    """places [m, taps]: elements of the input; weights [m, taps]; outside [m]: whether a crop's position is."""

    places: Array
    weights: Array
    outside: Array

    @property
    def is_choice(self) -> bool:
        """Whether every element of the result is one of the input's."""
        return bool(self.weights.shape[1] == 1)

    def alike(self, first: Array, second: Array, share: Array) -> bool:
        """Whether this makes y[i] = (1 - share[i]) x[first[i]] + share[i] x[second[i]]."""
        if self.outside.any():
            return False
        # Both in one list, one of them subtracted: up to the end of every place, the sum must be nothing.
        places = np.column_stack([self.places, first, second])
        weights = np.column_stack([self.weights, share - 1, -share])
        order = np.argsort(places, axis=1)
        places, weights = (np.take_along_axis(a, order, axis=1) for a in (places, weights))
        ends = np.column_stack([places[:, 1:] != places[:, :-1], np.ones(len(places), np.bool_)])
        return not bool((ends & (np.abs(np.cumsum(weights, axis=1)) > 1e-12)).any())


def stencil(n: int, m: int, scale: float | None, how: Interpolation) -> Stencil:
    """What m elements are made of, of n. Raises Fault where that is more than can be listed."""
    shrunk = min(1.0, m / n if scale is None else scale) if how.antialias else 1.0
    half = ceil(_RADIUS.get(how.mode, 1) / shrunk)
    if 2 * half * m > _MOST:
        raise Fault(f"resize: {n} elements to {m} are too many for an axis that is interpolated")
    x = _positions(n, m, scale, how)
    outside = (x < 0) | (x > n - 1) if how.coordinates == "tf_crop_and_resize" else np.zeros(m, np.bool_)
    base = np.ceil(x).astype(np.int64) - 1
    part = x - base  # above 0, at most 1
    if how.mode == "nearest":
        places = base + _upper(part, how.rounding)
        return Stencil(np.clip(places, 0, n - 1)[:, None], np.ones((m, 1)), outside)
    steps = np.arange(1 - half, half + 1)
    weights = _kernel((steps - part[:, None]) * shrunk, how)
    places = base[:, None] + steps
    if how.exclude_outside:
        weights = np.where((places < 0) | (places >= n), 0.0, weights)
    if how.exclude_outside or how.antialias:
        total = weights.sum(axis=1, keepdims=True)
        weights = weights / np.where(total == 0, 1.0, total)
    return Stencil(np.clip(places, 0, n - 1), weights, outside)


def _positions(n: int, m: int, scale: float | None, how: Interpolation) -> Array:
    i = np.arange(m, dtype=np.float64)
    width = m if scale is None else scale * n
    if how.coordinates == "tf_crop_and_resize":
        start, end = how.span
        step = (end - start) * (n - 1)
        return start * (n - 1) + (i * step / (width - 1) if width != 1 else np.full(m, step / 2))
    if how.coordinates == "align_corners":
        return i * (n - 1) / (width - 1) if width != 1 else np.zeros(m)
    if how.coordinates == "pytorch_half_pixel" and m == 1:
        return np.zeros(m)
    shift = 0.0 if how.coordinates == "asymmetric" else 0.5
    offset = n / 2 * (1 - m / width) if how.coordinates == "half_pixel_symmetric" else 0.0
    # By n / m where sizes are given: a product of whole numbers, which a scale would round.
    return np.asarray(offset + ((i + shift) * n / m if scale is None else (i + shift) / scale) - shift)


def _upper(part: Array, rounding: str) -> Array:
    """1 where the upper of two neighbours is taken, 0 elsewhere; a position on an element is that element's."""
    if rounding == "floor":
        return np.asarray(part == 1).astype(np.int64)
    if rounding == "ceil":
        return np.ones(part.shape, np.int64)
    upper = part > 0.5 if rounding == "round_prefer_floor" else part >= 0.5
    return np.asarray(upper).astype(np.int64)


def _kernel(distance: Array, how: Interpolation) -> Array:
    """Weights by the distance from the position, in elements."""
    d = np.abs(distance)
    if how.mode == "linear":
        return np.asarray(np.maximum(1 - d, 0.0))
    a = how.cubic_a
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.asarray(np.where(d <= 1, near, np.where(d < 2, far, 0.0)))
