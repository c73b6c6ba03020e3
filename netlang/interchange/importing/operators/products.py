"""Products of matrices, and sums of products by the names of axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from netlang.interchange.importing import writing as w
from netlang.interchange.importing.operator import REQUIRED, Call, Result, operator, weight_of
from netlang.interchange.importing.sheet import Tensor
from netlang.ir.types import DType


@operator("MatMul")
def matmul(call: Call) -> Result:
    """With a trained matrix a dense layer without bias. A vector is a row on the left, a column on the right."""
    a, weight = call.tensor(0), call.maybe_known(1)
    floats = a.dtype.is_float
    if weight is not None and weight.trained and weight.array.ndim == 2 and a.rank == 2 and floats:
        matrix = weight_of(weight, np.ascontiguousarray(weight.array.T))
        return call.through(a, "dense", weight.array.shape[1], bias=False, weights={"weight": matrix})
    b = call.tensor(1)
    left: Any = a if a.rank > 1 else w.call("reshape", a, [1, -1])
    right: Any = b if b.rank > 1 else w.call("reshape", b, [-1, 1])
    product = w.infix(left, "@", right) if floats else w.call("integer_matmul", left, right)
    if a.rank > 1 and b.rank > 1:
        return call.let(product)
    shape = [*_leading(a, b), *a.shape[-2:-1], *(b.shape[-1:] if b.rank > 1 else ())]
    return call.let(w.call("reshape", product, shape))


def _leading(a: Tensor, b: Tensor) -> list[Any]:
    """The sizes of a batch, where one of both is a vector."""
    return [*a.shape[:-2], *b.shape[:-2]]


@operator("MatMulInteger")
def matmul_integer(call: Call) -> Result:
    """Of bytes from which a zero point is taken, summed up in 32 bits."""
    left, right = _centred(call, 0, 2, [-1, 1]), _centred(call, 1, 3, [-1])
    return call.let(w.call("integer_matmul", left, right))


def _centred(call: Call, place: int, zero: int, along: list[int]) -> Tensor:
    """One zero point for all, one for each row (column), or of the tensor's own rank."""
    x = call.sheet.let(w.call("cast", call.tensor(place), DType.I32), f"{call.hint}_{'ab'[place]}")
    if not call.has(zero):
        return x
    known = call.maybe_known(zero)
    if known is not None and not np.any(known.array):
        return x
    point: Any = call.tensor(zero)
    shaped = point if point.rank != 1 or point.shape == (1,) else w.call("reshape", point, along)
    return call.sheet.let(w.infix(x, "-", w.call("cast", shaped, DType.I32)), f"{call.hint}_{'ab'[place]}")


@operator("Einsum", equation=REQUIRED)
def einsum(call: Call) -> Result:
    given = call.tensors()
    if not given:
        raise call.refuse("there is nothing to multiply")
    layer = w.call("einsum", w.text(call.attrs["equation"].replace(" ", "")))
    return call.let(w.pipe(given if len(given) > 1 else given[0], layer))
