"""Dense layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from netlang.interchange.importing import writing as w
from netlang.interchange.importing.known import Known
from netlang.interchange.importing.operator import Call, Result, operator, weight_of


@operator("Gemm", alpha=1.0, beta=1.0, transA=0, transB=0, broadcast=0)
def gemm(call: Call) -> Result:
    """`alpha A B + beta C`; a dense layer where B and C are weights."""
    a, alpha, beta = call.tensor(0), call.attrs["alpha"], call.attrs["beta"]
    weight, bias = call.maybe_known(1), call.maybe_known(2)
    if weight is not None and not call.attrs["transA"] and alpha == 1 and (bias is not None or not call.has(2)):
        dense = _dense(call, weight, bias if beta else None, beta)
        if dense is not None:
            return dense
    flags = {"transpose_a": bool(call.attrs["transA"]), "transpose_b": bool(call.attrs["transB"])}
    y: Any = w.call("matmul", a, call.tensor(1), **{k: v for k, v in flags.items() if v})
    if alpha != 1:
        y = w.infix(np.float32(alpha), "*", y)
    if call.has(2) and beta:
        c = call.operand(2)
        y = w.infix(y, "+", c if beta == 1 else w.infix(np.float32(beta), "*", c))
    return call.let(y)


def _dense(call: Call, weight: Known, bias: Known | None, beta: float) -> Result | None:
    matrix = weight.array if call.attrs["transB"] else weight.array.T
    units = matrix.shape[0]
    if bias is not None and bias.array.size != units:
        return None
    weights = {"weight": weight_of(weight, None if call.attrs["transB"] else np.ascontiguousarray(matrix))}
    if bias is None:
        return call.through(call.tensor(0), "dense", units, bias=False, weights=weights)
    flat = bias.array.reshape(-1)
    scaled = flat if beta == 1 else (flat * np.asarray(beta, flat.dtype)).astype(flat.dtype)
    weights["bias"] = weight_of(bias, None if beta == 1 and bias.array.ndim == 1 else scaled)
    return call.through(call.tensor(0), "dense", units, weights=weights)
