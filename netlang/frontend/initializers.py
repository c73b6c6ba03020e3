"""How parameters begin.

Standard deviations and limits: He et al. (2015) for `he_*`, Glorot and Bengio (2010) for `glorot_*`, LeCun et al.
(1998) for `lecun_normal`. A weight is [out, in, ...kernel]; fan-in is in * kernel size, fan-out out * kernel size.
"""

from __future__ import annotations

from math import prod, sqrt
from typing import Any

import numpy as np

from netlang.frontend.faults import Fault
from netlang.frontend.signature import Signature
from netlang.frontend.values import Initializer, describe, is_number
from netlang.ir.dims import Shape
from netlang.ir.types import DType, TensorType, shape_text

SIGNATURES: tuple[Signature, ...] = (
    Signature.of("zeros"),
    Signature.of("ones"),
    Signature.of("constant", "value"),
    Signature.of("normal", mean=0.0, std=1.0),
    Signature.of("uniform", low=0.0, high=1.0),
    Signature.of("he_normal"),
    Signature.of("he_uniform"),
    Signature.of("glorot_normal"),
    Signature.of("glorot_uniform"),
    Signature.of("xavier"),
    Signature.of("lecun_normal"),
)


def initializer(name: str, arguments: dict[str, Any]) -> Initializer:
    """The value of `name(...)`. Raises Fault for arguments that are no numbers."""
    for key, value in arguments.items():
        if not is_number(value):
            raise Fault(f"{name}: '{key}' must be a number, not {describe(value)}")
    if arguments.get("std", 1) < 0:
        raise Fault(f"{name}: 'std' must not be negative, got {arguments['std']}")
    if name == "uniform" and arguments["low"] > arguments["high"]:
        raise Fault(f"uniform: 'low' {arguments['low']} is above 'high' {arguments['high']}")
    return Initializer(name, tuple(float(v) for v in arguments.values()))


def resolve(value: Any, type: TensorType, what: str) -> tuple[Any, ...]:
    """The `init` attribute of a parameter (see `netlang.ir.module`) from what the file gives as its first value."""
    if isinstance(value, Initializer):
        return _of_shape(value, type, what)
    if is_number(value):
        return ("constant", float(value))
    if isinstance(value, list):
        return ("value", _literal(value, type, what))
    raise Fault(
        f"{what} begins with {describe(value)}, which is no initialiser",
        hint="give an initialiser such as he_normal() or zeros(), a number, or the values as nested lists",
    )


def _of_shape(init: Initializer, type: TensorType, what: str) -> tuple[Any, ...]:
    fan_in, fan_out = _fans(type.shape)
    match init.name:
        case "zeros":
            return ("constant", 0.0)
        case "ones":
            return ("constant", 1.0)
        case "constant":
            return ("constant", *init.arguments)
    if not type.dtype.is_float:
        raise Fault(f"{what} has whole-number elements, which {init.name} cannot give")
    spread = {
        "he_normal": sqrt(2 / fan_in),
        "lecun_normal": sqrt(1 / fan_in),
        "glorot_normal": sqrt(2 / (fan_in + fan_out)),
        "he_uniform": sqrt(6 / fan_in),
        "glorot_uniform": sqrt(6 / (fan_in + fan_out)),
        "xavier": sqrt(6 / (fan_in + fan_out)),
    }
    if init.name in ("normal", "uniform"):
        return (init.name, *init.arguments)
    if init.name.endswith("_normal"):
        return ("normal", 0.0, spread[init.name])
    return ("uniform", -spread[init.name], spread[init.name])


def _fans(shape: Shape) -> tuple[int, int]:
    """Fan-in and fan-out of [out, in, ...kernel]; a vector has its length for both."""
    sizes = [d for d in shape if isinstance(d, int)]
    if len(sizes) < 2:
        return (sizes or [1])[0], (sizes or [1])[0]
    window = prod(sizes[2:])
    return sizes[1] * window, sizes[0] * window


def _literal(value: list[Any], type: TensorType, what: str) -> np.ndarray[Any, Any]:
    """Nested lists of numbers as an array of `type`; leading dimensions of size 1 may be left out."""
    shape = _shape(value, what)
    wanted = tuple(d for d in type.shape if isinstance(d, int))
    if shape != wanted[len(wanted) - len(shape) :] or any(d != 1 for d in wanted[: len(wanted) - len(shape)]):
        raise Fault(f"{what} is {type}, but its values are {shape_text(shape)}")
    array = numbers(value, type.dtype, what).reshape(wanted)
    array.flags.writeable = False
    return array


def numbers(value: list[Any], dtype: DType, what: str) -> np.ndarray[Any, Any]:
    """Nested lists of numbers as an array. Raises Fault where rows differ in length or a number does not fit."""
    shape = _shape(value, what)
    if dtype.is_int:
        exact = np.array(value, dtype=object).reshape(-1)
        low, high = dtype.bounds
        fits = all(low <= number <= high and number == int(number) for number in exact)
        array = np.array([int(number) if fits else 0 for number in exact], dtype.numpy).reshape(shape)
    else:
        with np.errstate(over="ignore"):
            array = np.array(value, dtype=np.float64).reshape(shape).astype(dtype.numpy)
        fits = bool(np.isfinite(array.astype(np.float64)).all())
    if not fits:
        raise Fault(f"{what} has values that do not fit into {dtype} elements")
    return array


def _shape(value: Any, what: str) -> tuple[int, ...]:
    """The shape of nested lists of equal lengths. Lists cannot nest deeply: the parser saw to that."""
    if isinstance(value, list):
        if not value:
            raise Fault(f"{what} has an empty list among its values")
        shapes = {_shape(v, what) for v in value}
        if len(shapes) > 1:
            raise Fault(f"the rows of {what} have different lengths")
        return (len(value), *shapes.pop())
    if not is_number(value):
        raise Fault(f"the values of {what} must be numbers, not {describe(value)}")
    return ()
