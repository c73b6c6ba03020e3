"""How the NumPy meanings compute: in the type of their result, half-precision floats in f32 and rounded once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ml_dtypes
import numpy as np

from netlang.ir.graph import Attrs
from netlang.ir.opdef import Array, Meaning, ShapeError, Types
from netlang.ir.types import TensorType

_HALF = (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16))


def widen(array: Array) -> Array:
    """f16 and bf16 as f32; anything else unchanged."""
    return array.astype(np.float32) if array.dtype in _HALF else array


def least(array: Array) -> Any:
    """The smallest number of an array's element type: what is less than all others, or as small."""
    return np.iinfo(array.dtype).min if array.dtype.kind in "iu" else -np.inf


def rounded(array: Any, result: TensorType) -> Array:
    """A computed array (or NumPy scalar) in the element type of `result`."""
    return np.asarray(array).astype(result.dtype.numpy, copy=False)


def computed(function: Callable[..., Any]) -> Meaning:
    """The meaning of an op with one result: `function(*arrays, **attrs)`."""

    def meaning(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
        return (rounded(function(*map(widen, arrays), **attrs), types[0]),)

    return meaning


def numbers_only(name: str, types: Types) -> None:
    """Raise ShapeError where a type is bool."""
    if any(not (t.dtype.is_float or t.dtype.is_int) for t in types):
        raise ShapeError(f"{name} needs numbers, got bool", hint="convert with cast(x, f32)")
