"""Comparisons, truth values, bits, choices, and other element types."""

from __future__ import annotations

from typing import Any

import numpy as np

from netlang.interchange.importing import writing as w
from netlang.interchange.importing.known import Known
from netlang.interchange.importing.operands import OLD, elementwise, operands, pair
from netlang.interchange.importing.operator import REQUIRED, Call, Result, element_type, operator
from netlang.interchange.importing.sheet import element_of
from netlang.ir.types import DType

_SIGNS = {
    "Equal": "==", "Greater": ">", "GreaterOrEqual": ">=", "Less": "<", "LessOrEqual": "<=", "And": "and", "Or": "or",
    "Xor": "!=",
}  # fmt: skip


@elementwise(*_SIGNS, result=DType.BOOL, **OLD)
def compare(call: Call) -> Result:
    left, right = pair(call)
    return call.let(w.infix(left, _SIGNS[call.node.op], right))


@elementwise("Not")
def opposite(call: Call) -> Result:
    return call.let(w.opposite(call.tensor(0)))


_BITS = {"BitwiseAnd": "bit_and", "BitwiseOr": "bit_or", "BitwiseXor": "bit_xor"}


@elementwise(*_BITS)
def bits(call: Call) -> Result:
    return call.let(w.call(_BITS[call.node.op], *operands(call, 0, 1)))


@elementwise("BitwiseNot")
def turned(call: Call) -> Result:
    return call.through(call.tensor(0), "bit_not")


@elementwise("BitShift", direction=REQUIRED)
def shift(call: Call) -> Result:
    if call.attrs["direction"] not in ("LEFT", "RIGHT"):
        raise call.refuse(f"direction '{call.attrs['direction']}' is neither LEFT nor RIGHT")
    return call.let(w.call(f"shift_{call.attrs['direction'].lower()}", *operands(call, 0, 1)))


@elementwise("IsNaN", result=DType.BOOL)
def is_nan(call: Call) -> Result:
    return call.through(call.tensor(0), "isnan")


@elementwise("IsInf", result=DType.BOOL, detect_negative=1, detect_positive=1)
def is_infinite(call: Call) -> Result:
    x, negative, positive = call.tensor(0), call.attrs["detect_negative"], call.attrs["detect_positive"]
    if negative and positive:
        return call.through(x, "isinf")
    if not negative and not positive:
        return call.let(w.infix(w.call("isinf", x), "and", w.call("isnan", x)))
    return call.let(w.infix(x, "==", np.float64(np.inf if positive else -np.inf)))


@elementwise("Where", place=1)
def where(call: Call) -> Result:
    return call.let(w.call("where", call.tensor(0), *operands(call, 1, 2)))


# ---- element types


@operator("Cast", to=REQUIRED, saturate=1, round_mode="up")
def cast(call: Call) -> Result:
    return _as(call, element_type(call.attrs["to"]))


@operator("CastLike", saturate=1, round_mode="up")
def cast_like(call: Call) -> Result:
    like = call.value(1)
    return _as(call, element_of(like))


def _as(call: Call, dtype: DType) -> Result:
    value: Any = call.value(0)
    if isinstance(value, Known):
        if value.symbolic and dtype is value.sizes_in:
            return value
        if not value.symbolic and (value.array.size == 0 or not _loses(element_of(value), dtype)):
            return Known(value.array.astype(dtype.numpy), value.source, value.trained)
    tensor = call.tensor(0)
    return value if tensor.dtype is dtype else call.through(tensor, "cast", dtype)


def _loses(before: DType, dtype: DType) -> bool:
    """Whether numbers may not fit."""
    return before.is_float and not dtype.is_float
