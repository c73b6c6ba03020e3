"""Arrays for the samples of op records: small, float64, away from the points where an op has no derivative."""

from __future__ import annotations

import numpy as np

from netlang.ir.opdef import Array

SHAPES: tuple[tuple[int, ...], ...] = ((), (5,), (2, 3), (1, 4), (2, 1, 3), (3, 1, 2, 2))
"""Ranks and size-1 dims that every elementwise op is tested with."""

PAIRS: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = (
    ((), ()),
    ((4,), (4,)),
    ((2, 3), ()),
    ((2, 3), (3,)),
    ((2, 1), (1, 3)),
    ((3,), (2, 2, 3)),
    ((2, 1, 3), (2, 2, 1)),
)
"""Shapes that broadcast with each other, one way and both ways."""


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Standard normal numbers."""
    return np.asarray(rng.standard_normal(shape))


def nonzero(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Numbers of both signs, at least 0.2 away from zero."""
    x = np.asarray(rng.standard_normal(shape))
    return np.asarray(np.where(x < 0, x - 0.2, x + 0.2))


def positive(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Numbers from 0.3 to 2.3."""
    return np.asarray(0.3 + 2 * rng.random(shape))


def fractional(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Numbers at least 0.2 away from any integer."""
    return np.asarray(rng.integers(-3, 4, shape) + 0.2 + 0.6 * rng.random(shape))


def distinct(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Numbers of both signs, no two closer than 0.25, in random order."""
    count = int(np.prod(shape))
    return np.asarray((rng.permutation(count) - count / 2) * 0.25 + 0.1).reshape(shape)


def flags(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Truth values, both of about the same frequency."""
    return np.asarray(rng.random(shape) < 0.5)
