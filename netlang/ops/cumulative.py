"""Sums of everything up to each element along an axis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from netlang.ir.graph import Attrs, Node, Value
from netlang.ir.opdef import REQUIRED, OpDef, Sample, Types, define, elements
from netlang.ir.types import TensorType
from netlang.ops.families import unary_gradient
from netlang.ops.numeric import computed, numbers_only
from netlang.ops.reductions import check_axes
from netlang.ops.sampling import normal

if TYPE_CHECKING:
    from netlang.ir.build import Builder


def _infer(types: Types, attrs: Attrs) -> Sequence[TensorType]:
    numbers_only("cumsum", types)
    check_axes("cumsum", (attrs["axis"],), types[0].shape)
    return (TensorType(types[0].dtype, types[0].shape),)


def _gradient(b: Builder, node: Node, dy: Value) -> Value:
    """Everything from each element on: the same sums from the other end."""
    axis = node.attrs["axis"]
    return b.op("reverse", b.op("cumsum", b.op("reverse", dy, axes=(axis,)), axis=axis), axes=(axis,))


def _samples(rng: np.random.Generator) -> Iterable[Sample]:
    for shape, axis in (((5,), 0), ((2, 3), 1), ((4, 2), 0), ((2, 3, 2), 1), ((2, 1, 3), 1)):
        yield Sample((normal(rng, shape),), {"axis": axis})


define(
    OpDef(
        "cumsum",
        "The sum of all elements up to each one along an axis.",
        _infer,
        computed(lambda x, axis: np.cumsum(x, axis=axis, dtype=x.dtype)),
        gradient=unary_gradient(_gradient),
        madds=lambda ins, outs, attrs: elements(ins),
        samples=_samples,
        attrs={"axis": REQUIRED},
    )
)
