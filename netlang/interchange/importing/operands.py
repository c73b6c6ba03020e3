"""What operators do element by element: their inputs as tensors and numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from netlang.interchange.importing import writing as w
from netlang.interchange.importing.known import Known
from netlang.interchange.importing.operator import Call, Result, Results, operator
from netlang.interchange.importing.sheet import Tensor
from netlang.ir.types import DType

Translation = Callable[[Call], Results]


def elementwise(
    *names: str, result: DType | None = None, place: int = 0, **attributes: Any
) -> Callable[[Translation], Translation]:
    """As `operator`, for one whose results have the shape to which its inputs broadcast. Where that has no elements the
    result is known, of the type of input `place`, or `result`."""

    def register(translate: Translation) -> Translation:
        def carried_out(call: Call) -> Results:
            empty = _without_elements(call)
            if empty is None:
                return translate(call)
            return Known(np.zeros(empty, result.numpy if result else _numpy(call.value(place))))

        operator(*names, **attributes)(carried_out)
        return translate

    return register


def _without_elements(call: Call) -> tuple[int, ...] | None:
    """The shape of a result without elements; None where there are some. Sizes known only later count as 1."""
    given = [v for v in call.values if isinstance(v, Tensor | Known)]
    if not any(isinstance(v, Known) and v.array.size == 0 for v in given):
        return None
    shapes = [[d if isinstance(d, int) else 1 for d in v.shape] for v in given]
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise call.refuse(f"{' and '.join(map(str, shapes))} cannot be combined") from None


def _numpy(value: Result) -> Any:
    return value.array.dtype if isinstance(value, Known) else value.dtype.numpy


def operands(call: Call, *places: int) -> list[Any]:
    """Inputs that broadcast with each other, for an expression: what is known and a single number as the number
    itself, as long as a tensor is left that has the element type and as many dimensions."""
    values = [call.value(place) for place in places]
    plain = [_number(value) for value in values]
    if all(number is not None for number in plain):
        plain[0] = None
    left = max(len(v.shape) for v, number in zip(values, plain, strict=True) if number is None)
    return [
        call.tensor(place) if number is None or len(value.shape) > left else number
        for place, value, number in zip(places, values, plain, strict=True)
    ]


OLD: dict[str, Any] = {"broadcast": 0, "axis": None}
"""Attributes that operators of two tensors had before opset 7."""


def pair(call: Call) -> tuple[Any, Any]:
    """The two operands of an operator. Before opset 7, the second one's axes stand at `axis` of the first, or last."""
    left, right = operands(call, 0, 1)
    axis = call.attrs["axis"]
    if axis is None or not call.attrs["broadcast"] or not isinstance(right, Tensor):
        return left, right
    rank = len(call.value(0).shape)
    above = rank - (axis % rank if rank else 0) - right.rank
    if above <= 0:
        return left, right
    shape = [*right.shape, *[1] * above]
    return left, call.sheet.let(w.call("reshape", right, shape), f"{call.hint}_aligned")


def _number(value: Result) -> Any:
    """The one number that an input is; None for a tensor, and for what may be trained."""
    if not isinstance(value, Known) or value.array.size != 1:
        return None
    if value.trained and value.array.ndim > 0 and value.array.dtype.kind in "fV":
        return None
    entry = value.array.reshape(-1)[0]
    if value.symbolic or value.array.dtype == bool:
        return entry
    number = float(entry) if value.array.dtype.kind == "V" else entry
    return None if np.isnan(float(number)) else number


def option(call: Call, place: int, attribute: str = "") -> Any:
    """A number or tensor that may have been left out: an input, or an attribute in versions that had one; None."""
    if not call.has(place):
        found = call.attrs.get(attribute)
        return None if found is None else np.float32(found)
    number = _number(call.value(place))
    return call.tensor(place) if number is None else number
