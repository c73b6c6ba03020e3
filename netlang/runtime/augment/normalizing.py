"""normalize: not random, and done in evaluation too."""

from __future__ import annotations

from typing import Any

import numpy as np

from netlang.ir.module import Call
from netlang.runtime.arrays import Array


def normalize(images: Array, call: Call) -> Array:
    """`(x - mean) / std`, per channel where they are lists."""
    mean, std = (_per_channel(call[key], images) for key in ("mean", "std"))
    return (images - mean) / std


def _per_channel(numbers: Any, images: Array) -> Array:
    values = np.asarray(numbers, images.dtype)
    return values.reshape(-1, 1, 1) if values.ndim else values
