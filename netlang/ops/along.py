"""Ops that pick along one axis, each line by indices of its own: take_along, its gradient put_along, and topk.

A line is what is left of a tensor when all indices but that of the axis are fixed. `gather` instead picks the same
slices everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from netlang.ir.graph import Attrs, Node, Value
from netlang.ir.opdef import REQUIRED, Array, OpDef, Sample, ShapeError, Types, define, elements
from netlang.ir.types import DType, TensorType, shape_text
from netlang.ops.indexing import check_range
from netlang.ops.numeric import numbers_only, rounded, widen
from netlang.ops.reductions import check_axes
from netlang.ops.sampling import distinct, normal

if TYPE_CHECKING:
    from netlang.ir.build import Builder

# ---- shape rules


def check_lines(name: str, x: TensorType, indices: TensorType, axis: int) -> None:
    """The indices have the shape of `x` but for the axis."""
    if not indices.dtype.is_int:
        raise ShapeError(f"{name} needs integer indices, got {indices.dtype}", hint="convert with cast(x, i64)")
    check_axes(name, (axis,), x.shape)
    around = (x.shape[:axis], x.shape[axis + 1 :])
    if indices.rank != x.rank or (indices.shape[:axis], indices.shape[axis + 1 :]) != around:
        raise ShapeError(
            f"{name} along axis {axis}: the indices must have the shape {shape_text(x.shape)} but for that axis, "
            f"got {shape_text(indices.shape)}"
        )


def _infer_take(types: Types, attrs: Attrs) -> Sequence[TensorType]:
    x, indices = types
    check_lines("take_along", x, indices, attrs["axis"])
    if x.shape[attrs["axis"]] == 0 and indices.size != 0:
        raise ShapeError(f"take_along cannot pick along axis {attrs['axis']} of {shape_text(x.shape)}: it is empty")
    return (TensorType(x.dtype, indices.shape),)


def _infer_put(types: Types, attrs: Attrs) -> Sequence[TensorType]:
    updates, indices = types
    numbers_only("put_along", (updates,))
    check_lines("put_along", updates, indices, attrs["axis"])
    if updates.shape != indices.shape:
        raise ShapeError(
            f"put_along: there are indices {shape_text(indices.shape)} for updates {shape_text(updates.shape)}"
        )
    axis, size = attrs["axis"], attrs["size"]
    if size == 0 and indices.size != 0:
        raise ShapeError("put_along cannot place anything along an axis of size 0")
    return (TensorType(updates.dtype, (*updates.shape[:axis], size, *updates.shape[axis + 1 :])),)


def _infer_topk(types: Types, attrs: Attrs) -> Sequence[TensorType]:
    (x,), k, axis = types, attrs["k"], attrs["axis"]
    numbers_only("topk", types)
    check_axes("topk", (axis,), x.shape)
    size = x.shape[axis]
    if not isinstance(size, int):
        raise ShapeError(f"topk needs an axis of fixed size, axis {axis} of {shape_text(x.shape)} has {size}")
    if not isinstance(k, int) or k < 1:
        raise ShapeError(f"topk: k must be a whole number of at least 1, got {k}")
    if k > size:
        raise ShapeError(f"topk: there are only {size} elements along axis {axis} of {shape_text(x.shape)}, k is {k}")
    shape = (*x.shape[:axis], k, *x.shape[axis + 1 :])
    return TensorType(x.dtype, shape), TensorType(DType.I64, shape)


# ---- meanings


def _take(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    x, indices = arrays
    check_range(indices, x.shape[attrs["axis"]])
    return (np.take_along_axis(x, indices.astype(np.int64), axis=attrs["axis"]),)


def _put(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    updates, indices, axis = widen(arrays[0]), arrays[1], attrs["axis"]
    check_range(indices, attrs["size"])
    total = np.zeros(types[0].concrete({}), updates.dtype)
    places: list[Array] = list(np.indices(indices.shape, sparse=True))
    places[axis] = indices
    np.add.at(total, tuple(places), updates)
    return (rounded(total, types[0]),)


def _topk(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    """Sorted from the largest; NumPy sorts stably from the smallest, NaN last, so lines are turned round twice."""
    x, axis = arrays[0], attrs["axis"]
    rising = np.argsort(np.flip(widen(x), axis), axis=axis, kind="stable")
    order = np.flip(x.shape[axis] - 1 - rising, axis)
    indices = np.take(order, range(attrs["k"]), axis=axis)
    return np.take_along_axis(x, indices, axis=axis), indices.astype(np.int64)


# ---- gradients


def _take_gradient(b: Builder, node: Node, grads: Sequence[Value | None]) -> Sequence[Value | None]:
    (x, indices), dy, axis = node.inputs, grads[0], node.attrs["axis"]
    return (None if dy is None else b.op("put_along", dy, indices, axis=axis, size=x.shape[axis]), None)


def _put_gradient(b: Builder, node: Node, grads: Sequence[Value | None]) -> Sequence[Value | None]:
    dy = grads[0]
    return (None if dy is None else b.op("take_along", dy, node.inputs[1], axis=node.attrs["axis"]), None)


def _topk_gradient(b: Builder, node: Node, grads: Sequence[Value | None]) -> Sequence[Value | None]:
    """The values are elements of x: each gradient goes back to where its value came from."""
    (x,), dy, axis = node.inputs, grads[0], node.attrs["axis"]
    return (None if dy is None else b.op("put_along", dy, node.results[1], axis=axis, size=x.shape[axis]),)


# ---- samples

_CASES: tuple[tuple[tuple[int, ...], int, int], ...] = (
    ((4,), 3, 0),
    ((3, 5), 2, 1),
    ((4, 2), 4, 0),
    ((2, 3, 4), 1, 1),
    ((2, 6, 1, 2), 5, 1),
)
"""Shape of the longer tensor, length of the indices along the axis, the axis."""


def _picked(rng: np.random.Generator, shape: tuple[int, ...], count: int, axis: int) -> Array:
    return np.asarray(rng.integers(0, shape[axis], (*shape[:axis], count, *shape[axis + 1 :])))


def _samples_take(rng: np.random.Generator) -> Iterable[Sample]:
    for shape, count, axis in _CASES:
        yield Sample((normal(rng, shape), _picked(rng, shape, count, axis)), {"axis": axis})


def _samples_put(rng: np.random.Generator) -> Iterable[Sample]:
    for shape, count, axis in _CASES:
        indices = _picked(rng, shape, count, axis)
        yield Sample((normal(rng, indices.shape), indices), {"axis": axis, "size": shape[axis]})


def _samples_topk(rng: np.random.Generator) -> Iterable[Sample]:
    for shape, count, axis in _CASES:
        yield Sample((distinct(rng, shape),), {"k": count, "axis": axis})


define(
    OpDef(
        "take_along",
        "The elements of x that the indices name along an axis, for every line its own.",
        _infer_take,
        _take,
        gradient=_take_gradient,
        samples=_samples_take,
        attrs={"axis": REQUIRED},
        arity=(2, 2),
        traits=frozenset({"movement"}),
    )
)

define(
    OpDef(
        "put_along",
        "Zeros of `size` along an axis with elements added where the indices say: the gradient of take_along.",
        _infer_put,
        _put,
        gradient=_put_gradient,
        madds=lambda ins, outs, attrs: elements(ins),
        samples=_samples_put,
        attrs={"axis": REQUIRED, "size": REQUIRED},
        arity=(2, 2),
    )
)

define(
    OpDef(
        "topk",
        "The k largest elements along an axis from the largest down, and their indices; the first of equal ones first.",
        _infer_topk,
        _topk,
        gradient=_topk_gradient,
        madds=lambda ins, outs, attrs: elements(ins),
        samples=_samples_topk,
        attrs={"k": REQUIRED, "axis": REQUIRED},
    )
)
