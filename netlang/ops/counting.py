"""iota: the whole numbers from 0 on, as a tensor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from netlang.ir.graph import Attrs
from netlang.ir.opdef import REQUIRED, Array, OpDef, Sample, ShapeError, Types, define
from netlang.ir.types import DType, TensorType


def _infer(types: Types, attrs: Attrs) -> Sequence[TensorType]:
    size, dtype = attrs["size"], attrs["dtype"]
    if isinstance(size, int) and size < 0:
        raise ShapeError(f"iota cannot count to {size}")
    if dtype is DType.BOOL:
        raise ShapeError("iota counts in numbers, not in bool")
    return (TensorType(dtype, (size,)),)


def _meaning(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    return (np.arange(attrs["size"]).astype(types[0].dtype.numpy),)


def _samples(rng: np.random.Generator) -> Iterable[Sample]:
    for size, dtype in ((5, DType.I64), (1, DType.I32), (0, DType.I64), (7, DType.F32), (4, DType.F64)):
        yield Sample((), {"size": size, "dtype": dtype})


define(
    OpDef(
        "iota",
        "0, 1, 2, ... up to but not including `size`.",
        _infer,
        _meaning,
        samples=_samples,
        attrs={"size": REQUIRED, "dtype": DType.I64},
        arity=(0, 0),
    )
)
