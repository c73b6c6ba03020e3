"""RNN, GRU and LSTM: all that ONNX lets them do, held to onnxruntime; the text where a layer of ours is just that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from netlang.diagnostics import NetError
from tests.interchange.importing.oracle import Array, answers, check, model, one_node

_T, _N, _I, _U = 4, 3, 2, 3
_GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
_ORDER = ("X", "W", "R", "B", "lengths", "h", "c", "P")


def build(op: str, parts: str, known: bool, outputs: int, **attributes: Any) -> tuple[Any, dict[str, Array]]:
    """A layer with the optional inputs of `parts`, weights as initialisers or inputs; and the inputs' values."""
    rng = np.random.default_rng(7)
    both, gates = 2 if attributes.get("direction") == "bidirectional" else 1, _GATES[op]
    batch_first = attributes.get("layout", 0)
    state = (_N, both, _U) if batch_first else (both, _N, _U)
    shapes: dict[str, tuple[int, ...]] = {
        "X": (_N, _T, _I) if batch_first else (_T, _N, _I), "W": (both, gates * _U, _I), "R": (both, gates * _U, _U),
        "B": (both, 2 * gates * _U), "h": state, "c": state, "P": (both, 3 * _U),
    }  # fmt: skip
    wanted = ["X", "W", "R", *parts.split()]
    values: dict[str, Array] = {k: rng.normal(size=shapes[k]).astype(np.float32) for k in wanted if k != "lengths"}
    if "lengths" in wanted:
        values["lengths"] = np.array([4, 2, 3], np.int32)
    kept = {k: v for k, v in values.items() if known and k in "WRBP"}
    given = {k: v for k, v in values.items() if k not in kept}
    order = [k if k in values else "" for k in _ORDER[: 8 if op == "LSTM" else 6]]
    return one_node(op, given, kept, order, ["Y", "Yh", "Yc"][:outputs], hidden_size=_U, **attributes), given


CASES: dict[str, tuple[str, str, bool, int, dict[str, Any]]] = {
    "rnn_of_weights_as_inputs": ("RNN", "B h", False, 2, {"direction": "reverse"}),
    "rnn_with_numbers_for_activations": (
        "RNN", "lengths B", True, 2,
        {
            "direction": "bidirectional", "clip": 0.5, "activations": ["HardSigmoid", "ScaledTanh"],
            "activation_alpha": [0.3, 0.7], "activation_beta": [0.4, 0.9],
        },
    ),
    "gru_that_resets_before": ("GRU", "B h", True, 2, {"linear_before_reset": 0, "clip": 0.4}),
    "gru_of_weights_as_inputs": ("GRU", "B lengths", False, 2, {"direction": "bidirectional"}),
    "gru_without_biases": (
        "GRU", "h", True, 1,
        {"linear_before_reset": 1, "activations": ["LeakyRelu", "Affine"], "activation_alpha": [0.2, 0.5],
         "activation_beta": [0.1]},
    ),
    "lstm_with_peepholes": ("LSTM", "B h c P", True, 3, {"direction": "bidirectional"}),
    "lstm_of_weights_as_inputs": ("LSTM", "B lengths c P", False, 3, {"direction": "reverse"}),
    "lstm_with_coupled_gates": ("LSTM", "B", True, 3, {"input_forget": 1, "clip": 0.3}),
    "lstm_with_other_activations": (
        "LSTM", "h", True, 2,
        {"activations": ["HardSigmoid", "Softsign", "ThresholdedRelu"], "activation_alpha": [0.2, 0.1]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_against_onnxruntime(case: str, tmp_path: Path) -> None:
    op, parts, known, outputs, attributes = CASES[case]
    proto, given = build(op, parts, known, outputs, **attributes)
    check(proto, given, tmp_path)


PLAIN: dict[str, tuple[str, str, int, dict[str, Any], str]] = {
    "lstm": ("LSTM", "B", 1, {}, "X -> lstm(3, axis = 0)"),
    "lstm_with_states": ("LSTM", "B h c", 3, {}, "hs, h_3, c_3 = X -> lstm(3, state = (h_2, c_2), axis = 0, states"),
    "gru": ("GRU", "B lengths", 1, {"linear_before_reset": 1}, "X -> gru(3, axis = 0, lengths = lengths)"),
    "rnn": (
        "RNN",
        "B",
        1,
        {"activations": ["Relu"], "direction": "reverse"},
        "rnn(3, activation = relu, axis = 0, rev",
    ),
    "both_ways": ("LSTM", "B", 1, {"direction": "bidirectional"}, "X -> bidirectional(lstm, 3, axis = 0)"),
}


@pytest.mark.parametrize("case", PLAIN)
def test_layers_of_the_standard_library(case: str, tmp_path: Path) -> None:
    op, parts, outputs, attributes, text = PLAIN[case]
    proto, given = build(op, parts, True, outputs, **attributes)
    assert text in check(proto, given, tmp_path, "cpu")


def test_lengths_are_read_before_a_cast(tmp_path: Path) -> None:
    """ONNX has them as i32; what was cast for it is taken as it was."""
    proto, given = build("RNN", "B lengths", True, 1)
    given["lengths"] = given["lengths"].astype(np.int64)
    proto.graph.node[0].input[4] = "short"
    proto.graph.node.insert(0, helper.make_node("Cast", ["lengths"], ["short"], to=TensorProto.INT32))
    next(i for i in proto.graph.input if i.name == "lengths").type.tensor_type.elem_type = TensorProto.INT64
    text = check(proto, given, tmp_path)
    assert "lengths = lengths)" in text and "cast" not in text


def test_the_batch_first(tmp_path: Path) -> None:
    """onnxruntime has no layout 1: the same numbers as with layout 0, in another order."""
    proto, given = build("LSTM", "B h c", True, 3, direction="bidirectional")
    _, straight = answers(proto, given, tmp_path)
    proto, _ = build("LSTM", "B h c", True, 3, direction="bidirectional", layout=1)
    turned = {key: np.swapaxes(value, 0, 1) for key, value in given.items()}
    _, got = answers(proto, turned, tmp_path)
    np.testing.assert_allclose(got["Y"], straight["Y"].transpose(2, 0, 1, 3), rtol=1e-5)
    np.testing.assert_allclose(got["Yc"], straight["Yc"].transpose(1, 0, 2), rtol=1e-5)


@pytest.mark.parametrize(
    ("attributes", "text"),
    [
        ({"direction": "sideways"}, "direction 'sideways' is not one of forward, reverse, bidirectional"),
        ({"activations": ["Tanh", "Tanh"]}, "2 activations; there must be 1"),
        ({"activations": ["Cosine"]}, "activation 'Cosine' is not one of ONNX's"),
        ({"activations": ["Affine"]}, "the activation affine needs numbers: alpha, beta"),
        ({"layout": 2}, "'layout' is 2, not one of (0, 1)"),
    ],
)
def test_what_is_refused(attributes: dict[str, Any], text: str, tmp_path: Path) -> None:
    proto, given = build("RNN", "B", True, 1, **attributes)
    with pytest.raises(NetError) as fault:
        answers(proto, given, tmp_path)
    assert text in str(fault.value)


@pytest.mark.parametrize("batch_first", [False, True])
def test_layers_one_after_the_other(batch_first: bool, tmp_path: Path) -> None:
    """As PyTorch writes them: the axis of directions comes and goes, and outputs have names that nobody reads; where
    the batch comes first, it is moved there and back."""
    rng = np.random.default_rng(1)
    shapes = {"W": (2, 16, 3), "R": (2, 16, 4), "B": (2, 32), "W2": (1, 12, 8), "R2": (1, 12, 4), "B2": (1, 24)}
    kept: dict[str, Array] = {key: rng.normal(size=shape).astype(np.float32) for key, shape in shapes.items()}
    kept |= {"zero": np.zeros((2, 2, 4), np.float32), "flat": np.array([0, 0, -1]), "axis": np.array([1])}
    ends = [helper.make_node("Transpose", [a], [b], perm=[1, 0, 2]) for a, b in (("b", "x"), ("y", "z"))]
    nodes = [
        helper.make_node("LSTM", ["x", "W", "R", "B", "", "zero", "zero"], ["Y", "Yh", "Yc"], hidden_size=4,
                         direction="bidirectional"),
        helper.make_node("Transpose", ["Y"], ["turned"], perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", ["turned", "flat"], ["both"]),
        helper.make_node("GRU", ["both", "W2", "R2", "B2"], ["Y2", "Yh2"], hidden_size=4, linear_before_reset=1),
        helper.make_node("Squeeze", ["Y2", "axis"], ["y"]),
    ]  # fmt: skip
    shape = (2, 5, 3) if batch_first else (5, 2, 3)
    given = {"b" if batch_first else "x": rng.normal(size=shape).astype(np.float32)}
    nodes = [ends[0], *nodes, ends[1]] if batch_first else nodes
    text = check(model(nodes, given, kept, ["z" if batch_first else "y"], {"": 14}), given, tmp_path)
    along = "" if batch_first else ", axis = 0"
    assert f"bidirectional(lstm, 4{along})" in text and f"gru(4{along})" in text
    assert "reshape" not in text and "transpose" not in text
