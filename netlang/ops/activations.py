"""Activation functions.

Where the derivative can be written with the result, it is: then the pre-activation need not be kept for the backward
graph, and the activation can work in place.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from netlang.ir.graph import Attrs, Node, Value
from netlang.ir.opdef import Array, opdef
from netlang.ops.elementwise import TWO_OVER_ROOT_PI, erf
from netlang.ops.families import binary, unary
from netlang.ops.sampling import nonzero, normal

if TYPE_CHECKING:
    from netlang.ir.build import Builder

_GELU_SCALE = math.sqrt(2 / math.pi)
_GELU_CUBE = 0.044715


def monotone(op: str, attrs: Attrs) -> bool:
    """Whether an op never decreases, so that it can change places with a maximum.

    Beyond the trait `monotone` this knows the ops for which it depends on an attribute.
    """
    if op == "leaky_relu":
        return bool(attrs["slope"] >= 0)
    if op == "elu":
        return bool(attrs["alpha"] >= 0)
    return "monotone" in opdef(op).traits


def where_positive(b: Builder, of: Value, then: Value, otherwise: Value) -> Value:
    """`then` where `of` is above zero, else `otherwise`."""
    return b.op("where", b.op("gt", of, b.scalar(0.0, of)), then, otherwise)


def _relu_gradient(b: Builder, node: Node, dy: Value) -> Value:
    return where_positive(b, node.out, dy, b.scalar(0.0, dy))


def _leaky_relu(x: Array, slope: float) -> Array:
    return np.where(x > 0, x, x * slope)


def _leaky_relu_gradient(b: Builder, node: Node, dy: Value) -> Value:
    slope = node.attrs["slope"]
    # A falling branch makes the result positive on both sides: then only the input tells them apart.
    of = node.out if slope >= 0 else node.inputs[0]
    return where_positive(b, of, dy, b.scale(dy, slope))


def _elu(x: Array, alpha: float) -> Array:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _elu_gradient(b: Builder, node: Node, dy: Value) -> Value:
    alpha, x, y = node.attrs["alpha"], node.inputs[0], node.out
    if alpha >= 0:
        return where_positive(b, y, dy, b.mul(dy, b.add(y, b.scalar(alpha, y))))
    # The exponential of the positive side is not used, but must not overflow.
    falling = b.scale(b.op("exp", b.op("min", x, b.scalar(0.0, x))), alpha)
    return where_positive(b, x, dy, b.mul(dy, falling))


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), never taking the exponential of a positive number."""
    e = np.exp(-np.abs(x))
    return np.asarray(np.where(x < 0, e, np.ones_like(e)) / (1 + e))


def _sigmoid_gradient(b: Builder, node: Node, dy: Value) -> Value:
    y = node.out
    return b.mul(dy, b.mul(y, b.sub(b.scalar(1.0, y), y)))


def _tanh_gradient(b: Builder, node: Node, dy: Value) -> Value:
    y = node.out
    return b.mul(dy, b.sub(b.scalar(1.0, y), b.mul(y, y)))


def _softplus(x: Array) -> Array:
    return np.asarray(np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))))


def _gelu(x: Array, approximate: bool) -> Array:
    if approximate:
        return np.asarray(0.5 * x * (1 + np.tanh(_GELU_SCALE * (x + _GELU_CUBE * x * x * x))))
    return np.asarray(0.5 * x * (1 + erf(x / math.sqrt(2))))


def _gelu_gradient(b: Builder, node: Node, dy: Value) -> Value:
    x = node.inputs[0]
    return b.mul(dy, _gelu_slope_tanh(b, x) if node.attrs["approximate"] else _gelu_slope(b, x))


def _gelu_slope(b: Builder, x: Value) -> Value:
    """Phi(x) + x phi(x), with the normal distribution's cumulative function and density."""
    one = b.scalar(1.0, x)
    cumulative = b.scale(b.add(b.op("erf", b.scale(x, 1 / math.sqrt(2))), one), 0.5)
    density = b.scale(b.op("exp", b.scale(b.mul(x, x), -0.5)), TWO_OVER_ROOT_PI / (2 * math.sqrt(2)))
    return b.add(cumulative, b.mul(x, density))


def _gelu_slope_tanh(b: Builder, x: Value) -> Value:
    """(1 + t)/2 + x/2 (1 - t*t) u' with t = tanh(u), u = c (x + d x**3)."""
    one = b.scalar(1.0, x)
    square = b.mul(x, x)
    u = b.scale(b.mul(x, b.add(one, b.scale(square, _GELU_CUBE))), _GELU_SCALE)
    du = b.scale(b.add(one, b.scale(square, 3 * _GELU_CUBE)), _GELU_SCALE)
    t = b.op("tanh", u)
    rising = b.mul(b.mul(x, b.sub(one, b.mul(t, t))), du)
    return b.scale(b.add(b.add(one, t), rising), 0.5)


def _prelu_gradient(b: Builder, node: Node, dy: Value) -> tuple[Value | None, Value | None]:
    x, slope = node.inputs
    return (
        where_positive(b, x, dy, b.mul(dy, slope)),
        where_positive(b, x, b.scalar(0.0, dy), b.mul(dy, x)),
    )


unary(
    "relu",
    "x where it is positive, else 0; NaN stays NaN.",
    lambda x: np.maximum(x, 0),
    _relu_gradient,
    draw=nonzero,
    traits=["monotone"],
)
unary(
    "leaky_relu",
    "x where it is positive, else slope * x.",
    _leaky_relu,
    _leaky_relu_gradient,
    attrs={"slope": 0.01},
    draw=nonzero,
    variants=({}, {"slope": 0.2}, {"slope": -0.5}),
)
unary(
    "elu",
    "x where it is positive, else alpha * (exp(x) - 1).",
    _elu,
    _elu_gradient,
    attrs={"alpha": 1.0},
    draw=nonzero,
    variants=({}, {"alpha": 0.3}, {"alpha": -0.5}),
)
unary("sigmoid", "The logistic function 1 / (1 + exp(-x)).", sigmoid, _sigmoid_gradient, traits=["monotone"])
unary("tanh", "The hyperbolic tangent.", np.tanh, _tanh_gradient, traits=["monotone"])
unary(
    "softplus",
    "log(1 + exp(x)), without overflow.",
    _softplus,
    lambda b, node, dy: b.mul(dy, b.op("sigmoid", node.inputs[0])),
    traits=["monotone"],
)
unary(
    "gelu",
    "x * Phi(x) (Hendrycks and Gimpel 2016); `approximate` takes the paper's formula with tanh.",
    _gelu,
    _gelu_gradient,
    attrs={"approximate": False},
    variants=({}, {"approximate": True}),
)
binary(
    "prelu",
    "x where it is positive, else slope * x, with a learned slope that broadcasts.",
    lambda x, slope: np.where(x > 0, x, x * slope),
    _prelu_gradient,
    draw=(nonzero, normal),
)
