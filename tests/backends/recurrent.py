"""Nets of recurrent layers of the standard library, and random numbers for them."""

from __future__ import annotations

import numpy as np

from netlang.frontend import load
from netlang.ir.graph import Graph
from tests.drawing import Array

LAYERS = {
    "rnn": "rnn({units})",
    "relu": "rnn({units}, activation = relu)",
    "gru": "gru({units})",
    "lstm": "lstm({units}, forget_bias = 1)",
    "backwards": "lstm({units}, reverse = true)",
    "both": "bidirectional(gru, {units})",
    "stacked": "lstm({units}) -> gru({units})",
    "again": "lstm({units}, checkpoint = 2)",
}


def net(layer: str, units: int, features: int = 5, extra: str = "") -> Graph:
    """All states of a layer over x, and a loss that weighs them by w."""
    wide = units * (2 if "bidirectional" in layer else 1)
    return load(f"""
        net n {{
          input x: f32[N, T, {features}]
          input w: f32[N, T, {wide}]
          {"input lengths: i64[N]" if "lengths" in layer else ""}
          output hs = x -> {layer.format(units=units)}
          {extra}
          output loss = sum(hs * w)
        }}""").net


def numbers(graph: Graph, sizes: dict[str, int]) -> tuple[dict[str, Array], dict[str, Array]]:
    rng = np.random.default_rng(0)
    inputs: dict[str, Array] = {}
    for v in graph.inputs:
        shape = v.type.concrete(sizes)
        drawn = rng.standard_normal(shape) if v.dtype.is_float else rng.integers(0, sizes["T"] + 1, shape)
        inputs[v.node.name] = drawn.astype(v.dtype.numpy)
    params = {
        p.node.name: (0.5 * rng.standard_normal(p.type.concrete({})) / np.sqrt(p.shape[-1])).astype(np.float32)
        for p in graph.params
    }
    return inputs, params
