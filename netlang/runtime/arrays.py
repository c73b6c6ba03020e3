"""Arrays at the border: what callers hand in becomes what compiled code may read, and sizes are bound to names."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netlang.diagnostics import NetError, did_you_mean
from netlang.ir import dims
from netlang.ir.graph import Value
from netlang.ir.types import DType, TensorType, shape_text

Array = NDArray[Any]

ALIGNMENT = 64
"""Bytes: a cache line, and the widest SIMD register."""


def machine_memory() -> int:
    """Bytes of this machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def aligned_zeros(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """A zeroed C-contiguous array whose data starts at a multiple of 64 bytes. Raises MemoryError."""
    size = prod(shape) * dtype.itemsize
    # Linux promises more than there is, and ends the process when it is used.
    if size > machine_memory():
        raise MemoryError(size)
    raw = np.zeros(size + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size].view(dtype).reshape(shape)


def as_array(value: Any, type: TensorType, what: str, adopt: Callable[[Any], Any] | None = None) -> Array:
    """`value` as a C-contiguous array of the element type of `type`; without a copy where its layout allows.

    Accepts what `plain_array` does. Plain numbers and lists alone are converted to the wanted element type, though
    never from fractions to whole numbers. Raises NetError, which calls the value `what`, for an element type that
    differs. `adopt` gives what a device takes as it is, such as an array in its memory, or None.
    """
    # The fast path, for what nearly every call brings.
    if value.__class__ is np.ndarray and value.dtype == type.dtype.numpy and value.flags.c_contiguous:
        return value
    array = value if isinstance(value, np.ndarray) else _of_another_library(value, f"{what}: expected {type}", adopt)
    wanted = type.dtype.numpy
    if array.dtype == wanted:
        return np.asarray(array, order="C") if isinstance(array, np.ndarray) else array
    convertible = bool(np.can_cast(array.dtype, wanted, "same_kind"))
    if convertible and isinstance(value, int | float | list | tuple):
        return array.astype(wanted)
    found = f"{dtype_name(array.dtype)}{shape_text(array.shape)}"
    hint = f"convert it with .astype('{wanted}')" if convertible else ""
    raise NetError(f"{what}: expected {type}, got {found}", hint=hint)


def _of_another_library(value: Any, what: str, adopt: Callable[[Any], Any] | None) -> Any:
    adopted = adopt(value) if adopt is not None else None
    return adopted if adopted is not None else plain_array(value, what)


def plain_array(value: Any, what: str) -> Array:
    """An array, anything that speaks DLPack or `__array__`, a number or a nested list, as a NumPy array.

    Without a copy where possible. Raises NetError, which begins with `what`, for anything else.
    """
    if isinstance(value, np.ndarray):
        return value
    try:
        if hasattr(value, "__dlpack__"):
            return np.from_dlpack(value)
        if not hasattr(value, "__array__") and not isinstance(value, int | float | list | tuple):
            raise TypeError("that is no array")
        return np.asarray(value)
    except Exception as fault:  # whatever a foreign array raises is a fault of that value
        raise NetError(f"{what}, got a {value.__class__.__name__}: {fault}") from fault


def dtype_name(dtype: np.dtype[Any]) -> str:
    """`f32` where netlang knows the element type, else NumPy's own name."""
    try:
        return str(DType.of(dtype))
    except (KeyError, TypeError):
        return str(dtype)


def bind_sizes(inputs: Sequence[Value], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """The size of every symbolic dim, from the shapes of the inputs by name.

    Raises NetError where a rank or a dim differs from the declared type, or a name would have two sizes.
    """
    sizes: dict[str, int] = {}
    first: dict[str, str] = {}
    for value in inputs:
        name, shape = value.node.name, shapes[value.node.name]
        if len(shape) != value.rank:
            raise _mismatch(value, shape)
        for dim, size in zip(value.shape, shape, strict=True):
            found = _solve(dim, size)
            if found is None:
                continue
            symbol, number = found
            if number < 0:
                raise _mismatch(value, shape)
            if sizes.setdefault(symbol, number) != number:
                known = f"{symbol} is {sizes[symbol]} in input '{first[symbol]}' and {number} in input '{name}'"
                raise NetError(f"the inputs do not fit together: {known}")
            first.setdefault(symbol, name)
    for value in inputs:
        shape = shapes[value.node.name]
        try:
            fits = value.type.concrete(sizes) == tuple(shape)
        except KeyError as missing:
            raise NetError(f"the size of {missing.args[0]} does not follow from the inputs") from missing
        if not fits:
            raise _mismatch(value, shape)
    return sizes


def _solve(dim: dims.Dim, size: int) -> tuple[str, int] | None:
    """(name, its size) where `dim == size` says it: for `N` and `3*N + 1`, not for `N*T` or `N//2`."""
    if isinstance(dim, int):
        return None
    found = dims.names(dim)
    if len(found) != 1:
        return None
    (symbol,) = found
    offset = dims.evaluate(dim, {symbol: 0})
    slope = dims.evaluate(dim, {symbol: 1}) - offset
    linear = dim == dims.sym(symbol) * slope + offset
    if not linear or not slope or (size - offset) % slope:
        return None
    return symbol, (size - offset) // slope


def _mismatch(value: Value, shape: Sequence[int]) -> NetError:
    got = f"{value.dtype}{shape_text(tuple(shape))}"
    return NetError(f"input '{value.node.name}': expected {value.type}, got {got}")


def by_name(inputs: Sequence[Value], args: Sequence[Any], named: Mapping[str, Any], caller: str) -> dict[str, Any]:
    """Arguments given in order or by keyword, by input name. Raises NetError for a missing, unknown or double one."""
    names = [v.node.name for v in inputs]
    if len(args) > len(names):
        raise NetError(f"{caller} takes {len(names)} inputs ({', '.join(names)}), got {len(args)}")
    given = dict(zip(names, args, strict=False))
    for name, value in named.items():
        if name not in names:
            hint = did_you_mean(name, names) or f"its inputs are {', '.join(names) or 'none'}"
            raise NetError(f"{caller} has no input '{name}'", hint=hint)
        if name in given:
            raise NetError(f"{caller} got input '{name}' twice")
        given[name] = value
    missing = [n for n in names if n not in given]
    if missing:
        raise NetError(f"{caller} needs {'inputs' if len(missing) > 1 else 'input'} {', '.join(missing)}")
    return given
