"""Comparisons, truth values, and the choice between two tensors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from netlang.ir.graph import Attrs, Node, Value
from netlang.ir.opdef import Array, OpDef, Sample, ShapeError, Types, define, same_dtype
from netlang.ir.types import DType, TensorType
from netlang.ops.families import binary, broadcast_type, per_element, unary
from netlang.ops.numeric import numbers_only
from netlang.ops.sampling import flags, normal

if TYPE_CHECKING:
    from netlang.ir.build import Builder


def _bools_only(name: str, types: Types) -> None:
    for t in types:
        if t.dtype != DType.BOOL:
            raise ShapeError(f"{name} needs bool tensors, got {t.dtype}", hint="compare first, as in x > 0")


def _whole(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Small whole numbers, so that equal ones occur."""
    return np.asarray(rng.integers(-1, 2, shape), np.float64)


_COMPARISONS = {
    "eq": ("Whether x equals y.", np.equal, ["commutative"]),
    "ne": ("Whether x differs from y.", np.not_equal, ["commutative"]),
    "lt": ("Whether x is less than y.", np.less, []),
    "le": ("Whether x is at most y.", np.less_equal, []),
    "gt": ("Whether x is greater than y.", np.greater, []),
    "ge": ("Whether x is at least y.", np.greater_equal, []),
}

for _name, (_summary, _function, _traits) in _COMPARISONS.items():
    binary(
        _name,
        _summary,
        _function,
        None,
        result=DType.BOOL,
        check=same_dtype if _name in ("eq", "ne") else numbers_only,
        draw=(_whole, _whole),
        traits=_traits,
    )

binary(
    "and", "Whether both hold.", np.logical_and, None, check=_bools_only, draw=(flags, flags), traits=["commutative"]
)
binary("or", "Whether one holds.", np.logical_or, None, check=_bools_only, draw=(flags, flags), traits=["commutative"])
unary("not", "Whether it does not hold.", np.logical_not, None, check=_bools_only, draw=flags)


def _infer_where(types: Types, attrs: Attrs) -> Sequence[TensorType]:
    if types[0].dtype != DType.BOOL:
        raise ShapeError(f"where needs a bool condition, got {types[0].dtype}", hint="compare first, as in x > 0")
    return (broadcast_type("where", types, same_dtype("where", types[1:])),)


def _where(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    return (np.where(*arrays),)


def _where_gradient(b: Builder, node: Node, grads: Sequence[Value | None]) -> Sequence[Value | None]:
    (condition, x, y), dy = node.inputs, grads[0]
    if dy is None:
        return (None, None, None)
    zero = b.scalar(0.0, dy)
    dx = b.sum_to(b.op("where", condition, dy, zero), x.shape)
    return (None, dx, b.sum_to(b.op("where", condition, zero, dy), y.shape))


_WHERE_SHAPES: tuple[tuple[tuple[int, ...], ...], ...] = (
    ((), (), ()),
    ((3,), (3,), (3,)),
    ((2, 3), (), (3,)),
    ((2, 1), (1, 3), (2, 3)),
    ((3,), (2, 1, 1), (2, 1)),
)


def _where_samples(rng: np.random.Generator) -> Iterable[Sample]:
    for condition, x, y in _WHERE_SHAPES:
        yield Sample((flags(rng, condition), normal(rng, x), normal(rng, y)))


define(
    OpDef(
        "where",
        "x where the condition holds, else y.",
        _infer_where,
        _where,
        gradient=_where_gradient,
        madds=per_element,
        samples=_where_samples,
        arity=(3, 3),
        traits=frozenset({"elementwise"}),
    )
)
