"""Softmax and its logarithm along an axis."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from netlang.ir.graph import Attrs, Node, Value
from netlang.ir.opdef import REQUIRED, Array, OpDef, Sample, Types, define, elements, float_only
from netlang.ir.types import TensorType
from netlang.ops.families import UnaryRule, unary_gradient
from netlang.ops.numeric import computed
from netlang.ops.reductions import check_axes
from netlang.ops.sampling import normal

if TYPE_CHECKING:
    from netlang.ir.build import Builder


def softmax(x: Array, axis: int) -> Array:
    """exp(x) / sum(exp(x)) along an axis; the largest element is subtracted first, so nothing overflows."""
    e = np.exp(x - _top(x, axis))
    return np.asarray(e / e.sum(axis=axis, keepdims=True))


def log_softmax(x: Array, axis: int) -> Array:
    """x - log(sum(exp(x))) along an axis, without overflow and without the logarithm of a vanished number."""
    shifted = x - _top(x, axis)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True)))


def _top(x: Array, axis: int) -> Array:
    return np.asarray(np.max(x, axis=axis, keepdims=True, initial=-np.inf))


def _total(b: Builder, node: Node, value: Value) -> Value:
    return b.sum(value, (node.attrs["axis"],), keepdims=True)


def _softmax_gradient(b: Builder, node: Node, dy: Value) -> Value:
    y = node.out
    return b.mul(y, b.sub(dy, _total(b, node, b.mul(dy, y))))


def _log_softmax_gradient(b: Builder, node: Node, dy: Value) -> Value:
    return b.sub(dy, b.mul(b.op("exp", node.out), _total(b, node, dy)))


def _samples(rng: np.random.Generator) -> Iterable[Sample]:
    for shape, axis in (((4,), 0), ((2, 3), 1), ((3, 2), 0), ((2, 1, 3), 1), ((2, 3, 2), 1), ((1, 2, 2, 3), 3)):
        yield Sample((2 * normal(rng, shape),), {"axis": axis})


def _normalising(name: str, summary: str, function: Callable[..., Any], rule: UnaryRule) -> None:
    def infer(types: Types, attrs: Attrs) -> Sequence[TensorType]:
        float_only(name, types)
        check_axes(name, (attrs["axis"],), types[0].shape)
        return (TensorType(types[0].dtype, types[0].shape),)

    define(
        OpDef(
            name,
            summary,
            infer,
            computed(function),
            gradient=unary_gradient(rule),
            # Per element: subtract the maximum, add to the sum, divide or subtract.
            madds=lambda ins, outs, attrs: 3 * elements(ins),
            samples=_samples,
            attrs={"axis": REQUIRED},
        )
    )


_normalising("softmax", "exp(x) divided by its sum along an axis.", softmax, _softmax_gradient)
_normalising("log_softmax", "The logarithm of softmax, computed as one.", log_softmax, _log_softmax_gradient)
