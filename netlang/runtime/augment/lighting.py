"""color_shift: the colour of the light on each image changed, as AlexNet's training did."""

from __future__ import annotations

import numpy as np

from netlang.ir.module import Call
from netlang.runtime.arrays import Array
from netlang.runtime.augment.transformation import normal

VARIANCES = np.array([0.2175, 0.0188, 0.0045])
DIRECTIONS = np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]])
"""Principal components (columns) of the colours of ImageNet's pixels, scaled to 0 ... 1, and their weights, as in
facebook/fb.resnet.torch (2016): most of the variance is brightness, then blue against yellow."""


def color_shift(images: Array, call: Call, draws: Array) -> Array:
    """Add to every pixel of an image the same colour: the principal components of natural colours, each times its
    weight and a normal number of standard deviation `strength` (Krizhevsky et al. 2012, section 4.1)."""
    amounts = call["strength"] * normal(draws)[:, :3]
    colours = (amounts * VARIANCES) @ DIRECTIONS.T
    out: Array = images + colours.astype(images.dtype)[:, :, None, None]
    return out
