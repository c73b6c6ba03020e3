"""Blocks of the standard library as the operators that ONNX has for them, and what only looks like one."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from netlang.backends.reference import evaluate
from netlang.frontend import load
from netlang.interchange.exporting.api import onnx_model
from netlang.runtime.samples import initial_params
from tests.interchange.exporting.running import carried_out, close

BLOCKS = {
    "hard_sigmoid": ["HardSigmoid"],
    "hard_sigmoid(0.3, 0.6)": ["HardSigmoid"],
    "hard_swish": ["HardSwish"],
    "mish": ["Mish"],
    "softsign": ["Softsign"],
    "selu": ["Selu"],
    "celu(0.7)": ["Celu"],
    "thresholded_relu(0.4)": ["ThresholdedRelu"],
    "clip(0, 6)": ["Clip"],
    "layernorm": ["LayerNormalization"],
    "layernorm(2, eps = 0.01, bias = false)": ["LayerNormalization"],
    "instancenorm(0.001)": ["InstanceNormalization"],
    "silu": ["Sigmoid", "Mul"],
    "hard_sigmoid -> hard_swish -> clip(0.1, 2)": ["HardSigmoid", "HardSwish", "Clip"],
}


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_is_an_operator(block: str) -> None:
    height = 3 if block.startswith("layernorm") else "H"  # weights have sizes of their own
    module = load(f"net n {{\n  input x: f32[N, 5, {height}, 4]\n  output y = x -> {block}\n}}\n")
    rng = np.random.default_rng(0)
    params = {name: np.asarray(rng.normal(size=a.shape), a.dtype) for name, a in initial_params(module.net).items()}
    model = onnx_model(module, "n", params)
    onnx.checker.check_model(model, full_check=True)
    assert [node.op_type for node in model.graph.node if node.op_type != "Constant"] == BLOCKS[block]
    x = (3 * rng.normal(size=(2, 5, 3, 4))).astype(np.float32)
    close(carried_out(model, {"x": x})["y"], evaluate(module.net, {"x": x}, params)[0]["y"], block)


@pytest.mark.parametrize(
    "text",
    [
        "output z = softplus(x)\n  output y = x * tanh(z)",  # somebody else reads a part
        "a = softplus(x)\n  output y = x * tanh(a)",  # a part has a name
        "output y = x * tanh(softplus(-x))",
        "output y = min(max(x, scalar(0, f32)), x + 1)",
        "output y = instance(x)",
    ],
)
def test_what_is_not_quite_a_block_stays_as_it_is(text: str) -> None:
    other = "block instance(x) { return (x - mean(x, axis = [2, 3], keepdims = true)) / sqrt(mean((x - "
    other += "mean(x, axis = [2, 3], keepdims = true)) ** 2, axis = [2, 3], keepdims = true) + 1) }\n"
    module = load(f"{other}net n {{\n  input x: f32[N, 5, H, 4]\n  {text}\n}}\n")
    model = onnx_model(module, "n", {})
    assert not {"Mish", "Clip", "InstanceNormalization"} & {node.op_type for node in model.graph.node}
    x = np.random.default_rng(0).normal(size=(2, 5, 3, 4)).astype(np.float32)
    close(carried_out(model, {"x": x})["y"], evaluate(module.net, {"x": x}, {})[0]["y"], "y")
