"""Integers at which division and shifts are easily got wrong, and what comes of them, in Python's own integers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from netlang.ir.types import DType
from tests.backends.compared import Array


def pairs(dtype: DType) -> tuple[Array, Array]:
    """Every pair of some small numbers and of those at the bounds of the type."""
    bounds = np.iinfo(dtype.numpy)
    values = sorted({bounds.min, bounds.min + 1, -7, -2, -1, 0, 1, 2, 7, 31, 32, 63, 64, bounds.max - 1, bounds.max})
    return np.repeat(np.array(values, dtype.numpy), len(values)), np.tile(np.array(values, dtype.numpy), len(values))


def _fmod(x: int, y: int) -> int:
    return 0 if y == 0 else abs(x) % abs(y) * (1 if x >= 0 else -1)


def _right(width: int) -> Callable[[int, int], int]:
    return lambda x, n: x >> n if 0 <= n < width else -(x < 0)


def expected(op: str, dtype: DType, x: Array, y: Array) -> Array:
    """The op for every pair, wrapped to the type."""
    width = 8 * dtype.size
    meanings: dict[str, Callable[[int, int], int]] = {
        "floor_div": lambda x, y: 0 if y == 0 else x // y,
        "fmod": _fmod,
        "shift_left": lambda x, n: x << n if 0 <= n < width else 0,
        "shift_right": _right(width),
        "bit_and": lambda x, y: x & y,
        "bit_or": lambda x, y: x | y,
        "bit_xor": lambda x, y: x ^ y,
    }
    exact = [meanings[op](int(a), int(b)) % (1 << width) for a, b in zip(x, y, strict=True)]
    return np.array(exact, np.uint64).astype(f"u{dtype.size}").view(dtype.numpy)


OPS = ("floor_div", "fmod", "shift_left", "shift_right", "bit_and", "bit_or", "bit_xor")
