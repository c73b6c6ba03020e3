"""Values that inputs are given at the import: they must be what the file declares."""

from __future__ import annotations

import numpy as np

from netlang.diagnostics import NetError
from netlang.interchange.importing.node import Port
from netlang.interchange.importing.operator import element_type
from netlang.interchange.importing.sheet import Refused
from netlang.ir.dims import shape_text
from netlang.runtime.ports import Array, dtype_name


def as_declared(port: Port, value: Array) -> Array:
    """The value with the element type of an input; a single number may stand for a vector of one.

    Raises NetError where numbers would change, and for another shape.
    """
    rank = None if port.dims is None else len(port.dims)
    array = value.reshape(1) if value.ndim == 0 and rank == 1 else value
    try:
        dtype = element_type(port.dtype)
    except Refused:
        dtype = None  # of a type that netlang has not: what reads it decides
    if port.dims is not None:
        fits = rank == array.ndim and all(
            isinstance(dim, str) or dim == size for dim, size in zip(port.dims, array.shape, strict=True)
        )
        if not fits:
            wanted = "[" + ", ".join(str(dim) or "?" for dim in port.dims) + "]"
            raise NetError(f"the value of input '{port.name}' is {shape_text(array.shape)}, but the input {wanted}")
    if dtype is None or array.dtype == dtype.numpy:
        return array
    with np.errstate(invalid="ignore", over="ignore"):
        found = array.astype(dtype.numpy)
    # Fractions are rounded to the float that is nearest, as everywhere; nothing else may change.
    same = dtype.is_float and array.dtype.kind == "f"
    if not same and not np.array_equal(found.astype(array.dtype), array):
        raise NetError(f"the value of input '{port.name}' has numbers of {dtype_name(array.dtype)} that no {dtype} is")
    return found
