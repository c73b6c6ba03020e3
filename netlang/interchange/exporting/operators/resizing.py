"""Axes resized: ONNX's Resize where it takes the same elements, else elements picked and mixed as the op says."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netlang.interchange.exporting.patterns import Match, Patterns, pattern
from netlang.interchange.exporting.record import Place, exports
from netlang.ir.build import Builder
from netlang.ir.dims import Dim, exact_quotient
from netlang.ir.graph import Node, Value
from netlang.ir.types import DType


@pattern("resample")
def _picture(patterns: Patterns, node: Node) -> Match | None:
    """The axes of a picture, one after the other, are resized by one operator."""
    steps, x = [node], node.inputs[0]
    while (before := patterns.hidden(x, "resample")) is not None and before.attrs["mode"] == node.attrs["mode"]:
        steps.append(before)
        x = before.inputs[0]
    axes = [step.attrs["axis"] for step in steps]
    if len(steps) < 2 or len(set(axes)) < len(axes) or not all(_is_resize(step) for step in steps):
        return None
    return Match((x,), node.results, lambda place: _resize(place, steps[::-1]), "resample")


@exports("resample")
def _resample(place: Place) -> str:
    if _is_resize(place.node):
        return _resize(place, [place.node])
    (x,), axis, size, mode = place.node.inputs, *(place.attrs[key] for key in ("axis", "size", "mode"))
    return place.composed(lambda b: _mixed(b, x, axis, size, mode))[0]


def _is_resize(node: Node) -> bool:
    """Maps of pixels; to the nearest one only by a whole factor, since ONNX divides positions in float32."""
    x, axis = node.inputs[0], node.attrs["axis"]
    return x.rank >= 3 and axis >= 2 and (node.attrs["mode"] == "linear" or _factor(node) is not None)


def _factor(node: Node) -> int | None:
    factor = exact_quotient(node.attrs["size"], node.inputs[0].shape[node.attrs["axis"]])
    return factor if isinstance(factor, int) and factor > 0 else None


def _resize(place: Place, steps: Sequence[Node]) -> str:
    nearest = steps[0].attrs["mode"] == "nearest"
    factors = [_factor(step) for step in steps]
    if None in factors:
        given = ["", "", place.shape([step.attrs["size"] for step in steps])]
    else:
        given = ["", place.constant(factors, np.float32)]
    return place.op(
        "Resize",
        place.inputs[0],
        *given,
        axes=[step.attrs["axis"] for step in steps],
        mode="nearest" if nearest else "linear",
        coordinate_transformation_mode="asymmetric" if nearest else "half_pixel",
        nearest_mode="floor" if nearest else None,
    )


def _sources(b: Builder, n: Dim, m: Dim, mode: str, dtype: DType) -> tuple[Value, Value, Value | None]:
    """As `netlang.ops.resample.sources`: the elements that each of m is made of, and the weight of the second."""
    one, two = (b.const(k, DType.I64) for k in (1, 2))
    before, after = (_number(b, dim) for dim in (n, m))
    i = b.op("iota", size=m, dtype=DType.I64)
    if mode == "nearest":
        first = b.div(b.mul(i, before), after)
        return first, first, None
    position = b.sub(b.mul(b.add(b.mul(i, two), one), before), after)
    position = b.op("max", position, b.const(0, DType.I64))
    whole = b.mul(after, two)
    first = b.div(position, whole)
    over = b.op("cast", b.sub(position, b.mul(first, whole)), dtype=dtype)
    weight = b.div(over, b.op("cast", whole, dtype=dtype))
    return first, b.op("min", b.add(first, one), b.sub(before, one)), weight


def _number(b: Builder, dim: Dim) -> Value:
    return b.const(dim, DType.I64) if isinstance(dim, int) else b.op("extent", dim=dim, dtype=DType.I64)


def _mixed(b: Builder, x: Value, axis: int, size: Dim, mode: str) -> Value:
    first, second, weight = _sources(b, x.shape[axis], size, mode, x.dtype)
    found = b.op("gather", x, first, axis=axis)
    if weight is None:
        return found
    along = b.along(weight, x.rank, axis)
    near = b.mul(found, b.sub(b.scalar(1.0, x), along))
    return b.add(near, b.mul(b.op("gather", x, second, axis=axis), along))


@exports("resample_grad")
def _resample_grad(place: Place) -> str:
    (dy,), axis, size, mode = place.node.inputs, *(place.attrs[key] for key in ("axis", "size", "mode"))
    return place.composed(lambda b: _shared_out(b, dy, axis, size, mode))[0]


def _shared_out(b: Builder, dy: Value, axis: int, size: Dim, mode: str) -> Value:
    """Each element goes back to those that it was made of, by its weights."""
    first, second, weight = _sources(b, size, dy.shape[axis], mode, dy.dtype)
    if weight is None:
        return b.op("scatter_add", dy, first, axis=axis, size=size)
    along = b.along(weight, dy.rank, axis)
    near = b.op("scatter_add", b.mul(dy, b.sub(b.scalar(1.0, dy), along)), first, axis=axis, size=size)
    return b.add(near, b.op("scatter_add", b.mul(dy, along), second, axis=axis, size=size))
