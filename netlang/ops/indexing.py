"""Ops that pick by index: gather, its gradient scatter_add, one_hot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from netlang.ir.dims import Dim, Shape
from netlang.ir.graph import Attrs, Node, Value
from netlang.ir.opdef import REQUIRED, Array, OpDef, Sample, ShapeError, Types, define, elements
from netlang.ir.types import DType, TensorType, shape_text
from netlang.ops.numeric import numbers_only, rounded, widen
from netlang.ops.reductions import check_axes
from netlang.ops.sampling import normal

if TYPE_CHECKING:
    from netlang.ir.build import Builder


def check_range(indices: Array, size: int) -> None:
    """Raise IndexError unless every index lies in 0 .. size - 1."""
    if indices.size:
        low, high = int(indices.min()), int(indices.max())
        if low < 0 or high >= size:
            raise IndexError(f"index {low if low < 0 else high} is out of range: there are {size}, counted from 0")


def _check_indices(name: str, type: TensorType) -> None:
    if not type.dtype.is_int:
        raise ShapeError(f"{name} needs integer indices, got {type.dtype}", hint="convert with cast(x, i64)")


def _check_choice(name: str, count: Dim, indices: TensorType) -> None:
    """Nothing can be picked by an index where there is nothing."""
    if count == 0 and indices.size != 0:
        raise ShapeError(f"{name} cannot pick by indices {shape_text(indices.shape)}: there is no element to pick")


def _gathered(shape: Shape, indices: Shape, axis: int) -> Shape:
    return (*shape[:axis], *indices, *shape[axis + 1 :])


def _infer_gather(types: Types, attrs: Attrs) -> Sequence[TensorType]:
    x, indices = types
    _check_indices("gather", indices)
    check_axes("gather", (attrs["axis"],), x.shape)
    _check_choice("gather", x.shape[attrs["axis"]], indices)
    return (TensorType(x.dtype, _gathered(x.shape, indices.shape, attrs["axis"])),)


def _gather(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    x, indices = arrays
    check_range(indices, x.shape[attrs["axis"]])
    return (np.take(x, indices, axis=attrs["axis"]),)


def _gather_gradient(b: Builder, node: Node, grads: Sequence[Value | None]) -> Sequence[Value | None]:
    (x, indices), dy, axis = node.inputs, grads[0], node.attrs["axis"]
    if dy is None:
        return (None, None)
    return (b.op("scatter_add", dy, indices, axis=axis, size=x.shape[axis]), None)


_CASES: tuple[tuple[tuple[int, ...], tuple[int, ...], int], ...] = (
    ((4,), (3,), 0),
    ((4, 3), (), 0),
    ((3, 2), (2, 2), 0),
    ((2, 4), (3,), 1),
    ((2, 3, 2), (1, 4), 1),
    ((2, 1, 3), (5,), 2),
    ((3, 2), (0,), 0),
)
"""Shape of the table, shape of the indices, axis."""


def _gather_samples(rng: np.random.Generator) -> Iterable[Sample]:
    for shape, indices, axis in _CASES:
        for dtype in (np.int64, np.int32):
            picked = np.asarray(rng.integers(0, shape[axis], indices), dtype)
            yield Sample((normal(rng, shape), picked), {"axis": axis})


define(
    OpDef(
        "gather",
        "The slices of x along an axis that the indices name; their shape takes the axis's place.",
        _infer_gather,
        _gather,
        gradient=_gather_gradient,
        samples=_gather_samples,
        attrs={"axis": 0},
        arity=(2, 2),
        traits=frozenset({"movement"}),
    )
)


def _infer_scatter_add(types: Types, attrs: Attrs) -> Sequence[TensorType]:
    updates, indices = types
    axis, size = attrs["axis"], attrs["size"]
    numbers_only("scatter_add", (updates,))
    _check_indices("scatter_add", indices)
    found = updates.shape[axis : axis + indices.rank]
    if not 0 <= axis <= updates.rank - indices.rank or found != indices.shape:
        raise ShapeError(
            f"scatter_add along axis {axis} cannot place {shape_text(updates.shape)} "
            f"by indices {shape_text(indices.shape)}: those dims must stand at that axis"
        )
    _check_choice("scatter_add", size, indices)
    shape = (*updates.shape[:axis], size, *updates.shape[axis + indices.rank :])
    return (TensorType(updates.dtype, shape),)


def _scatter_add(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    updates, indices = widen(arrays[0]), arrays[1]
    axis, rank = attrs["axis"], arrays[1].ndim
    check_range(indices, attrs["size"])
    before, after = updates.shape[:axis], updates.shape[axis + rank :]
    # One row per index, so that repeated indices are added up in their own order.
    front = np.moveaxis(updates.reshape(*before, indices.size, *after), axis, 0)
    total = np.zeros((attrs["size"], *before, *after), updates.dtype)
    np.add.at(total, indices.reshape(-1), front)
    return (rounded(np.moveaxis(total, 0, axis), types[0]),)


def _scatter_add_gradient(b: Builder, node: Node, grads: Sequence[Value | None]) -> Sequence[Value | None]:
    dy = grads[0]
    return (None if dy is None else b.op("gather", dy, node.inputs[1], axis=node.attrs["axis"]), None)


def _scatter_add_samples(rng: np.random.Generator) -> Iterable[Sample]:
    for shape, indices, axis in _CASES:
        updates = normal(rng, tuple(d for d in _gathered(shape, indices, axis) if isinstance(d, int)))
        picked = np.asarray(rng.integers(0, shape[axis], indices))
        yield Sample((updates, picked), {"axis": axis, "size": shape[axis]})


define(
    OpDef(
        "scatter_add",
        "Zeros of `size` along an axis with slices added where the indices say: the gradient of gather.",
        _infer_scatter_add,
        _scatter_add,
        gradient=_scatter_add_gradient,
        madds=lambda ins, outs, attrs: elements(ins),
        samples=_scatter_add_samples,
        attrs={"axis": REQUIRED, "size": REQUIRED},
        arity=(2, 2),
    )
)


def _infer_one_hot(types: Types, attrs: Attrs) -> Sequence[TensorType]:
    classes: Dim = attrs["classes"]
    _check_indices("one_hot", types[0])
    if isinstance(classes, int) and classes < 1:
        raise ShapeError(f"one_hot needs at least one class, got {classes}")
    return (TensorType(attrs["dtype"], (*types[0].shape, classes)),)


def _one_hot(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    check_range(arrays[0], attrs["classes"])
    return (rounded(arrays[0][..., None] == np.arange(attrs["classes"]), types[0]),)


def _one_hot_samples(rng: np.random.Generator) -> Iterable[Sample]:
    for shape in ((), (4,), (2, 3)):
        yield Sample((np.asarray(rng.integers(0, 5, shape)),), {"classes": 5})
    yield Sample((np.asarray(rng.integers(0, 3, (2,)), np.int32),), {"classes": 3, "dtype": DType.F64})


define(
    OpDef(
        "one_hot",
        "1 at the index and 0 elsewhere, along a new last axis.",
        _infer_one_hot,
        _one_hot,
        samples=_one_hot_samples,
        attrs={"classes": REQUIRED, "dtype": DType.F32},
    )
)
