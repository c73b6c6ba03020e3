"""Operators that ONNX makes of others, and functions of a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netlang.diagnostics import NetError
from tests.interchange.importing.nodes import compared, imported, model, normal

onnx = pytest.importorskip("onnx")


def test_a_window(tmp_path: Path) -> None:
    size = np.array(7, np.int64)
    found, net = imported(model("HannWindow", {}, {"size": size}, opset=21), tmp_path)
    np.testing.assert_allclose(net(), np.sin(np.pi * np.arange(7) / 7) ** 2, atol=1e-6)
    assert found.inputs == {}


def test_attention_with_an_input_left_out(tmp_path: Path) -> None:
    """Its past, but no mask: what it is made of depends on that."""
    from onnx.reference import ReferenceEvaluator

    inputs = {"q": normal(2, 3, 4, 8), "k": normal(2, 3, 6, 8), "v": normal(2, 3, 6, 8)}
    past = {"pk": normal(2, 3, 5, 8), "pv": normal(2, 3, 5, 8)}
    proto = model("Attention", {**inputs, **past}, {}, outputs=3, opset=24, is_causal=1)
    proto.graph.node[0].input[:] = ["q", "k", "v", "", "pk", "pv"]
    wanted = ReferenceEvaluator(proto).run(None, {**inputs, **past})
    compared(proto, {**inputs, **past}, tmp_path, wanted)


def test_functions_of_a_file(tmp_path: Path) -> None:
    text = """
    <ir_version: 10, opset_import: ["": 21, "mine": 1]>
    one (float[2, 3] x) => (float[2, 3] y) { y = mine.twice (x) }
    <domain: "mine", opset_import: ["": 21]>
    twice (a) => (b) { b = Add (a, a) }
    """
    x = normal(2, 3)
    assert "x + x" in compared(onnx.parser.parse_model(text), {"x": x}, tmp_path, [2 * x])


def test_what_is_made_of_nothing_known_is_told(tmp_path: Path) -> None:
    with pytest.raises(NetError, match="operators that are not supported: TfIdfVectorizer"):
        imported(model("TfIdfVectorizer", {"x": np.arange(3)}, {}), tmp_path)
