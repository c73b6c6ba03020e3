"""Whole quotients, and bits of integers.

ONNX divides whole numbers towards zero, says nothing of a divisor 0, and moves bits of numbers without sign alone.
"""

from __future__ import annotations

import numpy as np

from netlang.interchange.exporting.record import Place, exports, simple
from netlang.ir.build import Builder
from netlang.ir.graph import Value
from netlang.ir.types import DType

simple({"bit_and": "BitwiseAnd", "bit_or": "BitwiseOr", "bit_xor": "BitwiseXor", "bit_not": "BitwiseNot"})

_HALF = 32
"""Bits that are moved at once at most, as a product with a power of two that i64 holds."""


@exports("div")
def _div(place: Place) -> str:
    """Towards zero, as here; nothing is divided by zero."""
    x, y = place.inputs
    if place.node.out.dtype.is_float or not _may_be_zero(place.node.inputs[1]):
        return place.op("Div", x, y)
    zero, one = (place.like(n, place.node.out) for n in (0, 1))
    nothing = place.op("Equal", y, zero)
    return place.op("Where", nothing, zero, place.op("Div", x, place.op("Where", nothing, one, y)))


@exports("floor_div")
def _floor_div(place: Place) -> str:
    """What is over is taken off before; ONNX's Mod has the sign of the divisor, as what is over has."""
    x, y = place.inputs
    if not _may_be_zero(place.node.inputs[1]):
        return _quotient(place, x, y)
    zero, one = (place.like(n, place.node.out) for n in (0, 1))
    nothing = place.op("Equal", y, zero)
    quotient = _quotient(place, x, place.op("Where", nothing, one, y))
    return place.op("Where", nothing, zero, quotient)


def _quotient(place: Place, x: str, y: str) -> str:
    return place.op("Div", place.op("Sub", x, place.op("Mod", x, y)), y)


def _may_be_zero(divisor: Value) -> bool:
    return divisor.node.op != "const" or not np.all(divisor.node.attrs["value"])


@exports("fmod")
def _fmod(place: Place) -> str:
    x, y = place.inputs
    if place.node.out.dtype.is_float or not _may_be_zero(place.node.inputs[1]):
        return place.op("Mod", x, y, fmod=1)
    zero, one = (place.like(n, place.node.out) for n in (0, 1))
    nothing = place.op("Equal", y, zero)
    rest = place.op("Mod", x, place.op("Where", nothing, one, y), fmod=1)
    return place.op("Where", nothing, zero, rest)


@exports("shift_left", "shift_right")
def _shift(place: Place) -> str:
    """Products with powers of two and quotients by them, in i64. Up to 63 bits are moved in two steps; moving them down
    by more leaves what moving them by 63 does, the sign, and moving them up leaves nothing."""
    x, count = place.node.inputs
    up = place.node.op == "shift_left"
    return place.composed(lambda b: _shifted(b, x, count, up))[0]


def _shifted(b: Builder, x: Value, count: Value, up: bool) -> Value:
    wide, places = (b.op("cast", v, dtype=DType.I64) for v in (x, count))
    powers = b.const([1 << i for i in range(_HALF + 1)], DType.I64)
    most = b.const(x.dtype.size * 8 if up else 63, DType.I64)
    first = b.op("min", places, b.const(_HALF, DType.I64))
    second = b.op("min", b.sub(b.op("min", places, most), first), b.const(_HALF, DType.I64))
    for step in (first, second):
        wide = b.op("mul" if up else "floor_div", wide, b.op("gather", powers, step, axis=0))
    return b.op("cast", wide, dtype=x.dtype)
