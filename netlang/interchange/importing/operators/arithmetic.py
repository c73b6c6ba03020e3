"""Element by element: arithmetic of numbers."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np

from netlang.interchange.importing import writing as w
from netlang.interchange.importing.operands import OLD, elementwise, operands, option, pair
from netlang.interchange.importing.operator import Call, Result
from netlang.interchange.importing.sheet import Tensor, element_of
from netlang.ir.types import DType

_SIGNS = {"Add": "+", "Sub": "-", "Mul": "*", "Div": "/"}


@elementwise("Add", "Sub", "Mul", "Div", **OLD)
def infix(call: Call) -> Result:
    left, right = pair(call)
    return call.let(w.infix(left, _SIGNS[call.node.op], right))


@elementwise("Mod", fmod=0)
def modulo(call: Call) -> Result:
    left, right = operands(call, 0, 1)
    return call.let(w.call("fmod", left, right) if call.attrs["fmod"] else w.infix(left, "%", right))


@elementwise("Pow", **OLD)
def power(call: Call) -> Result:
    """In the type of the base, whatever that of the exponent is."""
    base, exponent = pair(call)
    dtype = element_of(call.value(0))
    if not isinstance(base, Tensor) and exponent.dtype is not dtype:
        base = call.tensor(0)
    if not dtype.is_float and not _is_of(dtype, exponent):
        between = DType.I64 if _is_whole(exponent) else DType.F64
        wide = w.infix(_cast(base, between), "**", _cast(exponent, between))
        return call.let(w.call("cast", wide, dtype))
    return call.let(w.infix(base, "**", _cast(exponent, dtype)))


def _is_whole(value: Any) -> bool:
    return value.dtype.is_int if isinstance(value, Tensor) else isinstance(value, int | np.integer)


def _is_of(dtype: DType, exponent: Any) -> bool:
    """Whether an exponent is a whole number of this type."""
    return _is_whole(exponent) and (not isinstance(exponent, Tensor) or exponent.dtype is dtype)


def _cast(value: Any, dtype: DType) -> Any:
    return w.call("cast", value, dtype) if isinstance(value, Tensor) and value.dtype is not dtype else value


@elementwise("Neg")
def negative(call: Call) -> Result:
    return call.let(w.negative(call.tensor(0)))


@elementwise("Reciprocal")
def reciprocal(call: Call) -> Result:
    return call.let(w.infix(1, "/", call.tensor(0)))


_FUNCTIONS = (
    *("Abs", "Sqrt", "Exp", "Log", "Floor", "Ceil", "Round", "Sign", "Erf"),
    *("Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Acosh", "Atanh"),
)


@elementwise(*_FUNCTIONS)
def function(call: Call) -> Result:
    return call.through(call.tensor(0), call.node.op.lower())


@elementwise("Max", "Min", "Sum", "Mean")
def of_many(call: Call) -> Result:
    """The first with the second, that with the third, and so on."""
    count = len(call.values)
    if count == 1:
        return call.value(0)
    given, kind = operands(call, *range(count)), call.node.op
    if kind in ("Max", "Min"):
        return call.let(reduce(lambda a, b: w.call(kind.lower(), a, b), given))
    total = reduce(lambda a, b: w.infix(a, "+", b), given)
    return call.let(total if kind == "Sum" else w.infix(total, "/", count))


@elementwise("Clip", min=None, max=None)
def clip(call: Call) -> Result:
    low, high = option(call, 1, "min"), option(call, 2, "max")
    given = {key: bound for key, bound in (("low", low), ("high", high)) if bound is not None}
    if not given:
        return call.value(0)
    if any(isinstance(bound, Tensor) for bound in given.values()):
        return call.let(w.call("clip", call.tensor(0), **given))
    bounds = [low, high] if len(given) == 2 else []
    return call.through(call.tensor(0), "clip", *bounds, **({} if bounds else given))
