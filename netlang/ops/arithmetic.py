"""Arithmetic of two tensors with broadcasting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from netlang.ir.graph import Node, Value
from netlang.ops.families import BinaryRule, binary
from netlang.ops.sampling import nonzero, normal, positive
from netlang.ops.whole import divided, raised

if TYPE_CHECKING:
    from netlang.ir.build import Builder

Both = tuple[Value | None, Value | None]


def _is_const(value: Value) -> bool:
    return value.node.op == "const"


def _mul_gradient(b: Builder, node: Node, dy: Value) -> Both:
    x, y = node.inputs
    return None if _is_const(x) else b.mul(dy, y), None if _is_const(y) else b.mul(dy, x)


def _div_gradient(b: Builder, node: Node, dy: Value) -> Both:
    x, y = node.inputs
    dx = b.div(dy, y)
    return None if _is_const(x) else dx, None if _is_const(y) else b.neg(b.mul(dx, node.out))


def _pow_gradient(b: Builder, node: Node, dy: Value) -> Both:
    base, exponent = node.inputs
    if _is_const(exponent) and exponent.node.attrs["value"].size == 1:
        return _fixed_power_gradient(b, base, exponent, dy), None
    return _base_gradient(b, base, exponent, dy), _exponent_gradient(b, node, dy)


def _fixed_power_gradient(b: Builder, base: Value, exponent: Value, dy: Value) -> Value | None:
    """p x**(p-1) for a constant p, without a power where none is needed (x*x at 0 must not become 0 * inf)."""
    p = float(exponent.node.attrs["value"].item())
    if p == 0:
        return None
    if p == 1:
        return dy
    slope = base if p == 2 else b.op("pow", base, b.scalar(p - 1, base))
    return b.mul(dy, b.scale(slope, p))


def _base_gradient(b: Builder, base: Value, exponent: Value, dy: Value) -> Value:
    """p x**(p-1), and zero where p is zero, whatever x is (PyTorch's convention)."""
    zero, one = b.scalar(0.0, base), b.scalar(1.0, base)
    flat = b.op("eq", exponent, zero)
    power = b.op("pow", base, b.op("where", flat, one, b.sub(exponent, one)))
    return b.op("where", flat, zero, b.mul(dy, b.mul(exponent, power)))


def _exponent_gradient(b: Builder, node: Node, dy: Value) -> Value:
    """x**p log(x), and zero where x is zero and p is not negative (PyTorch's convention)."""
    base, exponent = node.inputs
    zero, one = b.scalar(0.0, base), b.scalar(1.0, base)
    flat = b.op("and", b.op("eq", base, zero), b.op("ge", exponent, zero))
    # The logarithm must be finite on the branch not taken too, or its own gradient brings in 0 * inf.
    log = b.op("log", b.op("where", flat, one, base))
    return b.op("where", flat, zero, b.mul(dy, b.mul(node.out, log)))


def _extreme_gradient(wins: str) -> BinaryRule:
    """For max and min: the gradient goes to the winner, and half to each where they are equal, as in PyTorch."""

    def rule(b: Builder, node: Node, dy: Value) -> Both:
        x, y = node.inputs
        tied = b.op("where", b.op("eq", x, y), b.scale(dy, 0.5), b.scalar(0.0, dy))
        return b.op("where", b.op(wins, x, y), dy, tied), b.op("where", b.op(wins, y, x), dy, tied)

    return rule


binary("add", "x + y.", np.add, lambda b, node, dy: (dy, dy), traits=["commutative"])
binary("sub", "x - y.", np.subtract, lambda b, node, dy: (dy, b.neg(dy)))
binary("mul", "x * y.", np.multiply, _mul_gradient, traits=["commutative"])
binary("div", "x / y; of whole numbers without the fraction.", divided, _div_gradient, draw=(normal, nonzero))
binary("pow", "x to the power y.", raised, _pow_gradient, draw=(positive, normal))
binary("max", "The larger of x and y; NaN wins.", np.maximum, _extreme_gradient("gt"), traits=["commutative"])
binary("min", "The smaller of x and y; NaN wins.", np.minimum, _extreme_gradient("lt"), traits=["commutative"])
