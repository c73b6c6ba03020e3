"""Numbers as whole numbers of few bits: (q - zero point) * scale."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from netlang.interchange.importing import writing as w
from netlang.interchange.importing.axes import axis_of
from netlang.interchange.importing.known import Known
from netlang.interchange.importing.operands import option
from netlang.interchange.importing.operator import Call, Result, element_type, operator
from netlang.interchange.importing.operators.convolutions import exact_sums, kernel_of
from netlang.interchange.importing.sheet import Tensor, element_of
from netlang.interchange.importing.windows import GEOMETRY, window_options
from netlang.ir.types import DType


def _beside(call: Call, place: int, x: Tensor, dtype: DType) -> Any:
    """A scale or zero point of `x` in an element type: one number, one for each place along the axis, or one for each
    block of `block_size` places."""
    given = option(call, place)
    if not isinstance(given, Tensor):
        return given
    found: Any = given
    if given.rank and given.shape != (1,):
        axis = axis_of(call, call.attrs["axis"], x.rank)
        if call.attrs["block_size"]:
            found = _of_blocks(call, given, axis, x.shape[axis])
        elif given.rank == 1 and x.rank > axis + 1:
            found = w.call("reshape", given, [-1, *[1] * (x.rank - axis - 1)])
    return found if given.dtype is dtype else w.call("cast", found, dtype)


def _of_blocks(call: Call, given: Tensor, axis: int, length: Any) -> Any:
    """What a block has, for each of its places."""
    if not isinstance(length, int):
        raise call.refuse(f"blocks need the size {length} as a number", "give it one: --size")
    numbers = call.sheet.tensor(Known(np.arange(length) // call.attrs["block_size"]), f"{call.hint}_blocks")
    return w.call("gather", given, numbers, **w.besides({"axis": 0}, axis=axis))


@operator("QuantizeLinear", axis=1, block_size=0, output_dtype=0, precision=0, saturate=1)
def quantize(call: Call) -> Result:
    """round(x / scale) + zero point, to the nearest that the type has."""
    x, precision = call.tensor(0), call.attrs["precision"]
    within = element_type(precision) if precision else element_of(call.value(1))
    given = x if x.dtype is within else w.call("cast", x, within)
    rounded = w.call("round", w.infix(given, "/", _beside(call, 1, x, within)))
    if call.attrs["output_dtype"]:
        dtype = element_type(call.attrs["output_dtype"])
    else:
        dtype = element_of(call.value(2)) if call.has(2) else DType.U8
    wide = rounded if within in (DType.F32, DType.F64) else w.call("cast", rounded, DType.F32)
    zero = _beside(call, 2, x, DType.F64 if within is DType.F64 else DType.F32) if call.has(2) else 0
    return call.let(w.call("cast", _moved(wide, "+", zero), dtype))


@operator("DequantizeLinear", axis=1, block_size=0, output_dtype=0)
def dequantize(call: Call) -> Result:
    x = call.tensor(0)
    wanted = call.attrs["output_dtype"]
    dtype = element_type(wanted) if wanted else element_of(call.value(1))
    between = dtype if dtype in (DType.F32, DType.F64) else DType.F32
    y: Any = w.call("cast", x, between)
    zero = _beside(call, 2, x, between) if call.has(2) else 0
    y = w.infix(_moved(y, "-", zero), "*", _beside(call, 1, x, between))
    return call.let(y if between is dtype else w.call("cast", y, dtype))


def _moved(value: Any, sign: str, zero: Any) -> Any:
    """A zero point added or taken away, unless it is the number 0."""
    return value if isinstance(zero, int | np.number) and zero == 0 else w.infix(value, sign, zero)


# ---- products and convolutions of whole numbers


@operator("QLinearMatMul")
def matmul(call: Call) -> Result:
    """Inputs: a, its scale and zero point, b and its, scale and zero point of the result."""
    a, b = _centred(call, 0, 2, DType.I32, [-1, 1]), _centred(call, 3, 5, DType.I32, [-1])
    total = call.sheet.let(w.call("cast", w.call("integer_matmul", a, b), DType.F32), f"{call.hint}_sums")
    left, right = _scale(call, 1, [-1, 1]), _scale(call, 4, [-1])
    return _scaled(call, total, w.infix(left, "*", right), 6, [-1, 1])


@operator("QLinearConv", **GEOMETRY, group=1)
def conv(call: Call) -> Result:
    """Inputs: x, its scale and zero point, weights and theirs, scale and zero point of the result, and a bias that
    has the scale of both together."""
    shape = call.value(3).shape
    exact = exact_sums(prod(d for d in shape[1:] if isinstance(d, int)))
    ones = [-1, *[1] * (len(shape) - 1)]
    x, weight = _centred(call, 0, 2, exact, ones), _centred(call, 3, 5, exact, ones)
    options = window_options(call, x.shape, kernel_of(call, 3))
    if call.attrs["group"] != 1:
        options["groups"] = call.attrs["group"]
    sums: Any = call.sheet.let(w.call("convolve", x, weight, **options), f"{call.hint}_sums")
    per_channel = [-1, *[1] * (len(shape) - 2)]
    if call.has(8):
        sums = w.infix(sums, "+", w.call("cast", w.call("reshape", call.tensor(8), per_channel), exact))
    wide = sums if exact is DType.F32 else w.call("cast", sums, DType.F32)
    scale = w.infix(_scale(call, 1, []), "*", _scale(call, 4, per_channel))
    return _scaled(call, wide, scale, 6, per_channel)


def _centred(call: Call, place: int, zero: int, dtype: DType, along: list[int]) -> Tensor:
    """An input less its zero point, which is one number or one for each row (column, channel)."""
    x: Any = w.call("cast", call.tensor(place), dtype)
    point = option(call, zero)
    if isinstance(point, Tensor):
        point = w.call("cast", _shaped(point, along), dtype)
    return call.sheet.let(_moved(x, "-", point), f"{call.hint}_{'abcd'[place]}")


def _shaped(value: Tensor, along: list[int]) -> Any:
    return w.call("reshape", value, along) if value.rank == 1 and value.shape != (1,) else value


def _scale(call: Call, place: int, along: list[int]) -> Any:
    given = option(call, place)
    if not isinstance(given, Tensor):
        return given
    shaped = _shaped(given, along)
    return shaped if given.dtype is DType.F32 else w.call("cast", shaped, DType.F32)


def _scaled(call: Call, total: Any, scale: Any, place: int, along: list[int]) -> Result:
    """Sums of products of whole numbers by the scale and zero point of the result."""
    factor = w.infix(scale, "/", _scale(call, place, along))
    y: Any = w.call("round", w.infix(total, "*", factor))
    point = option(call, place + 1)
    if isinstance(point, Tensor):
        point = w.call("cast", _shaped(point, along), DType.F32)
    return call.let(w.call("cast", _moved(y, "+", point), element_of(call.value(place + 1))))
