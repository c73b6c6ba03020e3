"""Ops that put tensors side by side, take pieces out of them, or surround them: concat, slice, pad."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from netlang.ir.dims import Dim, Shape
from netlang.ir.graph import Attrs, Node, Value
from netlang.ir.opdef import REQUIRED, Array, OpDef, Sample, ShapeError, Types, define, maps_hint, same_dtype
from netlang.ir.types import DType, TensorType, shape_text
from netlang.ops.families import unary_gradient
from netlang.ops.movement import moved
from netlang.ops.reductions import check_axes
from netlang.ops.sampling import normal

if TYPE_CHECKING:
    from netlang.ir.build import Builder

_MOVEMENT = frozenset({"movement"})


def _with_dim(shape: Shape, axis: int, dim: Dim) -> Shape:
    return (*shape[:axis], dim, *shape[axis + 1 :])


def _infer_concat(types: Types, attrs: Attrs) -> Sequence[TensorType]:
    axis, first = attrs["axis"], types[0]
    same_dtype("concat", types)
    check_axes("concat", (axis,), first.shape)
    total: Dim = 0
    for t in types:
        if t.rank != first.rank or _with_dim(t.shape, axis, 0) != _with_dim(first.shape, axis, 0):
            text = " and ".join((shape_text(first.shape), shape_text(t.shape)))
            message = f"concat along axis {axis} cannot join {text}: only that axis may differ"
            raise ShapeError(message, maps_hint(first.shape, t.shape, but=axis))
        total = total + t.shape[axis]
    return (moved(_with_dim(first.shape, axis, total), first),)


def _concat(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    return (np.concatenate(arrays, axis=attrs["axis"]),)


def _concat_gradient(b: Builder, node: Node, grads: Sequence[Value | None]) -> Sequence[Value | None]:
    dy, axis = grads[0], node.attrs["axis"]
    if dy is None:
        return (None,) * len(node.inputs)
    pieces: list[Value] = []
    start: Dim = 0
    for value in node.inputs:
        stop = start + value.shape[axis]
        pieces.append(b.op("slice", dy, axis=axis, start=start, stop=stop))
        start = stop
    return pieces


def _concat_samples(rng: np.random.Generator) -> Iterable[Sample]:
    for axis, shapes in (
        (0, ((2,), (1,), (3,))),
        (1, ((2, 1), (2, 3))),
        (0, ((1, 3), (2, 3))),
        (1, ((2, 2, 3), (2, 1, 3), (2, 2, 3))),
        (2, ((1, 2, 2),)),
    ):
        yield Sample(tuple(normal(rng, s) for s in shapes), {"axis": axis})


define(
    OpDef(
        "concat",
        "Tensors one after the other along an axis.",
        _infer_concat,
        _concat,
        gradient=_concat_gradient,
        samples=_concat_samples,
        attrs={"axis": REQUIRED},
        arity=(1, None),
        traits=_MOVEMENT,
    )
)


def _infer_slice(types: Types, attrs: Attrs) -> Sequence[TensorType]:
    axis, start, stop, step = (attrs[k] for k in ("axis", "start", "stop", "step"))
    shape = types[0].shape
    check_axes("slice", (axis,), shape)
    if step < 1:
        raise ShapeError(f"slice needs a step of at least 1, got {step}", hint="use reverse for the other direction")
    ordered = [d for d in (0, start, stop, shape[axis]) if isinstance(d, int)]
    if ordered != sorted(ordered):
        raise ShapeError(f"slice {start}:{stop} does not lie in axis {axis} of {shape_text(shape)}")
    return (moved(_with_dim(shape, axis, (stop - start + step - 1) // step), types[0]),)


def _slice(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    piece = slice(attrs["start"], attrs["stop"], attrs["step"])
    return (arrays[0][_along(attrs["axis"], piece)],)


def _along(axis: int, piece: slice) -> tuple[slice, ...]:
    return (*(slice(None),) * axis, piece)


def _slice_gradient(b: Builder, node: Node, dy: Value) -> Value:
    axis = node.attrs["axis"]
    return b.op(
        "slice_grad",
        dy,
        axis=axis,
        start=node.attrs["start"],
        step=node.attrs["step"],
        size=node.inputs[0].shape[axis],
    )


def _slice_samples(rng: np.random.Generator) -> Iterable[Sample]:
    for shape, axis, start, stop, step in (
        ((5,), 0, 1, 4, 1),
        ((5,), 0, 0, 5, 2),
        ((2, 3), 1, 2, 3, 1),
        ((4, 1, 3), 0, 1, 4, 2),
        ((2, 7, 2), 1, 1, 6, 3),
        ((2, 3), 0, 1, 1, 1),
    ):
        yield Sample((normal(rng, shape),), {"axis": axis, "start": start, "stop": stop, "step": step})


define(
    OpDef(
        "slice",
        "The elements start, start + step, ... before stop along an axis.",
        _infer_slice,
        _slice,
        gradient=unary_gradient(_slice_gradient),
        samples=_slice_samples,
        attrs={"axis": REQUIRED, "start": REQUIRED, "stop": REQUIRED, "step": 1},
        traits=_MOVEMENT,
    )
)


def _end(count: Dim, start: Dim, step: int) -> Dim:
    """One past the last of `count` positions that begin at `start`."""
    return start if count == 0 else start + (count - 1) * step + 1


def _infer_slice_grad(types: Types, attrs: Attrs) -> Sequence[TensorType]:
    axis, start, size = attrs["axis"], attrs["start"], attrs["size"]
    shape = types[0].shape
    check_axes("slice_grad", (axis,), shape)
    ordered = [d for d in (0, start, _end(shape[axis], start, attrs["step"]), size) if isinstance(d, int)]
    if ordered != sorted(ordered):
        raise ShapeError(f"slice_grad of {shape_text(shape)} from {start} does not fit an axis of size {size}")
    return (moved(_with_dim(shape, axis, size), types[0]),)


def _slice_grad(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    dy, axis = arrays[0], attrs["axis"]
    stop = _end(dy.shape[axis], attrs["start"], attrs["step"])
    out = np.zeros(types[0].concrete({}), dy.dtype)
    out[_along(axis, slice(attrs["start"], stop, attrs["step"]))] = dy
    return (out,)


def _slice_grad_gradient(b: Builder, node: Node, dy: Value) -> Value:
    axis, start, step = (node.attrs[k] for k in ("axis", "start", "step"))
    stop = _end(node.inputs[0].shape[axis], start, step)
    return b.op("slice", dy, axis=axis, start=start, stop=stop, step=step)


def _slice_grad_samples(rng: np.random.Generator) -> Iterable[Sample]:
    for shape, axis, start, step, size in (
        ((3,), 0, 1, 1, 5),
        ((3,), 0, 0, 2, 6),
        ((2, 1), 1, 2, 1, 3),
        ((2, 2, 2), 1, 1, 3, 7),
        ((0, 3), 0, 1, 2, 2),
    ):
        yield Sample((normal(rng, shape),), {"axis": axis, "start": start, "step": step, "size": size})


define(
    OpDef(
        "slice_grad",
        "Zeros with x put at start, start + step, ... of an axis of the given size: the gradient of slice.",
        _infer_slice_grad,
        _slice_grad,
        gradient=unary_gradient(_slice_grad_gradient),
        samples=_slice_grad_samples,
        attrs={"axis": REQUIRED, "start": REQUIRED, "step": REQUIRED, "size": REQUIRED},
        traits=_MOVEMENT,
    )
)


def _infer_pad(types: Types, attrs: Attrs) -> Sequence[TensorType]:
    shape, low, high = types[0].shape, attrs["low"], attrs["high"]
    if not len(low) == len(high) == len(shape):
        raise ShapeError(f"pad of {shape_text(shape)} needs {len(shape)} amounts per side, got {low} and {high}")
    if any(isinstance(p, int) and p < 0 for p in (*low, *high)):
        raise ShapeError(f"pad amounts cannot be negative, got {low} and {high}", hint="use slice to cut off")
    _check_value(attrs["value"], types[0].dtype)
    return (moved(tuple(p + d + q for p, d, q in zip(low, shape, high, strict=True)), types[0]),)


def _check_value(value: float, dtype: DType) -> None:
    if dtype.is_float:
        return
    low, high = dtype.bounds if dtype.is_int else (0, 1)
    if not low <= value <= high or value != int(value):
        raise ShapeError(f"pad: {value} does not fit into {dtype} elements")


def _pad(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    x = arrays[0]
    out = np.full(types[0].concrete({}), attrs["value"], x.dtype)
    out[tuple(slice(p, p + d) for p, d in zip(attrs["low"], x.shape, strict=True))] = x
    return (out,)


def _pad_gradient(b: Builder, node: Node, dy: Value) -> Value:
    for axis, (low, dim) in enumerate(zip(node.attrs["low"], node.inputs[0].shape, strict=True)):
        if dy.shape[axis] != dim:
            dy = b.op("slice", dy, axis=axis, start=low, stop=low + dim)
    return dy


def _pad_samples(rng: np.random.Generator) -> Iterable[Sample]:
    for shape, low, high, value in (
        ((3,), (1,), (2,), 0.0),
        ((2, 3), (0, 1), (0, 0), 0.0),
        ((2, 1, 2), (1, 0, 2), (0, 3, 1), -1.5),
        ((2, 2), (0, 0), (0, 0), 0.0),
        ((), (), (), 1.0),
    ):
        yield Sample((normal(rng, shape),), {"low": low, "high": high, "value": value})


define(
    OpDef(
        "pad",
        "x with `low` elements of `value` before it and `high` after it, per axis.",
        _infer_pad,
        _pad,
        gradient=unary_gradient(_pad_gradient),
        samples=_pad_samples,
        attrs={"low": REQUIRED, "high": REQUIRED, "value": 0.0},
        traits=_MOVEMENT,
    )
)
