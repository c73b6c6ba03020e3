"""Nets that are carried out node by node: all kernels are tried, and one that is wrong is found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netlang.backends.cuda.device import Launched
from netlang.backends.cuda.simulator.device import Simulator
from netlang.backends.cuda.simulator.faults import SimulationError
from netlang.frontend import load
from netlang.ir.graph import Graph
from tests.backends.cuda.node_by_node import compare

NET = """
net n {
  input x: f32[N, 4, 6, 6]
  h = x
  for i in range(6) { h = h -> conv(4, 3, pad = same) -> relu }
  output y = (h, h -> conv(4, 1)) -> concat -> flatten -> dense(3) -> softmax
}
"""


def given() -> tuple[Graph, dict[str, Any], dict[str, Any]]:
    graph, rng = load(NET).net, np.random.default_rng(0)
    params = {p.node.name: rng.normal(size=p.type.concrete({})).astype(np.float32) for p in graph.params}
    return graph, {"x": rng.normal(size=(2, 4, 6, 6)).astype(np.float32)}, params


def test_equal_layers_are_carried_out_once() -> None:
    graph, inputs, params = given()
    assert 3 <= compare(graph, inputs, params, "net") < 6


@pytest.mark.parametrize("kernel", ["conv_pack:", "conv:", "thin:", "reduce_max"])
def test_a_wrong_kernel_is_found(monkeypatch: pytest.MonkeyPatch, kernel: str) -> None:
    """Whichever it is: here one does not do what it should."""
    launch, left_out = Simulator.launch, list[str]()

    def one_missing(device: Simulator, launched: Launched) -> None:
        if kernel in launched.kernel.key:
            left_out.append(launched.kernel.key)
        else:
            launch(device, launched)

    monkeypatch.setattr(Simulator, "launch", one_missing)
    graph, inputs, params = given()
    with pytest.raises((AssertionError, SimulationError)):  # a wrong number, or an address made of one
        compare(graph, inputs, params, "net")
    assert left_out
