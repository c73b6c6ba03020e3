"""Images to the size a net wants: whole-number enlargement and padding, or resampling."""

from __future__ import annotations

import numpy as np

from netlang.runtime.data.dataset import Array

_CHUNK = 4096
"""Images resampled at a time: bounds the float copy."""


def resize(images: Array, height: int, width: int) -> Array:
    """[n, c, h, w] -> [n, c, height, width], of the same element type.

    Images that are small enough are enlarged by the largest whole factor and centred in a black border, as MNIST is
    centred in LeNet's 32x32; larger ones are resampled, aspect ratio not kept.
    """
    h, w = images.shape[2:]
    if (h, w) == (height, width):
        return images
    if h <= height and w <= width:
        factor = min(height // h, width // w)
        return _centred(_resample(images, h * factor, w * factor), height, width)
    return _resample(images, height, width)


def _centred(images: Array, height: int, width: int) -> Array:
    h, w = images.shape[2:]
    top, left = (height - h) // 2, (width - w) // 2
    return np.pad(images, ((0, 0), (0, 0), (top, height - h - top), (left, width - w - left)))


def _resample(images: Array, height: int, width: int) -> Array:
    """Bilinear, with the filter widened where the image shrinks (antialiasing), as in Pillow."""
    h, w = images.shape[2:]
    if (h, w) == (height, width):
        return images
    rows, columns = weights(h, height), weights(w, width)
    out = np.empty((*images.shape[:2], height, width), images.dtype)
    for start in range(0, len(images), _CHUNK):
        part = images[start : start + _CHUNK].astype(np.float32)
        new = rows @ part @ columns.T
        out[start : start + _CHUNK] = np.rint(new) if images.dtype == np.uint8 else new
    return out


def weights(source: int, target: int) -> Array:
    """[target, source]: row i holds the shares of the source pixels in pixel i, by a triangle around its centre."""
    scale = source / target
    support = max(scale, 1.0)
    centres = (np.arange(target) + 0.5) * scale - 0.5
    distance = np.abs(np.arange(source)[None, :] - np.clip(centres, 0, source - 1)[:, None])
    share = np.maximum(0.0, 1.0 - distance / support)
    out: Array = (share / share.sum(axis=1, keepdims=True)).astype(np.float32)
    return out
