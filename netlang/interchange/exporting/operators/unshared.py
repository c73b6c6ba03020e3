"""Unshared convolutions: a product of matrices for every position, of what its window reads."""

from __future__ import annotations

from math import prod

import numpy as np

from netlang.interchange.exporting.record import Place, exports
from netlang.ir.build import Builder
from netlang.ir.dims import Dim, Shape, size
from netlang.ir.graph import Value
from netlang.ir.opdef import Array
from netlang.ir.types import DType
from netlang.ops.windows import Windows


def _reads(windows: Windows, out: tuple[int, ...], wide: tuple[int, ...]) -> Array:
    """For every output position and tap, where it reads in a row of all elements of a padded map: [P, T]."""
    rows = np.arange(prod(wide)).reshape(1, 1, *wide)
    taps = [view.reshape(-1) for view in windows.slices(rows, out)]
    return np.stack(taps, axis=1)


def _padded(windows: Windows, spatial: Shape) -> tuple[tuple[int, ...], tuple[Dim, ...], tuple[Dim, ...]]:
    """The sizes of a padded map, and what stands before and behind all four axes."""
    wide = tuple(int(n + low + high) for n, (low, high) in zip(spatial, windows.pad, strict=True))  # type: ignore[arg-type]
    return wide, (0, 0, *(p[0] for p in windows.pad)), (0, 0, *(p[1] for p in windows.pad))


def _matrices(b: Builder, w: Value, count: int) -> Value:
    """Weights [...out, O, C, ...kernel] as [P, O, C T]."""
    return b.reshape(w, (size(w.shape[:count]), w.shape[count], size(w.shape[count + 1 :])))


@exports("local_conv")
def _local_conv(place: Place) -> str:
    x, w = place.node.inputs
    return place.composed(lambda b: _forward(b, place, x, w))[0]


def _forward(b: Builder, place: Place, x: Value, w: Value) -> Value:
    count = x.rank - 2
    windows = Windows.of("local_conv", place.attrs, w.shape[count + 2 :])  # type: ignore[arg-type]  # weights are fixed
    wide, low, high = _padded(windows, x.shape[2:])
    whole = b.op("pad", x, low=low, high=high) if any((*low, *high)) else x
    rows = b.reshape(whole, (*x.shape[:2], prod(wide)))
    reads = _reads(windows, w.shape[:count], wide)  # type: ignore[arg-type]  # and so are positions
    taps = b.op("gather", rows, b.const(reads, DType.I64), axis=2)  # [N, C, P, T]
    columns = b.op("transpose", taps, perm=(2, 1, 3, 0))
    columns = b.reshape(columns, (columns.shape[0], size(columns.shape[1:3]), x.shape[0]))
    made = b.op("matmul", _matrices(b, w, count), columns)  # [P, O, N]
    return b.reshape(b.op("transpose", made, perm=(2, 1, 0)), place.node.out.shape)


@exports("local_conv_data_grad")
def _local_conv_data_grad(place: Place) -> str:
    dy, w = place.node.inputs
    return place.composed(lambda b: _backward(b, place, dy, w))[0]


def _backward(b: Builder, place: Place, dy: Value, w: Value) -> Value:
    count, spatial = dy.rank - 2, place.attrs["size"]
    windows = Windows.of("local_conv", place.attrs, w.shape[count + 2 :])  # type: ignore[arg-type]  # weights are fixed
    wide, low, _ = _padded(windows, spatial)
    positions = b.op("transpose", b.reshape(dy, (*dy.shape[:2], size(dy.shape[2:]))), perm=(2, 1, 0))
    columns = b.op("matmul", _matrices(b, w, count), positions, transpose_a=True)  # [P, C T, N]
    taps = b.reshape(columns, (columns.shape[0], w.shape[count + 1], windows.taps, dy.shape[0]))
    taps = b.op("transpose", taps, perm=(3, 1, 0, 2))
    reads = _reads(windows, w.shape[:count], wide)  # type: ignore[arg-type]  # and so are positions
    total = b.op("scatter_add", taps, b.const(reads, DType.I64), axis=2, size=prod(wide))
    total = b.reshape(total, (*total.shape[:2], *wide))
    for axis, n in enumerate(spatial):
        if wide[axis] != n:
            total = b.op("slice", total, axis=axis + 2, start=low[axis + 2], stop=low[axis + 2] + n)
    return total
