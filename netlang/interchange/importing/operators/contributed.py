"""Operators that onnxruntime puts in place of several when it optimises a file (com.microsoft)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from netlang.interchange.importing import writing as w
from netlang.interchange.importing.operator import Call, Result, operator
from netlang.interchange.importing.operators.normalisation import layernorm, rmsnorm
from netlang.interchange.importing.sheet import Tensor

_DOMAIN = "com.microsoft"


@operator("Gelu", "BiasGelu", domain=_DOMAIN)
def gelu(call: Call) -> Result:
    return call.through(_biased(call), "gelu")


@operator("FastGelu", domain=_DOMAIN)
def fast_gelu(call: Call) -> Result:
    return call.through(_biased(call), "gelu", approximate=True)


def _biased(call: Call) -> Any:
    """The first input, plus the second where there is one."""
    return w.infix(call.tensor(0), "+", call.tensor(1)) if call.has(1) else call.tensor(0)


@operator("QuickGelu", domain=_DOMAIN, alpha=1.702)
def quick_gelu(call: Call) -> Result:
    x = call.tensor(0)
    return call.let(w.infix(x, "*", w.call("sigmoid", w.infix(np.float32(call.attrs["alpha"]), "*", x))))


@operator("FusedMatMul", domain=_DOMAIN, alpha=1.0, transA=0, transB=0, transBatchA=0, transBatchB=0)
def fused_matmul(call: Call) -> Result:
    if call.attrs["transBatchA"] or call.attrs["transBatchB"]:
        raise call.refuse("a batch that is transposed is not supported")
    flags = {"transpose_a": bool(call.attrs["transA"]), "transpose_b": bool(call.attrs["transB"])}
    y: Any = w.call("matmul", call.tensor(0), call.tensor(1), **{k: v for k, v in flags.items() if v})
    return call.let(y if call.attrs["alpha"] == 1 else w.infix(np.float32(call.attrs["alpha"]), "*", y))


@operator("SkipLayerNormalization", domain=_DOMAIN, epsilon=1e-12)
@operator("SkipSimplifiedLayerNormalization", domain=_DOMAIN, epsilon=1e-12)
def skip_layernorm(call: Call) -> list[Result | None]:
    """Inputs: x, what was left aside, gamma, beta (not of the simplified), a bias; outputs: the norm, two that are of
    training alone, and the sum before it."""
    simplified = call.node.op == "SkipSimplifiedLayerNormalization"
    if call.reads(1) or call.reads(2):
        raise call.refuse("mean and deviation are not supported")
    total: Tensor = call.let(w.infix(call.tensor(0), "+", call.tensor(1)), call.name(0) + "_sum")
    bias = 3 if simplified else 4
    if call.has(bias):
        total = call.let(w.infix(total, "+", call.tensor(bias)), call.name(0) + "_sum")
    attrs = {"axis": -1, "epsilon": call.attrs["epsilon"], "stash_type": 1}
    node = replace(call.node, outputs=call.node.outputs[:1])
    weights = call.values[2:3] if simplified else call.values[2:4]
    inner = replace(call, node=node, values=[total, *weights], attrs=attrs)
    y = rmsnorm(inner) if simplified else layernorm(inner)
    assert isinstance(y, Tensor)
    return [y, None, None, total]
