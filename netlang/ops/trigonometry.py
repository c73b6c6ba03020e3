"""Trigonometric and hyperbolic functions and their inverses, in radians; NaN where they have no value."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from netlang.ir.graph import Node, Value
from netlang.ops.families import UnaryRule, unary
from netlang.ops.sampling import normal

if TYPE_CHECKING:
    from netlang.ir.build import Builder
    from netlang.ir.opdef import Array


def _inside(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Numbers from -0.8 to 0.8, where the inverse functions are not steep."""
    return np.asarray(1.6 * rng.random(shape) - 0.8)


def _above_one(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Numbers from 1.3 to 3.3."""
    return np.asarray(1.3 + 2 * rng.random(shape))


def _times(op: str) -> UnaryRule:
    """The derivative is another op of the input."""
    return lambda b, node, dy: b.mul(dy, b.op(op, node.inputs[0]))


def _cos_gradient(b: Builder, node: Node, dy: Value) -> Value:
    return b.neg(b.mul(dy, b.op("sin", node.inputs[0])))


def _tan_gradient(b: Builder, node: Node, dy: Value) -> Value:
    """1 + y*y of the result y."""
    return b.mul(dy, b.add(b.mul(node.out, node.out), b.scalar(1.0, dy)))


def _over(divisor: Callable[[Builder, Value], Value], sign: int = 1) -> UnaryRule:
    """dy, or -dy, over a function of the input."""

    def rule(b: Builder, node: Node, dy: Value) -> Value:
        return b.div(dy if sign > 0 else b.neg(dy), divisor(b, node.inputs[0]))

    return rule


def _one_minus_square(b: Builder, x: Value) -> Value:
    """As a product of two factors, which loses nothing where x is near 1."""
    one = b.scalar(1.0, x)
    return b.mul(b.sub(one, x), b.add(one, x))


def _square_plus_one(b: Builder, x: Value) -> Value:
    return b.add(b.mul(x, x), b.scalar(1.0, x))


def _square_minus_one(b: Builder, x: Value) -> Value:
    one = b.scalar(1.0, x)
    return b.mul(b.sub(x, one), b.add(x, one))


def _root(of: Callable[[Builder, Value], Value]) -> Callable[[Builder, Value], Value]:
    return lambda b, x: b.op("sqrt", of(b, x))


unary("sin", "The sine.", np.sin, _times("cos"))
unary("cos", "The cosine.", np.cos, _cos_gradient)
unary("tan", "The tangent.", np.tan, _tan_gradient, draw=_inside)
unary("asin", "The angle from -pi/2 to pi/2 whose sine is x.", np.arcsin, _over(_root(_one_minus_square)), draw=_inside)
unary("acos", "The angle from 0 to pi whose cosine is x.", np.arccos, _over(_root(_one_minus_square), -1), draw=_inside)
unary("atan", "The angle between -pi/2 and pi/2 whose tangent is x.", np.arctan, _over(_square_plus_one))
unary("sinh", "The hyperbolic sine: (exp(x) - exp(-x)) / 2.", np.sinh, _times("cosh"))
unary("cosh", "The hyperbolic cosine: (exp(x) + exp(-x)) / 2.", np.cosh, _times("sinh"))
unary("asinh", "The inverse of the hyperbolic sine.", np.arcsinh, _over(_root(_square_plus_one)), draw=normal)
unary("acosh", "The inverse, not negative, of cosh.", np.arccosh, _over(_root(_square_minus_one)), draw=_above_one)
unary("atanh", "The inverse of the hyperbolic tangent.", np.arctanh, _over(_one_minus_square), draw=_inside)
