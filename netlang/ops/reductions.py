"""Reductions over axes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from netlang.ir.dims import Dim, Shape, size
from netlang.ir.graph import Attrs, Node, Value
from netlang.ir.opdef import (
    REQUIRED,
    Array,
    OpDef,
    Sample,
    ShapeError,
    Types,
    define,
    elements,
    float_only,
)
from netlang.ir.types import DType, TensorType, shape_text
from netlang.ops.families import Check, UnaryRule, unary_gradient
from netlang.ops.numeric import computed, numbers_only
from netlang.ops.sampling import distinct

if TYPE_CHECKING:
    from netlang.ir.build import Builder


def check_axes(name: str, axes: Sequence[int], shape: Shape) -> None:
    """Raise ShapeError unless `axes` are axes of `shape`, in order, each once."""
    for axis in axes:
        if not 0 <= axis < len(shape):
            raise ShapeError(f"{name} has no axis {axis}: {shape_text(shape)} has rank {len(shape)}")
    if list(axes) != sorted(set(axes)):
        raise ShapeError(f"{name} needs its axes in order and each once, got {tuple(axes)}")


def kept_shape(shape: Shape, axes: Sequence[int]) -> Shape:
    """`shape` with 1 at the reduced axes."""
    return tuple(1 if i in axes else d for i, d in enumerate(shape))


def reduced_shape(shape: Shape, axes: Sequence[int], keepdims: bool) -> Shape:
    """The shape of a reduction's result."""
    return kept_shape(shape, axes) if keepdims else tuple(d for i, d in enumerate(shape) if i not in axes)


def _kept(b: Builder, node: Node, value: Value) -> Value:
    """A value of the result's shape, with the reduced axes put back as 1."""
    return b.reshape(value, kept_shape(node.inputs[0].shape, node.attrs["axes"]))


def _sum_gradient(b: Builder, node: Node, dy: Value) -> Value:
    return b.broadcast(_kept(b, node, dy), node.inputs[0].shape)


def _mean_gradient(b: Builder, node: Node, dy: Value) -> Value:
    x = node.inputs[0]
    count = size(x.shape[a] for a in node.attrs["axes"])
    return b.broadcast(_kept(b, node, divided(b, dy, count)), x.shape)


def divided(b: Builder, value: Value, count: Dim) -> Value:
    """`value / count` for a number of elements that may be symbolic."""
    if isinstance(count, int):
        return value if count == 1 else b.scale(value, 1 / max(count, 1))
    if value.dtype in (DType.F16, DType.BF16):
        # A half float cannot hold a large count.
        wide = divided(b, b.op("cast", value, dtype=DType.F32), count)
        return b.op("cast", wide, dtype=value.dtype)
    return b.div(value, b.op("extent", dim=count, dtype=value.dtype))


def _extreme_gradient(b: Builder, node: Node, dy: Value) -> Value:
    """To every position that holds the extreme value, in equal parts."""
    x = node.inputs[0]
    holds = b.op("cast", b.op("eq", x, _kept(b, node, node.out)), dtype=x.dtype)
    ties = b.sum(holds, node.attrs["axes"], keepdims=True)
    return b.mul(holds, b.div(_kept(b, node, dy), ties))


def _max(x: Array, axes: tuple[int, ...], keepdims: bool) -> Any:
    return np.max(x, axis=axes, keepdims=keepdims, initial=_limits(x)[0])


def _min(x: Array, axes: tuple[int, ...], keepdims: bool) -> Any:
    return np.min(x, axis=axes, keepdims=keepdims, initial=_limits(x)[1])


def _limits(x: Array) -> tuple[Any, Any]:
    """The smallest and the largest number of an element type: what the extremes of nothing are."""
    if x.dtype.kind == "f":
        return -np.inf, np.inf
    return np.iinfo(x.dtype).min, np.iinfo(x.dtype).max


_CASES: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = (
    ((5,), (0,)),
    ((2, 3), (1,)),
    ((2, 3), ()),
    ((2, 1, 3), (1,)),
    ((2, 3, 4), (0, 2)),
    ((1, 3, 2), (0, 1, 2)),
    ((2, 2, 1, 3), (1, 3)),
)


def _samples(rng: np.random.Generator) -> Iterable[Sample]:
    for shape, axes in _CASES:
        for keepdims in (False, True):
            yield Sample((distinct(rng, shape),), {"axes": axes, "keepdims": keepdims})


def _reduction(name: str, summary: str, function: Callable[..., Any], rule: UnaryRule, check: Check) -> None:
    def infer(types: Types, attrs: Attrs) -> Sequence[TensorType]:
        check(name, types)
        check_axes(name, attrs["axes"], types[0].shape)
        return (TensorType(types[0].dtype, reduced_shape(types[0].shape, attrs["axes"], attrs["keepdims"])),)

    define(
        OpDef(
            name,
            summary,
            infer,
            computed(function),
            gradient=unary_gradient(rule),
            madds=lambda ins, outs, attrs: elements(ins),
            samples=_samples,
            attrs={"axes": REQUIRED, "keepdims": False},
            traits=frozenset({"reduction"}),
        )
    )


_reduction(
    "reduce_sum",
    "The sum over axes.",
    lambda x, axes, keepdims: np.sum(x, axis=axes, keepdims=keepdims, dtype=x.dtype),
    _sum_gradient,
    numbers_only,
)
_reduction(
    "reduce_mean",
    "The mean over axes.",
    lambda x, axes, keepdims: np.mean(x, axis=axes, keepdims=keepdims),
    _mean_gradient,
    float_only,
)
_reduction("reduce_max", "The largest element over axes; NaN wins.", _max, _extreme_gradient, numbers_only)
_reduction("reduce_min", "The smallest element over axes; NaN wins.", _min, _extreme_gradient, numbers_only)


def _infer_argmax(types: Types, attrs: Attrs) -> Sequence[TensorType]:
    numbers_only("argmax", types)
    axes, shape = (attrs["axis"],), types[0].shape
    check_axes("argmax", axes, shape)
    if shape[attrs["axis"]] == 0:
        raise ShapeError(f"argmax over axis {attrs['axis']} of {shape_text(shape)}: there is no element")
    return (TensorType(DType.I64, reduced_shape(shape, axes, attrs["keepdims"])),)


def _argmax_samples(rng: np.random.Generator) -> Iterable[Sample]:
    for shape, axis in (((4,), 0), ((2, 3), 1), ((2, 3), 0), ((2, 1, 3), 1), ((2, 3, 2), 1)):
        for keepdims in (False, True):
            yield Sample((distinct(rng, shape),), {"axis": axis, "keepdims": keepdims})


define(
    OpDef(
        "argmax",
        "The index of the largest element along an axis, the first one where several are equal.",
        _infer_argmax,
        computed(lambda x, axis, keepdims: np.argmax(x, axis=axis, keepdims=keepdims)),
        madds=lambda ins, outs, attrs: elements(ins),
        samples=_argmax_samples,
        attrs={"axis": REQUIRED, "keepdims": False},
        traits=frozenset({"reduction"}),
    )
)
