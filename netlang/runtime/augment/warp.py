"""random_warp: images turned, enlarged or shrunk, slanted, and bent like rubber."""

from __future__ import annotations

import numpy as np

from netlang.ir.module import Call
from netlang.runtime.arrays import Array

_KNOTS = 6
"""Points along each side of the grid whose displacements bend an image: four cells, and one more at either end."""

DRAWS = 4 + 2 * _KNOTS**2


def random_warp(images: Array, call: Call, draws: Array) -> Array:
    """Turn each image by up to `degrees` either way, enlarge or shrink it by a factor of up to 1 + `scale`, slant it by
    up to `shear` degrees, and bend it: each pixel moves by about `bend` pixels (standard deviation), together with its
    neighbours. `fill` comes in at the edges; between the pixels it is bilinear.

    Bending is an elastic distortion as in Simard, Steinkraus & Platt (2003), its smooth field made of cubic B-splines
    (Rueckert et al. 1999) instead of filtered noise.
    """
    whole = images if images.ndim == 4 else images[:, None]
    rows, columns = _places(2 * draws - 1, call, *whole.shape[2:])
    return _sampled(whole, rows, columns, call["fill"]).reshape(images.shape)


def _places(amounts: Array, call: Call, height: int, width: int) -> tuple[Array, Array]:
    """Where each pixel of the new images comes from, the inverse of the map: rows and columns, [n, height, width] each;
    `amounts` are the random numbers, -1 ... 1."""
    angle = np.deg2rad(call["degrees"]) * amounts[:, 0]
    zoom = (1 + call["scale"]) ** amounts[:, 1]
    slant = np.tan(np.deg2rad(call["shear"]) * amounts[:, 2])
    cos, sin, tan = (_each(a) for a in (np.cos(angle) / zoom, np.sin(angle) / zoom, slant))
    # Counted from the middle of the image.
    down = np.arange(height, dtype=np.float32)[:, None] - np.float32((height - 1) / 2)
    right = np.arange(width, dtype=np.float32) - np.float32((width - 1) / 2)
    rows = cos * down + sin * right
    columns = cos * right - sin * down + tan * rows
    rows += np.float32((height - 1) / 2)
    columns += np.float32((width - 1) / 2)
    if call["bend"]:
        field = _field(amounts[:, 4:], height, width) * np.float32(call["bend"])
        rows += field[:, 0]
        columns += field[:, 1]
    return rows, columns


def _each(numbers: Array) -> Array:
    """One number for each image, to be multiplied with [height, width]."""
    return numbers.astype(np.float32)[:, None, None]


def _field(amounts: Array, height: int, width: int) -> Array:
    """[n, 2, height, width] of smooth displacements, with a variance of 1 on the average over the image, made of
    independent numbers [n, 2 * KNOTS^2] in -1 ... 1."""
    knots = amounts.astype(np.float32).reshape(-1, 2, _KNOTS, _KNOTS)
    down, right = _splines(height), _splines(width)
    variance = ((down**2).sum(axis=1).mean() * (right**2).sum(axis=1).mean()) / 3
    field: Array = (down @ knots @ right.T) / np.float32(np.sqrt(variance))
    return field


def _splines(size: int) -> Array:
    """[size, KNOTS]: the share of each knot at each of `size` pixels, cubic B-splines."""
    places = np.linspace(1, _KNOTS - 2, size)
    away = np.abs(places[:, None] - np.arange(_KNOTS))
    near, far = 2 / 3 - away**2 + away**3 / 2, (2 - away) ** 3 / 6
    shares: Array = np.where(away < 1, near, np.where(away < 2, far, 0)).astype(np.float32)
    return shares


def _sampled(images: Array, rows: Array, columns: Array, fill: float) -> Array:
    """[n, c, h, w] at the places `rows`, `columns`, [n, h, w] each in pixels; outside of the images there is `fill`."""
    n, channels, height, width = images.shape
    # A border of `fill`: one pixel before the first row and column, two after the last.
    padded = np.full((n, channels, height + 3, width + 3), fill, np.float32)
    padded[:, :, 1:-2, 1:-2] = images
    # Each pixel and its right neighbour as one number: real and imaginary part.
    pairs = np.zeros(padded.size, np.complex64)
    pairs.real = padded.reshape(-1)
    pairs.imag[:-1] = pairs.real[1:]
    rows, columns = np.clip(rows + 1, 0, height + 1), np.clip(columns + 1, 0, width + 1)
    above, before = np.floor(rows), np.floor(columns)
    down, right = rows - above, columns - before
    line, size = width + 3, (height + 3) * (width + 3)
    places = above.astype(np.intp) * line + before.astype(np.intp)
    places += (np.arange(n) * channels * size)[:, None, None]
    out = np.empty_like(images)
    for channel in range(channels):
        upper, lower = (pairs.take(places + channel * size + more, mode="clip") for more in (0, line))
        lower -= upper
        lower *= down
        lower += upper
        out[:, channel] = lower.real + right * (lower.imag - lower.real)
    return out
