"""Arrays whose data begin where kernels like it."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from netlang.memory import machine_memory

ALIGNMENT = 64
"""Bytes: a cache line, and the widest SIMD register."""


def aligned_zeros(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, np.dtype[Any]]:
    """A zeroed C-contiguous array whose data starts at a multiple of 64 bytes. Raises MemoryError."""
    size = prod(shape) * dtype.itemsize
    # Linux promises more than there is, and ends the process when it is used.
    if size > machine_memory():
        raise MemoryError(size)
    raw = np.zeros(size + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size].view(dtype).reshape(shape)
