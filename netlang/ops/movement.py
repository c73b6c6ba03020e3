"""Ops that give the elements another shape or order: reshape, broadcast, transpose, reverse."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from netlang.ir.dims import Shape, size
from netlang.ir.graph import Attrs, Node, Value
from netlang.ir.opdef import (
    REQUIRED,
    Array,
    Infer,
    OpDef,
    Sample,
    ShapeError,
    Types,
    broadcast_shapes,
    define,
)
from netlang.ir.types import TensorType, shape_text
from netlang.ops.families import UnaryRule, unary_gradient
from netlang.ops.reductions import check_axes
from netlang.ops.sampling import normal

if TYPE_CHECKING:
    from netlang.ir.build import Builder


def moved(shape: Shape, like: TensorType) -> TensorType:
    """A plain row-major type of another shape."""
    return TensorType(like.dtype, tuple(shape))


def _movement(
    name: str,
    summary: str,
    infer: Infer,
    function: Callable[[Array, Any], Array],
    rule: UnaryRule,
    attr: str,
    cases: Sequence[tuple[tuple[int, ...], tuple[int, ...]]],
) -> None:
    """Define an op with one tensor and one attribute; `cases` are (shape, attribute) of the samples."""

    def meaning(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
        return (function(arrays[0], attrs[attr]),)

    def samples(rng: np.random.Generator) -> Iterable[Sample]:
        for shape, value in cases:
            chosen: Mapping[str, Any] = {attr: value}
            yield Sample((normal(rng, shape),), chosen)
        yield Sample((np.arange(np.prod(cases[0][0])).reshape(cases[0][0]),), {attr: cases[0][1]})

    define(
        OpDef(
            name,
            summary,
            infer,
            meaning,
            gradient=unary_gradient(rule),
            samples=samples,
            attrs={attr: REQUIRED},
            traits=frozenset({"movement"}),
        )
    )


def _infer_reshape(types: Types, attrs: Attrs) -> Sequence[TensorType]:
    old, new = types[0].shape, attrs["shape"]
    if any(isinstance(d, int) and d < 0 for d in new):
        raise ShapeError(f"reshape to {shape_text(new)}: a dimension is negative")
    if size(old) != size(new):
        raise ShapeError(
            f"reshape cannot turn {shape_text(old)} into {shape_text(new)}: {size(old)} and {size(new)} elements"
        )
    return (moved(new, types[0]),)


def _infer_broadcast(types: Types, attrs: Attrs) -> Sequence[TensorType]:
    old, new = types[0].shape, attrs["shape"]
    if len(old) > len(new) or broadcast_shapes([old, new], "broadcast") != new:
        raise ShapeError(
            f"broadcast cannot turn {shape_text(old)} into {shape_text(new)}",
            hint="dims are matched from the last one; each must be equal or 1",
        )
    return (moved(new, types[0]),)


def _infer_transpose(types: Types, attrs: Attrs) -> Sequence[TensorType]:
    shape, perm = types[0].shape, attrs["perm"]
    if sorted(perm) != list(range(len(shape))):
        raise ShapeError(
            f"transpose of {shape_text(shape)} needs each of its {len(shape)} axes once, got {tuple(perm)}"
        )
    return (moved(tuple(shape[p] for p in perm), types[0]),)


def _infer_reverse(types: Types, attrs: Attrs) -> Sequence[TensorType]:
    check_axes("reverse", attrs["axes"], types[0].shape)
    return (moved(types[0].shape, types[0]),)


def _reshape_gradient(b: Builder, node: Node, dy: Value) -> Value:
    return b.reshape(dy, node.inputs[0].shape)


def _broadcast_gradient(b: Builder, node: Node, dy: Value) -> Value:
    return b.sum_to(dy, node.inputs[0].shape)


def _transpose_gradient(b: Builder, node: Node, dy: Value) -> Value:
    perm: tuple[int, ...] = node.attrs["perm"]
    return b.op("transpose", dy, perm=tuple(perm.index(i) for i in range(len(perm))))


def _reverse_gradient(b: Builder, node: Node, dy: Value) -> Value:
    return b.op("reverse", dy, axes=node.attrs["axes"])


_movement(
    "reshape",
    "The same elements in row-major order, in another shape.",
    _infer_reshape,
    lambda x, shape: x.reshape(shape),
    _reshape_gradient,
    "shape",
    (((2, 6), (3, 4)), ((), (1, 1)), ((2, 3, 1), (6,)), ((4,), (4,)), ((1, 1), ()), ((2, 3), (3, 1, 2, 1))),
)
_movement(
    "broadcast",
    "x repeated along new leading axes and along axes of size 1.",
    _infer_broadcast,
    np.broadcast_to,
    _broadcast_gradient,
    "shape",
    (((3,), (2, 3)), ((), (2, 2)), ((2, 1, 3), (2, 4, 3)), ((2, 3), (2, 3)), ((1, 2, 1), (3, 1, 2, 2)), ((1,), (1, 1))),
)
_movement(
    "transpose",
    "The axes in another order: result axis i is axis perm[i] of x.",
    _infer_transpose,
    np.transpose,
    _transpose_gradient,
    "perm",
    (((2, 3), (1, 0)), ((), ()), ((4,), (0,)), ((2, 3, 4), (1, 2, 0)), ((2, 1, 3, 2), (0, 3, 1, 2))),
)
_movement(
    "reverse",
    "The elements in reverse order along some axes.",
    _infer_reverse,
    np.flip,
    _reverse_gradient,
    "axes",
    (((2, 3), (1,)), ((4,), (0,)), ((2, 3), ()), ((2, 1, 3), (0, 2)), ((2, 2, 3), (0, 1, 2))),
)
