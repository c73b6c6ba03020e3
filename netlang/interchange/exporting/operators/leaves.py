"""Constants, sizes and counting."""

from __future__ import annotations

import numpy as np

from netlang.interchange.exporting.record import Place, exports
from netlang.ir.dims import Dim
from netlang.ir.types import DType


@exports("const")
def _const(place: Place) -> str:
    return place.sheet.constant(place.attrs["value"], f"{place.node.name}/const")


@exports("extent")
def _extent(place: Place) -> str:
    dim, dtype = place.attrs["dim"], place.attrs["dtype"]
    if isinstance(dim, int):
        return place.constant(dim, dtype)
    size = place.sizes.scalar(dim)
    return size if dtype is DType.I64 else place.cast(size, dtype)


@exports("iota")
def _iota(place: Place) -> str:
    return counted(place, place.attrs["size"], place.attrs["dtype"])


def counted(place: Place, size: Dim, dtype: DType = DType.I64) -> str:
    """0, 1, 2, ... up to but not including `size`."""
    if isinstance(size, int):
        return place.constant(np.arange(size), dtype)
    numbers = place.op("Range", place.constant(0, np.int64), place.sizes.scalar(size), place.constant(1, np.int64))
    return numbers if dtype is DType.I64 else place.cast(numbers, dtype)
