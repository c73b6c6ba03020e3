"""Pools that say where a maximum was, and the way back from pools.

A switch is the place of a maximum inside its window, ONNX's index that inside the whole tensor. Going back is adding at
places of the map, since windows may overlap, which ONNX's MaxUnpool does not allow.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from netlang.interchange.exporting.operators.pools import maximal, reaching
from netlang.interchange.exporting.record import Place, Unsupported, exports
from netlang.ir.build import Builder
from netlang.ir.dims import Dim, Shape, size
from netlang.ir.graph import Node, Value
from netlang.ir.types import DType, TensorType
from netlang.ops.windows import Windows


@exports("max_pool_switch")
def _max_pool_switch(place: Place) -> list[str]:
    """From the index to the position on every axis, from there to the tap."""
    windows, (x,) = Windows.of("max_pool", place.attrs), place.node.inputs
    y, index, shape, low = _pooled(place, windows)
    found = Builder().input("index", TensorType(DType.I64, place.node.results[1].shape))

    def tap(b: Builder) -> Value:
        total, rest = b.const(0, DType.I64), _modulo(b, found, size(shape))
        for axis, (step, apart) in enumerate(zip(windows.stride, windows.dilation, strict=True)):
            behind = size(shape[axis + 1 :])
            position = b.div(rest, _number(b, behind))
            rest = _modulo(b, rest, behind)
            start = _along(b, axis, x.rank, place.node.out.shape[axis + 2], step, low[axis])
            inside = b.div(b.sub(position, start), b.const(apart, DType.I64))
            total = b.add(total, b.mul(inside, b.const(prod(windows.kernel[axis + 1 :]), DType.I64)))
        return b.op("cast", total, dtype=place.node.results[1].dtype)

    return [y, *place.composed(tap, {found: index})]


def _pooled(place: Place, windows: Windows) -> tuple[str, str, Shape, tuple[int, ...]]:
    """The maxima, their indices, the spatial sizes of the map that these count, and the padding before it."""
    x, given = maximal(place, place.inputs[0], windows)
    y, index = place.ops("MaxPool", x, outputs=2, **given)
    spatial, own = place.node.inputs[0].shape[2:], tuple(p[0] for p in windows.pad)
    if x == place.inputs[0]:
        return y, index, spatial, own
    ends = reaching(windows, spatial) or windows.pad
    wide = tuple(low + n + high for n, (low, high) in zip(spatial, ends, strict=True))
    return y, index, wide, (0,) * windows.rank


def _number(b: Builder, dim: Dim) -> Value:
    """A size as a whole number."""
    return b.const(dim, DType.I64) if isinstance(dim, int) else b.op("extent", dim=dim, dtype=DType.I64)


def _modulo(b: Builder, x: Value, dim: Dim) -> Value:
    """What is left of numbers that are not negative."""
    return b.op("fmod", x, _number(b, dim))


def _along(b: Builder, axis: int, rank: int, count: Dim, step: int, low: int) -> Value:
    """Where the windows of a spatial axis begin, to stand along that axis."""
    counted = b.op("iota", size=count, dtype=DType.I64)
    starts = b.sub(b.mul(counted, b.const(step, DType.I64)), b.const(low, DType.I64))
    return b.along(starts, rank, axis + 2)


def _places(b: Builder, windows: Windows, switch: Value, spatial: Shape) -> Value:
    """Where in a row of all elements of its map each switch points, as [N, C, windows]."""
    total = b.const(0, DType.I64)
    taps = list(np.ndindex(windows.kernel))
    wide = b.op("cast", switch, dtype=DType.I64)
    for axis, (step, apart) in enumerate(zip(windows.stride, windows.dilation, strict=True)):
        inside = b.op("gather", b.const([t[axis] * apart for t in taps], DType.I64), wide, axis=0)
        start = _along(b, axis, switch.rank, switch.shape[axis + 2], step, windows.pad[axis][0])
        total = b.add(total, b.mul(b.add(inside, start), _number(b, size(spatial[axis + 1 :]))))
    return _rows(b, total)


def _rows(b: Builder, x: Value) -> Value:
    """[N, C, ...spatial] as [N, C, elements of a map]."""
    return b.reshape(x, (*x.shape[:2], size(x.shape[2:])))


def _put(b: Builder, dy: Value, places: Value, spatial: Shape) -> Value:
    """Numbers added at their places, in maps of zeros."""
    total = b.op("put_along", _rows(b, dy), places, axis=2, size=size(spatial))
    return b.reshape(total, (*dy.shape[:2], *spatial))


@exports("max_unpool")
def _max_unpool(place: Place) -> str:
    windows, (dy, switch) = Windows.of("max_pool", place.attrs), place.node.inputs
    spatial = tuple(place.attrs["size"])
    return place.composed(lambda b: _put(b, dy, _places(b, windows, switch, spatial), spatial))[0]


@exports("max_pool_pick")
def _max_pool_pick(place: Place) -> str:
    windows, (x, switch) = Windows.of("max_pool", place.attrs), place.node.inputs

    def picked(b: Builder) -> Value:
        found = b.op("take_along", _rows(b, x), _places(b, windows, switch, x.shape[2:]), axis=2)
        return b.reshape(found, switch.shape)

    return place.composed(picked)[0]


@exports("max_pool_grad")
def _max_pool_grad(place: Place) -> str:
    """The pool is carried out again for its indices; those of a map are what is left of them by its size."""
    windows, (x, _, dy) = Windows.of("max_pool", place.attrs), place.node.inputs
    _, index, shape, _ = _pooled(place, windows)
    found = Builder().input("index", TensorType(DType.I64, dy.shape))

    def summed(b: Builder) -> Value:
        total = _put(b, dy, _rows(b, _modulo(b, found, size(shape))), shape)
        if shape != x.shape[2:]:
            for axis, (before, _) in enumerate(windows.pad):
                total = b.op("slice", total, axis=axis + 2, start=before, stop=before + x.shape[axis + 2])
        return total

    return place.composed(summed, {found: index})[0]


@exports("sum_pool_grad")
def _sum_pool_grad(place: Place) -> str:
    dy = place.node.inputs[0]
    return place.composed(lambda b: _spread(b, place.node, dy))[0]


@exports("avg_pool_grad")
def _avg_pool_grad(place: Place) -> str:
    node, dy = place.node, place.node.inputs[0]
    return place.composed(lambda b: _spread(b, node, b.div(dy, _counts(b, node, dy))))[0]


def _spread(b: Builder, node: Node, dy: Value) -> Value:
    """Every position gets the sum over the windows it is in: a transposed convolution with ones, map by map."""
    windows, spatial = Windows.of("sum_pool", node.attrs), tuple(node.attrs["size"])
    pad = _whole(windows, spatial, dy.shape[2:])
    maps = b.reshape(dy, (dy.shape[0] * dy.shape[1], 1, *dy.shape[2:]))
    ones = b.const(np.ones((1, 1, *windows.kernel)), dy.dtype)
    given: dict[str, Any] = {"stride": windows.stride, "dilation": windows.dilation, "pad": pad, "size": spatial}
    return b.reshape(b.op("conv_data_grad", maps, ones, **given), node.out.shape)


def _whole(windows: Windows, spatial: Shape, out: Shape) -> tuple[tuple[int, int], ...]:
    """The padding with which all windows are whole, as those of a convolution are."""
    found: list[tuple[int, int]] = []
    for i, (low, high) in enumerate(windows.pad):
        end = (out[i] - 1) * windows.stride[i] + windows.span[i] - low - spatial[i]
        if not isinstance(end, int) and windows.ceil_mode:
            raise Unsupported("how far its windows reach is known only when the net runs")
        found.append((low, max(high, end) if isinstance(end, int) else high))
    return tuple(found)


def _counts(b: Builder, node: Node, dy: Value) -> Value:
    """How many positions each window averages over."""
    windows, spatial, own = Windows.of("avg_pool", node.attrs), node.attrs["size"], node.attrs["count_include_pad"]
    if all(isinstance(n, int) for n in (*spatial, *dy.shape[2:])):
        return b.const(windows.counts(spatial, dy.shape[2:], own), dy.dtype)  # type: ignore[arg-type]  # numbers
    if own and not windows.ceil_mode:
        return b.const(windows.taps, dy.dtype)
    if own:
        raise Unsupported("how far its windows reach is known only when the net runs")
    ones = b.broadcast(b.scalar(1.0, dy), (1, 1, *spatial))
    keys = ("kernel", "stride", "pad", "dilation", "ceil_mode")
    return b.op("sum_pool", ones, **{key: node.attrs[key] for key in keys})
