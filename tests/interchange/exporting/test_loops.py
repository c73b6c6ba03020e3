"""Scans as ONNX's Scan: directions, lengths, loops without sequences, loops in loops."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from netlang.backends.reference import evaluate
from netlang.frontend import load
from netlang.interchange.exporting.api import onnx_model
from netlang.runtime.samples import initial_params
from tests.interchange.exporting.running import carried_out, close

NETS = {
    "both ways": """
net n {
  input x: f32[N, T, 3]
  input ends: i64[N]
  output hs = x -> bidirectional(lstm, 4, lengths = ends)
  output last = hs -> gru(5, reverse = true) -> mean(axis = 1)
}
""",
    "by itself": """
block speak(word, h, head) {
  h2 = tanh(h + (one_hot(word, 6) -> dense(8)))
  next = argmax(h2 -> head)
  return next, h2, next
}
net n {
  input x: f32[N, T, 8]
  input ends: i64[N]
  h = mean(x, axis = 1)
  head = dense(6)
  _last, _state, said = scan(speak(head = head), state = [argmax(h -> head), h], steps = 5)
  output words = said
  output picked = take_along(said, reshape(ends, [x.shape[0], 1]) - 1)
}
""",
    "inside another": """
block inner(x, h) { return tanh(h + x) }
block outer(rows, h, ends) {
  last, all = rows -> scan(inner, state = h)
  return last, mean(all, axis = 1) * x_count(ends)
}
block x_count(x) { return sum(cast(x, f32)) / x.shape[0] }
net n {
  input x: f32[N, T, 4, 3]
  input ends: i64[N]
  last, told = x -> scan(outer(ends = ends), state = [x.shape[0], 3])
  output y = told
  output z = last
}
""",
}


@pytest.mark.parametrize("name", NETS)
def test_a_scan_computes_the_same(name: str) -> None:
    net = load(NETS[name])
    params, rng = dict(initial_params(net.net)), np.random.default_rng(3)
    model = onnx_model(net, "n", params)
    onnx.checker.check_model(model, full_check=True)
    shape = tuple({"N": 3, "T": 6}.get(str(d), d) for d in net.net.input("x").shape)
    inputs = {"x": rng.normal(size=shape).astype(np.float32), "ends": np.array([2, 5, 4])}
    got = carried_out(model, inputs)
    for key, wanted in evaluate(net.net, inputs, params)[0].items():
        close(got[key], wanted, key)
