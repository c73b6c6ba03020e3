"""Operators that ONNX defines by others and that have no translation of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from netlang.diagnostics import NetError
from netlang.interchange.importing import import_onnx
from tests.interchange.importing.oracle import Array, answers, one_node


def normal(*shape: int) -> Array:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def held(proto: Any, given: dict[str, Array], folder: Path) -> str:
    """Hold an import to the onnx package's own evaluation; returns its text, a line for each operation."""
    _, got = answers(proto, given, folder)
    names = [o.name for o in proto.graph.output]
    for name, wanted in zip(names, ReferenceEvaluator(proto).run(names, given), strict=True):
        np.testing.assert_allclose(got[name], wanted, rtol=1e-4, atol=1e-5)
    return import_onnx(folder / "one.onnx", flat=True).text


@pytest.mark.skipif(onnx.defs.onnx_opset_version() < 23, reason="an onnx package without these operators")
def test_a_body_that_depends_on_the_types(tmp_path: Path) -> None:
    given = {"x": normal(2, 3, 4, 8), "cos": normal(50, 4), "sin": normal(50, 4), "ids": np.array([[0, 1, 2, 3]] * 2)}
    proto = one_node("RotaryEmbedding", given, {}, list(given), ["y"], 23)
    text = held(proto, given, tmp_path)
    assert "gather(cos" in text


@pytest.mark.skipif(not onnx.defs.has("FlexAttention", domain="ai.onnx.preview"), reason="an older onnx package")
def test_a_body_with_a_graph_of_the_call(tmp_path: Path) -> None:
    given = {"q": normal(1, 2, 3, 4), "k": normal(1, 2, 5, 4), "v": normal(1, 2, 5, 4)}
    double = helper.make_graph(
        [helper.make_node("Add", ["scores", "scores"], ["out"])],
        "double",
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, None)],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
    )
    proto = one_node("FlexAttention", given, {}, list(given), ["y"], 1, "ai.onnx.preview", score_mod=double)
    next(o for o in proto.opset_import if not o.domain).version = onnx.defs.onnx_opset_version()
    _, got = answers(proto, given, tmp_path)
    scores = np.exp(given["q"] @ given["k"].swapaxes(2, 3))  # 2 / sqrt(4) is 1
    np.testing.assert_allclose(got["y"], scores / scores.sum(-1, keepdims=True) @ given["v"], rtol=1e-4)


@pytest.mark.skipif(onnx.defs.onnx_opset_version() < 23, reason="an onnx package without these operators")
def test_unknown_attributes_of_such_operators(tmp_path: Path) -> None:
    given = {"x": normal(2, 3, 4, 8), "cos": normal(50, 4), "sin": normal(50, 4), "ids": np.array([[0, 1, 2, 3]] * 2)}
    proto = one_node("RotaryEmbedding", given, {}, list(given), ["y"], 23, turns=3)
    with pytest.raises(NetError, match=r"node 0 'y' \(RotaryEmbedding\): there is no attribute 'turns'"):
        answers(proto, given, tmp_path)


def test_attributes_of_another_version(tmp_path: Path) -> None:
    """Dropout's rate has been an input since opset 12, its seed an attribute."""
    given = {"x": normal(2, 3)}
    answers(one_node("Dropout", given, {}, ["x"], ["y"], 12, seed=3), given, tmp_path)
    with pytest.raises(NetError, match="there is no attribute 'ratio'"):
        answers(one_node("Dropout", given, {}, ["x"], ["y"], 12, ratio=0.3), given, tmp_path)
    with pytest.raises(NetError, match="there is no attribute 'seed'"):
        answers(one_node("Dropout", given, {}, ["x"], ["y"], 10, seed=3), given, tmp_path)


@pytest.mark.skipif(onnx.defs.onnx_opset_version() < 23, reason="an onnx package without this operator")
@pytest.mark.parametrize(
    ("rank", "attributes", "text"),
    [
        (4, {"is_causal": 1}, "attention(q, k, v, causal = true)"),
        (3, {"q_num_heads": 2, "kv_num_heads": 2, "scale": 0.5}, "attention(q -> split_heads(2), k -> split_heads(2)"),
        (4, {"softcap": 2.0}, "tanh"),
    ],
)
def test_attention(rank: int, attributes: dict[str, Any], text: str, tmp_path: Path) -> None:
    """That of the standard library, or ONNX's definition written out."""
    shape, other = ((2, 2, 3, 4), (2, 2, 5, 4)) if rank == 4 else ((2, 3, 8), (2, 5, 8))
    given = {"q": normal(*shape), "k": normal(*other), "v": normal(*other)}
    assert text in held(one_node("Attention", given, {}, list(given), ["y"], 23, **attributes), given, tmp_path)
