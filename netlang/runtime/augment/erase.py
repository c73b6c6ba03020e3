"""random_erase: a rectangle of some images blanked."""

from __future__ import annotations

import numpy as np

from netlang.ir.module import Call
from netlang.runtime.arrays import Array


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
