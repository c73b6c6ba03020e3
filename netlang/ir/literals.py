"""How attribute values are written in the text form, and how arrays are read back bit for bit."""

from __future__ import annotations

import math
from base64 import b64decode, b64encode
from json import dumps
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netlang.ir.dims import Sym, names
from netlang.ir.types import DType, shape_text

RESERVED = frozenset({"none", "true", "false", "inf", "nan", *map(str, DType)})
"""Words of attribute values; a dimension that has such a name is written `dim(inf)`."""

_INLINE = 64
"""Arrays of at most this many elements are written as nested lists."""


def literal(value: Any) -> str:
    """The text of an attribute value. Raises TypeError for a kind of value that attributes must not hold."""
    match value:
        case None:
            return "none"
        case bool() | np.bool_():
            return "true" if value else "false"
        case int() | np.integer():
            return str(int(value))
        case float() | np.floating():
            return float.__repr__(float(value))
        case str():
            return dumps(value, ensure_ascii=False)
        case DType():
            return str(value)
        case Sym():
            return f"dim({value})" if names(value) & RESERVED else str(value)
        case tuple() | list():
            return "(" + ", ".join(map(literal, value)) + ("," if len(value) == 1 else "") + ")"
        case np.ndarray():
            return array_text(value)
    raise TypeError(f"an attribute cannot be a {type(value).__name__}")


def array_text(array: NDArray[Any]) -> str:
    """`f32 [[1.0, 2.5]]` for a small array, `f32[100] base64 "..."` (little-endian, row-major) for any other."""
    dtype = DType.of(array.dtype)
    if 0 < array.size <= _INLINE:
        text = _nested(array)
        # A NaN's payload has no decimal form; such arrays are written as bytes.
        if np.array(_numbers(array), dtype.numpy).tobytes() == array.tobytes():
            return f"{dtype} {text}"
    little = array.view(f"u{dtype.size}").astype(f"<u{dtype.size}")
    return f'{dtype}{shape_text(array.shape)} base64 "{b64encode(little.tobytes()).decode()}"'


def array_from_base64(dtype: DType, shape: tuple[int, ...], text: str) -> NDArray[Any]:
    """The array `array_text` wrote. Raises ValueError where text and shape do not fit."""
    data = b64decode(text, validate=True)
    if len(data) != math.prod(shape) * dtype.size:
        raise ValueError(f"{dtype}{shape_text(shape)} needs {math.prod(shape) * dtype.size} bytes, got {len(data)}")
    native = np.frombuffer(data, f"<u{dtype.size}").astype(f"u{dtype.size}")
    return read_only(native.view(dtype.numpy).reshape(shape))


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """The same array, which nobody can write into any more: attributes are immutable."""
    array.flags.writeable = False
    return array


def _nested(array: NDArray[Any]) -> str:
    if array.ndim == 0:
        return literal(_number(array[()]))
    return "[" + ", ".join(map(_nested, array)) + "]"


def _numbers(array: NDArray[Any]) -> Any:
    """The elements as the Python numbers their printed form is read back as, in nested lists."""
    return [_numbers(a) for a in array] if array.ndim else _number(array[()])


def _number(element: Any) -> int | float | bool:
    """A Python number that converts back to `element`; of a short float the shortest such number."""
    if isinstance(element, np.bool_):
        return bool(element)
    if isinstance(element, np.integer):
        return int(element)
    short = float(str(element))
    if math.isnan(short):
        return math.nan
    return short if type(element)(short) == element else float(element)
