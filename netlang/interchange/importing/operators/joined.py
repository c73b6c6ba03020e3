"""Layers that are several nodes in the file: see `joining`."""

from __future__ import annotations

import numpy as np

from netlang.interchange.importing import writing as w
from netlang.interchange.importing.joining import DOMAIN
from netlang.interchange.importing.operator import Call, Result, operator, weight_of
from netlang.interchange.importing.sheet import element_of

_NAMES = {"Silu": "silu", "HardSwish": "hard_swish", "Mish": "mish"}


@operator(*_NAMES, domain=DOMAIN)
def activation(call: Call) -> Result:
    return call.through(call.tensor(0), _NAMES[call.node.op])


@operator("Gelu", domain=DOMAIN, approximate=0)
def gelu(call: Call) -> Result:
    x = call.tensor(0)
    return call.let(w.pipe(x, w.call("gelu", approximate=True) if call.attrs["approximate"] else "gelu"))


@operator("Dense", domain=DOMAIN, transposed=0)
def dense(call: Call) -> Result:
    """Over the last axis. What is no batch of floats is multiplied as it says."""
    x, weight, bias = call.tensor(0), call.known(1), call.known(2)
    turned = bool(call.attrs["transposed"])
    if x.rank < 2 or x.dtype is not element_of(weight) or x.dtype is not element_of(bias):
        product = w.call("matmul", x, call.tensor(1), transpose_b=True) if turned else w.infix(x, "@", call.tensor(1))
        return call.let(w.infix(product, "+", call.tensor(2)))
    matrix = weight_of(weight) if turned else weight_of(weight, np.ascontiguousarray(weight.array.T))
    axis = {} if x.rank == 2 else {"axis": -1}
    return call.let(
        w.pipe(x, w.call("dense", bias.array.size, **axis)), weights={"weight": matrix, "bias": weight_of(bias)}
    )
