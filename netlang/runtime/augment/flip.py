"""random_flip: some images mirrored."""

from __future__ import annotations

import numpy as np

from netlang.ir.module import Call
from netlang.runtime.arrays import Array


def random_flip(images: Array, call: Call, draws: Array) -> Array:
    """Mirror each image with probability `p`, left-right (`horizontal`) or upside down (`vertical`)."""
    axis = -1 if call["axis"] == "horizontal" else -2
    chosen = draws[:, 0] < call["p"]
    out = images.copy()
    out[chosen] = np.flip(images[chosen], axis)
    return out
