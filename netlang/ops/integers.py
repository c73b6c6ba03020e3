"""Division with whole quotients, and bits of integers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from netlang.ir.graph import Node, Value
from netlang.ir.opdef import Array, ShapeError, Types, same_dtype
from netlang.ops.families import binary, unary
from netlang.ops.sampling import nonzero, normal

if TYPE_CHECKING:
    from netlang.ir.build import Builder


def integers_only(name: str, types: Types) -> None:
    """Raise ShapeError unless all types are integers of one kind."""
    for t in types:
        if not t.dtype.is_int:
            raise ShapeError(f"{name} needs integer tensors, got {t.dtype}", hint="convert with cast(x, i64)")
    same_dtype(name, types)


def _whole(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Whole numbers of both signs, zero among them."""
    return np.asarray(rng.integers(-20, 21, shape))


def _count(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """How far bits are shifted; now and then beyond all of them."""
    return np.asarray(rng.choice([0, 1, 2, 5, 31, 63, 64, 70], shape))


def _without_zero(function: Callable[[Array, Array], Any]) -> Callable[[Array, Array], Array]:
    """A division; of integers by 0 it gives 0."""

    def divided(x: Array, y: Array) -> Array:
        if y.dtype.kind == "f":
            return np.asarray(function(x, y))
        with np.errstate(over="ignore"):
            return np.asarray(np.where(y == 0, np.zeros_like(y), function(x, np.where(y == 0, np.ones_like(y), y))))

    return divided


def _fmod_gradient(b: Builder, node: Node, dy: Value) -> tuple[Value, Value]:
    """x - y trunc(x/y): the whole quotient is a constant, and what is left of x without the remainder, over y."""
    x, y = node.inputs
    return dy, b.neg(b.mul(dy, b.op("round", b.div(b.sub(x, node.out), y))))


binary(
    "floor_div",
    "The quotient of integers, rounded down; 0 where the divisor is 0.",
    _without_zero(np.floor_divide),
    None,
    check=integers_only,
    draw=(_whole, _whole),
)
binary(
    "fmod",
    "What is left of x when y is taken from its absolute value as often as it goes, with the sign of x (C's fmod); "
    "of integers 0 where y is 0.",
    _without_zero(np.fmod),
    _fmod_gradient,
    draw=(normal, nonzero),
)
binary("bit_and", "The bits that both have.", np.bitwise_and, None, check=integers_only, draw=(_whole, _whole))
binary("bit_or", "The bits that one has.", np.bitwise_or, None, check=integers_only, draw=(_whole, _whole))
binary("bit_xor", "The bits that only one has.", np.bitwise_xor, None, check=integers_only, draw=(_whole, _whole))
unary("bit_not", "All bits turned over.", np.bitwise_not, None, check=integers_only, draw=_whole)
binary(
    "shift_left",
    "x with its bits moved up by y places, zeros from below; none is left beyond its width.",
    np.left_shift,
    None,
    check=integers_only,
    draw=(_whole, _count),
)
binary(
    "shift_right",
    "x with its bits moved down by y places; from above come zeros, or the sign where there is one.",
    np.right_shift,
    None,
    check=integers_only,
    draw=(_whole, _count),
)
