"""Elementwise functions of one tensor; the activations have a file of their own."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from netlang.ir.graph import Attrs, Node, Value
from netlang.ir.opdef import REQUIRED, Array, OpDef, Sample, Types, define
from netlang.ir.types import DType, TensorType
from netlang.ops.families import unary
from netlang.ops.numeric import numbers_only
from netlang.ops.sampling import flags, fractional, nonzero, normal, positive
from netlang.ops.whole import cast

if TYPE_CHECKING:
    from netlang.ir.build import Builder

TWO_OVER_ROOT_PI = 2 / math.sqrt(math.pi)

_erf = np.vectorize(math.erf, otypes=[np.float64])


def erf(x: Array) -> Array:
    """The error function of every element, correct to the last bits of a double."""
    return np.asarray(_erf(x)) if x.size else x


def _sqrt_gradient(b: Builder, node: Node, dy: Value) -> Value:
    # From the result, so that the input need not be kept; infinite at zero, as in PyTorch.
    return b.div(b.scale(dy, 0.5), node.out)


def _erf_gradient(b: Builder, node: Node, dy: Value) -> Value:
    x = node.inputs[0]
    return b.mul(dy, b.scale(b.op("exp", b.neg(b.mul(x, x))), TWO_OVER_ROOT_PI))


unary("neg", "Minus x.", np.negative, lambda b, node, dy: b.neg(dy), check=numbers_only)
unary("exp", "e to the power x.", np.exp, lambda b, node, dy: b.mul(dy, node.out), traits=["monotone"])
unary("log", "The natural logarithm.", np.log, lambda b, node, dy: b.div(dy, node.inputs[0]), draw=positive)
unary("sqrt", "The square root.", np.sqrt, _sqrt_gradient, draw=positive)
unary(
    "abs",
    "The absolute value; its gradient at zero is zero.",
    np.abs,
    lambda b, node, dy: b.mul(dy, b.op("sign", node.inputs[0])),
    check=numbers_only,
    draw=nonzero,
)
unary("sign", "-1, 0 or 1.", np.sign, None, check=numbers_only, draw=nonzero)
unary("floor", "The largest integer that is not above x.", np.floor, None, draw=fractional)
unary("ceil", "The smallest integer that is not below x.", np.ceil, None, draw=fractional)
unary("round", "The nearest integer; of two equally near ones the even one.", np.rint, None, draw=fractional)
unary("erf", "The error function: 2/sqrt(pi) times the integral of exp(-t*t) from 0 to x.", erf, _erf_gradient)


def _infer_cast(types: Types, attrs: Attrs) -> Sequence[TensorType]:
    return (types[0].with_dtype(attrs["dtype"]),)


def _cast(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    return (cast(arrays[0], types[0].dtype),)


def _cast_gradient(b: Builder, node: Node, grads: Sequence[Value | None]) -> Sequence[Value | None]:
    x, dy = node.inputs[0], grads[0]
    if dy is None or not (x.dtype.is_float and node.out.dtype.is_float):
        return (None,)
    return (dy if dy.dtype == x.dtype else b.op("cast", dy, dtype=x.dtype),)


def _cast_samples(rng: np.random.Generator) -> Iterable[Sample]:
    yield Sample((normal(rng, (2, 3)),), {"dtype": DType.F64})
    # Rounded to less than a double, the function is a staircase: nothing for finite differences.
    for dtype in (DType.F32, DType.F16, DType.BF16, DType.I32, DType.U8):
        yield Sample((normal(rng, (3,)),), {"dtype": dtype}, constant=(0,))
    yield Sample((flags(rng, (2, 2)),), {"dtype": DType.F64})
    yield Sample((np.arange(4),), {"dtype": DType.F64})


define(
    OpDef(
        "cast",
        "The same numbers in another element type; floats lose their fraction, whole numbers wrap around.",
        _infer_cast,
        _cast,
        gradient=_cast_gradient,
        samples=_cast_samples,
        attrs={"dtype": REQUIRED},
        traits=frozenset({"elementwise"}),
    )
)


def _same(types: Types, attrs: Attrs) -> Sequence[TensorType]:
    return (types[0],)


def _itself(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    return (arrays[0],)


def _any_samples(rng: np.random.Generator) -> Iterable[Sample]:
    yield Sample((normal(rng, (2, 3)),))
    yield Sample((np.arange(3),))
    yield Sample((flags(rng, ()),))


define(
    OpDef(
        "stop_gradient",
        "x itself; for the chain rule a constant.",
        _same,
        _itself,
        samples=_any_samples,
        traits=frozenset({"elementwise"}),
    )
)
