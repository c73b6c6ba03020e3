"""color_jitter: brightness, contrast and saturation of each image changed by random factors."""

from __future__ import annotations

import numpy as np

from netlang.ir.module import Call
from netlang.runtime.arrays import Array
from netlang.runtime.data.fitting import LUMINANCE


def color_jitter(images: Array, call: Call, draws: Array) -> Array:
    """Mix each image with black, then with its mean grey, then with itself in grey (Howard 2013). The image's share is
    between 1 - s and 1 + s, with s one of `brightness`, `contrast`, `saturation`; above 1 the change is the opposite.
    A grey image has no saturation. Nothing is cut off at 0 or 1."""
    brightness, contrast, saturation = (
        (1 + call[key] * (2 * draws[:, i] - 1)).astype(images.dtype).reshape(-1, *[1] * (images.ndim - 1))
        for i, key in enumerate(("brightness", "contrast", "saturation"))
    )
    out = images * brightness
    grey = _grey(out)
    middle = grey.mean(axis=tuple(range(1, grey.ndim)), keepdims=True)
    out = middle + contrast * (out - middle)
    grey = _grey(out)
    mixed: Array = grey + saturation * (out - grey)
    return mixed


def _grey(images: Array) -> Array:
    """Each pixel's brightness; [n, 3, h, w] become [n, 1, h, w]."""
    if images.ndim == 4 and images.shape[1] == 3:
        grey: Array = np.einsum("nchw,c->nhw", images, LUMINANCE)[:, None]
        return grey
    return images
