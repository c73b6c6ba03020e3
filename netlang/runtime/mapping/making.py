"""The arrays that a renamed file comes to, one at a time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from netlang.diagnostics import NetError
from netlang.runtime.mapping.fitting import FLOATS, order
from netlang.runtime.mapping.renaming import Made
from netlang.runtime.mapping.stored import Stored
from netlang.runtime.ports import Array, dtype_name, dtype_of
from netlang.runtime.tensor_file import open_tensors, read_tensors


def make(stored: Stored, made: Made, dtype: str) -> Array:
    """A tensor as `fit` or `made_of` found it possible, with elements of this type; what is added up is converted
    before. Raises NetError where the file cannot be read, and for numbers that the type does not have."""
    total: Array | None = None
    for name in made.sources:
        term = converted(stored.read(name), dtype, f"tensor '{name}' of {stored.path}")
        total = term if total is None else total + term
    assert total is not None
    return total if made.axes is None else np.ascontiguousarray(total.transpose(order(made.axes, total.ndim)))


def fill(stored: Stored, takes: Mapping[str, Made], arrays: Mapping[str, Array]) -> None:
    """Give arrays the values of tensors; those that lie in a file as they are wanted are read right into them."""
    straight, rest = {}, {}
    for name, made in takes.items():
        same = made.axes is None and len(made.sources) == 1
        if same and stored.kind == "safetensors" and stored.entries[made.sources[0]].dtype == _name(arrays[name]):
            straight[made.sources[0]] = arrays[name]
        else:
            rest[name] = made
    for name, made in rest.items():
        arrays[name][...] = make(stored, made, _name(arrays[name]))
    if straight:
        read_tensors(open_tensors(stored.path), straight)


def converted(array: Array, dtype: str, what: str) -> Array:
    """With elements of this type, floating-point numbers rounded to the nearest. Raises NetError where a finite one
    becomes infinite."""
    if dtype_name(array.dtype) == dtype:
        return array
    with np.errstate(over="ignore"):
        found = array.astype(dtype_of(dtype))
    if dtype in FLOATS and not np.array_equal(np.isfinite(found), np.isfinite(array)):
        largest = float(np.abs(array[np.isfinite(array)]).max())
        raise NetError(f"{what} has the number {largest:g}, which is too large for {dtype}")
    return found


def _name(array: Array) -> str:
    return dtype_name(array.dtype)
