"""What passes ask about constants."""

from __future__ import annotations

import math

import numpy as np

from netlang.ir.graph import Value
from netlang.ir.types import DType

_LOOKED_AT = 1 << 16
"""Constants with more elements are not searched: they are data, not numbers."""

_REARRANGING = frozenset({"broadcast", "reshape", "transpose", "reverse", "slice"})
"""Ops that give every element of their result a value of their input."""

_NORMAL = {
    DType.F16: (2.0**-14, (2 - 2.0**-10) * 2.0**15),
    DType.BF16: (2.0**-126, (2 - 2.0**-7) * 2.0**127),
    DType.F32: (2.0**-126, (2 - 2.0**-23) * 2.0**127),
    DType.F64: (2.0**-1022, (2 - 2.0**-52) * 2.0**1023),
}
"""The smallest and the largest number with all digits (IEEE 754 binary16, 32, 64; bfloat16)."""


def uniform(value: Value) -> float | None:
    """The number that every element of a constant has, of any shape and however broadcast; None for anything else."""
    while value.node.op in _REARRANGING:
        value = value.node.inputs[0]
    if value.node.op != "const":
        return None
    array = value.node.attrs["value"]
    if not 0 < array.size <= _LOOKED_AT:
        return None
    first = array.reshape(-1)[0]
    if array.size > 1 and not np.all(array == first):
        return None
    if first == 0 and array.dtype.kind not in "biu" and len(np.unique(np.signbit(array))) > 1:
        return None
    return float(first)


def scaled(value: Value, op: str) -> tuple[Value, float] | None:
    """(x, c) where `value` is `x * c` (op `mul`, either way round) or `x / c` (op `div`) with a uniform constant c."""
    node = value.node
    if node.op != op:
        return None
    left, right = node.inputs
    if (number := uniform(right)) is not None:
        return left, number
    if op == "mul" and (number := uniform(left)) is not None:
        return right, number
    return None


def is_normal(number: float, value: Value) -> bool:
    """Can the float type of `value` hold this number without overflow or loss of digits near zero?"""
    smallest, largest = _NORMAL[value.dtype]
    return smallest <= abs(number) <= largest


def has_exact_reciprocal(number: float, value: Value) -> bool:
    """Is x / number the same as x * (1 / number) for every x? So it is for powers of two."""
    mantissa, _ = math.frexp(number)
    return abs(mantissa) == 0.5 and is_normal(number, value) and is_normal(1 / number, value)
