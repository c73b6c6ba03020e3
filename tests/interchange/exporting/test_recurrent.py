"""Layers over sequences as ONNX's LSTM, GRU and RNN, where they are just these."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from netlang.backends.reference import evaluate
from netlang.frontend import load
from netlang.interchange.exporting.api import onnx_model
from netlang.runtime.samples import initial_params
from tests.interchange.exporting.running import carried_out, close

LAYERS = {
    "lstm(4)": "LSTM",
    "lstm(4, forget_bias = 2, lengths = ends, reverse = true)": "LSTM",
    "lstm(4, state = (h, c), states = true)": "LSTM",
    "gru(4)": "GRU",
    "gru(4, lengths = ends, reverse = true)": "GRU",
    "gru(4, state = h, states = true, lengths = ends)": "GRU",
    "rnn(4, reverse = true)": "RNN",
    "rnn(4, activation = relu, lengths = ends)": "RNN",
    "rnn(4, activation = softplus)": "Scan",
    "scan(lstm_cell(4, peepholes = true), state = [h, c])": "Scan",
    "scan(lstm_cell(4, coupled = true), state = [h, c])": "Scan",
    "scan(gru_cell(4, reset_after = false), state = h)": "Scan",
    "scan(gru_cell(4), state = h)": "GRU",
    "scan(backwards, state = [h, c])": "Scan",
}
NET = """
block backwards(x, h, c) {{                 # as an LSTM, with its states the other way round
  c2, h2 = (x, c, h) -> lstm_cell(4)
  return h2, c2, h2
}}
net n {{
  input x: f32[N, T, 3]
  input ends: i64[N]
  input h: f32[N, 4]
  input c: f32[N, 4]
  made = x -> {layer}
  {outputs}
  output read = (cast(ends, f32), sum(h + c, axis = 1)) -> concat(axis = 0)
}}
"""


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_is_the_operator_that_computes_it(layer: str) -> None:
    count = 1 if "states" not in layer and "scan" not in layer else 3 if "h, c" in layer else 2
    outputs = [f"output y{i} = made[{i}]" for i in range(count)] if count > 1 else ["output y0 = made"]
    module = load(NET.format(layer=layer, outputs="\n  ".join(outputs)))
    params, rng = dict(initial_params(module.net)), np.random.default_rng(1)
    model = onnx_model(module, "n", params)
    onnx.checker.check_model(model, full_check=True)
    loops = {"LSTM", "GRU", "RNN", "Scan"}
    assert [node.op_type for node in model.graph.node if node.op_type in loops] == [LAYERS[layer]]
    inputs = {name: rng.normal(size=(3, 4)).astype(np.float32) for name in "hc"}
    inputs |= {"x": rng.normal(size=(3, 5, 3)).astype(np.float32), "ends": np.array([2, 5, 1])}
    got = carried_out(model, inputs)
    for name, wanted in evaluate(module.net, inputs, params)[0].items():
        close(got[name], wanted, name)
