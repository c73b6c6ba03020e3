"""What arithmetic of whole numbers means: every result wraps around like the machine's, as NumPy's do.

A quotient drops its fraction, `7 / -2 = -3`, as in C and ONNX. Where NumPy warns or raises, results are: a quotient by
zero is 0; the smallest number over -1 is itself, as it wraps around; a negative power is the quotient 1 / x**n, so 0
but for x = 1 and x = -1. A float becomes a whole number without its fraction, the nearest there is where it lies
outside of the type, and 0 where it is NaN.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from netlang.ir.opdef import Array
from netlang.ir.types import DType
from netlang.ops.numeric import widen


def divided(x: Array, y: Array) -> Array:
    """x / y without its fraction; of floats the quotient."""
    with np.errstate(all="ignore"):
        if x.dtype.kind not in "iu":
            return np.asarray(np.divide(x, y))
        down = np.floor_divide(x, y)
        rest = np.subtract(x, np.multiply(down, y))
        apart = (rest != 0) & ((rest < 0) != (x < 0))
        return np.where(y == 0, np.zeros_like(down), down + apart.astype(down.dtype))


def raised(x: Array, exponent: Array) -> Array:
    """x to the power `exponent`, wrapped around where both are whole numbers."""
    if x.dtype.kind not in "iu":
        return np.asarray(np.power(x, exponent))
    with np.errstate(all="ignore"):
        positive = np.power(x, np.maximum(exponent, 0))
        if x.dtype.kind == "u":
            return np.asarray(positive)
        odd = (exponent & 1) != 0
        reciprocal = np.where(x == 1, 1, np.where(x == -1, np.where(odd, -1, 1), 0)).astype(x.dtype)
        return np.where(exponent < 0, reciprocal, positive)


def cast(x: Array, dtype: DType) -> Array:
    """`x` in another element type."""
    wide: Any = widen(x)
    if not dtype.is_int or wide.dtype.kind != "f":
        return np.asarray(x.astype(dtype.numpy))
    low, high = dtype.bounds
    whole = np.trunc(wide)
    # The bound itself may not be a float of this type, but the power of two behind it is.
    above, below = whole >= wide.dtype.type(high + 1), whole < wide.dtype.type(low)
    inside = ~(above | below | np.isnan(whole))
    found = np.where(inside, whole, 0).astype(dtype.numpy)
    found = np.where(above, dtype.numpy.type(high), found)
    return np.where(below, dtype.numpy.type(low), found)
