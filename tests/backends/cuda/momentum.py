"""Graphs that do nothing but update parameters."""

from __future__ import annotations

from collections.abc import Sequence

from netlang.ir.graph import Graph, Value
from netlang.ir.types import DType, TensorType
from tests.backends.compared import B


def momentum(shapes: Sequence[tuple[int, ...]], decay: Sequence[float]) -> Graph:
    """w' = w - lr (v' + decay w) with v' = 0.9 v + g, where a flag says that the step is taken."""
    lr, taken = B.input("lr", TensorType(DType.F32, ())), B.input("taken", TensorType(DType.BOOL, ()))
    inputs, params, changed = [lr, taken], list[Value](), list[tuple[str, Value]]()
    for i, (shape, rate) in enumerate(zip(shapes, decay, strict=True)):
        kind = TensorType(DType.F32, shape)
        g = B.input(f"g{i}", kind)
        w, v = (B.param(f"{name}{i}", kind, "weight", ("constant", 0.0)) for name in "wv")
        next_v = B.add(B.scale(v, 0.9), g)
        change = B.add(next_v, B.scale(w, rate)) if rate else next_v
        next_w = B.sub(w, B.mul(change, lr))
        inputs.append(g)
        params += [w, v]
        changed += [(f"w{i}", B.op("where", taken, next_w, w)), (f"v{i}", B.op("where", taken, next_v, v))]
    return Graph("momentum", tuple(inputs), tuple(params), (), tuple(changed))
