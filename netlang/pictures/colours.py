"""From numbers to colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Colour = tuple[int, int, int]

PALETTE: tuple[Colour, ...] = (
    (0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233), (230, 159, 0), (240, 228, 66),
    (90, 90, 90),
)  # fmt: skip
"""Eight colours that colour-blind readers tell apart (Okabe & Ito 2008), for the lines of charts."""

_NEGATIVE, _POSITIVE = np.array((5, 80, 160)), np.array((180, 20, 30))


def pixels(image: Array) -> Array:
    """Bytes [h, w, 3] of an image: [h, w], [1, h, w] or [3, h, w] of floats in 0 ... 1 (others are cut off) or of
    bytes; bytes [h, w, 3] are taken as they are."""
    image = np.asarray(image)
    coloured = image.dtype == np.uint8 and image.shape[-1] == 3
    if image.ndim == 3 and image.shape[0] in (1, 3) and not coloured:
        image = image.transpose(1, 2, 0)
    if image.ndim == 2:
        image = image[..., None]
    if image.ndim != 3 or image.shape[2] not in (1, 3):
        raise ValueError(f"an image is [h, w], [1, h, w] or [3, h, w], not {list(image.shape)}")
    if image.dtype != np.uint8:
        image = np.rint(np.clip(np.nan_to_num(image), 0, 1) * 255).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(image, (*image.shape[:2], 3)))


def signed(image: Array, largest: float | None = None) -> Array:
    """Bytes [h, w, 3] of numbers [h, w] or [1, h, w]: red above zero, blue below, white at zero; full colour at
    `largest` (without it: at the number of the largest magnitude)."""
    image = np.asarray(image, np.float64).reshape(image.shape[-2:])
    scale = float(np.abs(image).max(initial=0.0)) if largest is None else largest
    share = np.clip(image / (scale or 1.0), -1, 1)[..., None]
    full = np.where(share > 0, _POSITIVE, _NEGATIVE)
    out: Array = np.rint(255 + np.abs(share) * (full - 255)).astype(np.uint8)
    return out


def painted(labels: Array, colours: Sequence[Colour]) -> Array:
    """Bytes [h, w, 3] of class numbers [h, w]: `colours[label]` for each pixel."""
    out: Array = np.asarray(colours, np.uint8)[np.asarray(labels)]
    return out
