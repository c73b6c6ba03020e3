"""Random fused loops: chains of elementwise ops and reductions over tensors that broadcast to one shape."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from netlang.ir.build import make_node
from netlang.ir.graph import Graph, Node, Value
from tests.backends.compared import Array, B, inputs_like

UNARY = ("relu", "tanh", "sigmoid", "neg", "abs", "exp", "softplus", "gelu")
BINARY = ("add", "sub", "mul", "max", "min")


def fused(inputs: list[Value], results: list[Value]) -> Node:
    """A fused loop that computes `results` from `inputs`."""
    body = Graph("body", tuple(inputs), (), tuple((f"r{i}", v) for i, v in enumerate(results)))
    outer = [B.input(f"x{i}", v.type) for i, v in enumerate(inputs)]
    return make_node("fused", outer, {"kind": "loop"}, body=body)


@st.composite
def loops(draw: Any) -> tuple[list[Value], list[Value], list[Array]]:
    """Inputs of shapes that broadcast to one, a chain of ops over them, and perhaps reductions of its values."""
    shape = tuple(draw(st.lists(st.sampled_from([1, 2, 3, 5, 16, 19, 37]), min_size=1, max_size=4)))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    shapes = [shape]
    for _ in range(draw(st.integers(0, 2))):
        cut = draw(st.integers(0, len(shape)))
        shapes.append(tuple(1 if draw(st.booleans()) else d for d in shape[cut:]))
    arrays: list[Array] = [rng.uniform(-1, 1, s).astype(np.float32) for s in shapes]
    inputs = inputs_like(arrays)
    values = [inputs[0]]
    for _ in range(draw(st.integers(1, 4))):
        last = values[-1]
        if draw(st.booleans()):
            values.append(B.op(draw(st.sampled_from(UNARY)), last))
        else:
            other = draw(st.sampled_from([*inputs, *values]))
            values.append(B.op(draw(st.sampled_from(BINARY)), last, other))
    results = [values[-1]]
    axes = tuple(i for i in range(len(shape)) if draw(st.booleans()))
    if axes and draw(st.booleans()):
        op = draw(st.sampled_from(["reduce_sum", "reduce_mean", "reduce_max", "reduce_min"]))
        reduced = B.op(op, draw(st.sampled_from(values)), axes=axes, keepdims=draw(st.booleans()))
        results = [reduced] if draw(st.booleans()) else [*results, reduced]
    return inputs, results, arrays
