"""What every transformation is: a function of images, a call with its arguments, and random numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from netlang.ir.module import Call
from netlang.runtime.arrays import Array

DRAWS = 4
"""Uniform random numbers that a transformation gets per sample."""

Transformation = Callable[[Array, Call, Array], Array]
"""(images, call with its arguments, [n, DRAWS] random numbers in [0, 1)) -> images of the same shape."""


def normal(draws: Array) -> Array:
    """Standard normal numbers of as many uniform ones [n, even], by the formula of Box and Muller (1958)."""
    half = draws.shape[1] // 2
    radius = np.sqrt(-2 * np.log1p(-draws[:, :half]))
    angle = 2 * np.pi * draws[:, half:]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
