"""Pools that say where their maxima were, as ONNX's MaxPool with Indices."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from netlang.backends.reference import evaluate
from netlang.frontend import load
from netlang.interchange.exporting.api import onnx_model
from netlang.runtime.samples import random_inputs
from tests.interchange.exporting.running import carried_out

BOTH, REVERSED = ("output y = b", "output p = c"), ("output p = c", "output y = b")


def tried(call: str, *lines: str) -> list[str]:
    """The operators of a net with such a pool, found to compute the same."""
    text = "\n  ".join((f"b, c = x -> {call}", *lines))
    module = load(f"net n {{\n  input x: f32[N, 2, H, 7]\n  {text}\n}}\n")
    model = onnx_model(module, "n", {})
    onnx.checker.check_model(model, full_check=True)
    inputs = random_inputs(module.net, {"N": 2, "H": 9})
    got = carried_out(model, inputs)
    for name, wanted in evaluate(module.net, inputs, {})[0].items():
        np.testing.assert_array_equal(got[name], wanted, err_msg=name)
    return [node.op_type for node in model.graph.node if node.op_type != "Constant"]


@pytest.mark.parametrize("lines", [BOTH, REVERSED, BOTH[:1], BOTH[1:]], ids=" and ".join)
@pytest.mark.parametrize(
    "arguments",
    [
        "2",
        "3, stride = 2, pad = 1, ceil_mode = true",
        "[2, 3], stride = [2, 1], columns_first = true",
        "2, pad = [[1, 0], [0, 1]], dilation = 2",
    ],
)
def test_places_are_indices(arguments: str, lines: tuple[str, ...]) -> None:
    assert tried(f"maxpool_with_places({arguments})", *lines) == ["MaxPool"]


def test_switches_are_made_of_indices() -> None:
    assert "Mod" in tried("maxpool_with_switches(3, stride = 2)", *BOTH)
    assert tried("maxpool_with_switches(3, stride = 2)", *BOTH[:1]) == ["MaxPool"]


def test_places_of_others_are_computed() -> None:
    assert len(tried("maxpool_with_switches(2)", "d = cast(c, i64) + 1", "output p = d", "output y = b")) > 3
