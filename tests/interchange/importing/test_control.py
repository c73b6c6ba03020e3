"""If, Loop, Scan and sequences: what is decided while a network is imported, and what becomes a scan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from netlang.diagnostics import NetError
from tests.interchange.importing.oracle import Array, answers, check, model, one_node

FLOAT, INT, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def normal(*shape: int) -> Array:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def graph(nodes: list[Any], inputs: dict[str, Any], outputs: dict[str, Any], **kept: Array) -> Any:
    """A graph inside; of inputs and outputs their element types, or type and shape."""
    ports = [
        [helper.make_tensor_value_info(name, *(t if isinstance(t, tuple) else (t, None))) for name, t in part.items()]
        for part in (inputs, outputs)
    ]
    return helper.make_graph(nodes, "body", *ports, [numpy_helper.from_array(v, k) for k, v in kept.items()])


# ---- If

_BRANCHES = {
    "then_branch": graph([helper.make_node("Add", ["x", "x"], ["a"])], {}, {"a": FLOAT}),
    "else_branch": graph([helper.make_node("Mul", ["x", "x"], ["b"])], {}, {"b": FLOAT}),
}


@pytest.mark.parametrize("chosen", [True, False])
def test_a_branch(chosen: bool, tmp_path: Path) -> None:
    given = {"x": normal(2, 3), "chosen": np.array(chosen)}
    node = helper.make_node("If", ["chosen"], ["y"], **_BRANCHES)
    proto = model([node], given, {}, ["y"], {"": 14})
    assert "where" in check(proto, given, tmp_path)
    text = check(proto, {"x": given["x"]}, tmp_path, chosen=given["chosen"])
    assert ("x + x" if chosen else "x * x") in text and "where" not in text


def test_branches_of_different_shapes(tmp_path: Path) -> None:
    other = graph([helper.make_node("ReduceSum", ["x"], ["b"])], {}, {"b": FLOAT})
    given = {"x": normal(2, 3), "chosen": np.array(True)}
    node = helper.make_node("If", ["chosen"], ["y"], then_branch=_BRANCHES["then_branch"], else_branch=other)
    with pytest.raises(NetError, match=r"the branches make f32\[2, 3\] and f32\[1, 1\]"):
        answers(model([node], given, {}, ["y"], {"": 14}), given, tmp_path)


# ---- Loop


def counted(rounds: int) -> tuple[Any, dict[str, Array]]:
    """h' = tanh(h W) + i in every round; the sums of all h besides."""
    body = graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("MatMul", ["h", "W"], ["seen"]),
            helper.make_node("Tanh", ["seen"], ["t"]),
            helper.make_node("Cast", ["i"], ["number"], to=FLOAT),
            helper.make_node("Add", ["t", "number"], ["h2"]),
            helper.make_node("ReduceSum", ["h2"], ["total"], keepdims=0),
        ],
        {"i": (INT, []), "go": (BOOL, []), "h": (FLOAT, None)},
        {"go_on": (BOOL, []), "h2": FLOAT, "total": FLOAT},
        W=normal(3, 3),
    )
    node = helper.make_node("Loop", ["rounds", "", "x"], ["y", "totals"], body=body)
    given = {"x": normal(2, 3)}
    return model([node], given, {"rounds": np.array(rounds)}, ["y", "totals"], {"": 14}), given


@pytest.mark.parametrize("rounds", [3, 20])
def test_a_loop_of_known_length(rounds: int, tmp_path: Path) -> None:
    proto, given = counted(rounds)
    text = check(proto, given, tmp_path)
    assert ("-> scan(body, axis = 0, state = x)" in text) == (rounds == 20)
    assert ("block body(i, h)" in text) == (rounds == 20)


def test_a_loop_whose_state_grows(tmp_path: Path) -> None:
    body = graph(
        [helper.make_node("Identity", ["go"], ["go_on"]), helper.make_node("Concat", ["h", "x"], ["h2"], axis=0)],
        {"i": (INT, []), "go": (BOOL, []), "h": (FLOAT, None)},
        {"go_on": (BOOL, []), "h2": FLOAT},
    )
    given = {"x": normal(1, 3)}
    node = helper.make_node("Loop", ["rounds", "", "x"], ["y"], body=body)
    _, got = answers(model([node], given, {"rounds": np.array(9)}, ["y"], {"": 14}), given, tmp_path)
    np.testing.assert_array_equal(got["y"], np.repeat(given["x"], 10, 0))


def test_a_loop_that_ends_by_what_it_computes(tmp_path: Path) -> None:
    """After the round that says so, nothing changes any more."""
    body = graph(
        [
            helper.make_node("Add", ["h", "h"], ["h2"]),
            helper.make_node("Less", ["h2", "limit"], ["small"]),
        ],
        {"i": (INT, []), "go": (BOOL, []), "h": (FLOAT, None)},
        {"small": (BOOL, []), "h2": FLOAT},
        limit=np.array(5, np.float32),
    )
    node = helper.make_node("Loop", ["rounds", "", "x"], ["y"], body=body)
    for start in (0.3, 1.0, 40.0):
        given = {"x": np.array(start, np.float32)}
        check(model([node], given, {"rounds": np.array(6)}, ["y"], {"": 14}), given, tmp_path)


# ---- Scan


@pytest.mark.parametrize("target", ["reference", "cpu"])
def test_a_scan(target: str, tmp_path: Path) -> None:
    """Weights of its own, a tensor from outside, axes and directions."""
    body = graph(
        [
            helper.make_node("MatMul", ["step", "W"], ["seen"]),
            helper.make_node("Add", ["seen", "outside"], ["sum"]),
            helper.make_node("Mul", ["sum", "h"], ["h2"]),
            helper.make_node("Identity", ["h2"], ["told"]),
            helper.make_node("Neg", ["other"], ["turned"]),
        ],
        {"h": (FLOAT, None), "step": (FLOAT, None), "other": (FLOAT, None)},
        {"h2": FLOAT, "told": FLOAT, "turned": FLOAT},
        W=normal(3, 4),
    )
    node = helper.make_node(
        "Scan", ["h0", "x", "z"], ["last", "all", "copy"], body=body, num_scan_inputs=2, scan_input_axes=[1, 0],
        scan_input_directions=[1, 0], scan_output_axes=[-1, 0], scan_output_directions=[0, 1],
    )  # fmt: skip
    given = {"h0": normal(2, 4), "x": normal(2, 5, 3), "z": normal(5, 2), "outside": normal(4)}
    proto = model([node], given, {}, ["last", "all", "copy"], {"": 14})
    text = check(proto, given, tmp_path, target)
    assert "block body(step, other, h, outside)" in text


def test_a_size_that_is_known_later_inside_of_a_scan(tmp_path: Path) -> None:
    body = graph(
        [
            helper.make_node("Shape", ["step"], ["shape"]),
            helper.make_node("Gather", ["shape", "zero"], ["n"]),
            helper.make_node("Concat", ["n", "two"], ["wanted"], axis=0),
            helper.make_node("Expand", ["h", "wanted"], ["wide"]),
            helper.make_node("ReduceSum", ["wide"], ["sum"], axes=[0, 1], keepdims=0),
            helper.make_node("Add", ["h", "sum"], ["h2"]),
        ],
        {"h": (FLOAT, []), "step": (FLOAT, None)},
        {"h2": FLOAT},
        zero=np.array([0]), two=np.array([2]),
    )  # fmt: skip
    node = helper.make_node("Scan", ["h0", "x"], ["last"], body=body, num_scan_inputs=1)
    given = {"h0": np.array(1, np.float32), "x": normal(4, 3)}
    proto = model([node], given, {}, ["last"], {"": 12})
    proto.graph.input[1].type.tensor_type.shape.dim[1].dim_param = "N"
    text = check(proto, given, tmp_path)
    assert "scan(body(N = N)" in text and float(answers(proto, given, tmp_path)[1]["last"]) == 7.0**4


# ---- sequences


def test_sequences_vanish(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("SplitToSequence", ["x", "sizes"], ["parts"], axis=1),
        helper.make_node("SequenceAt", ["parts", "last"], ["end"]),
        helper.make_node("SequenceErase", ["parts", "zero"], ["rest"]),
        helper.make_node("SequenceInsert", ["rest", "end", "zero"], ["more"]),
        helper.make_node("SequenceLength", ["more"], ["count"]),
        helper.make_node("ConcatFromSequence", ["more"], ["y"], axis=-1),
    ]
    given = {"x": normal(2, 6)}
    kept = {"sizes": np.array([1, 3, 2]), "last": np.array(-1), "zero": np.array(0)}
    text = check(model(nodes, given, kept, ["y", "count"], {"": 14}), given, tmp_path)
    assert "slice" in text


def test_a_position_that_is_not_there(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("SequenceConstruct", ["x", "x"], ["both"]),
        helper.make_node("SequenceAt", ["both", "two"], ["y"]),
    ]
    given = {"x": normal(2)}
    with pytest.raises(NetError, match="there is no position 2 in a sequence of 2"):
        answers(model(nodes, given, {"two": np.array(2)}, ["y"], {"": 14}), given, tmp_path)


def test_a_sequence_is_no_tensor(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("SequenceConstruct", ["x", "x"], ["both"]),
        helper.make_node("Neg", ["both"], ["y"]),
    ]
    given = {"x": normal(2)}
    with pytest.raises(NetError, match=r"node 1 'y' \(Neg\): a sequence stands where a tensor should"):
        answers(model(nodes, given, {}, ["y"], {"": 14}), given, tmp_path)


def test_optionals(tmp_path: Path) -> None:
    given = {"x": normal(2)}
    nodes = [
        helper.make_node("Optional", ["x"], ["perhaps"]),
        helper.make_node("OptionalHasElement", ["perhaps"], ["there"]),
        helper.make_node("OptionalGetElement", ["perhaps"], ["value"]),
    ]
    _, got = answers(model(nodes, given, {}, ["value", "there"], {"": 18}), given, tmp_path)
    np.testing.assert_array_equal(got["value"], given["x"])
    assert bool(got["there"])
    with pytest.raises(NetError, match="there is no attribute 'shape'"):
        answers(one_node("Optional", given, {}, ["x"], ["y"], 18, shape=1), given, tmp_path)


def test_an_input_of_known_parts_that_is_left_out(tmp_path: Path) -> None:
    kept = {"a": np.array([1]), "b": np.array([2])}
    given = {"x": normal(2)}
    nodes = [
        helper.make_node("Concat", ["a", "", "b"], ["shape"], axis=0),
        helper.make_node("Reshape", ["x", "shape"], ["y"]),
    ]
    with pytest.raises(NetError, match=r"\(Concat\): input 1 is missing"):
        answers(model(nodes, given, kept, ["y"], {"": 14}), given, tmp_path)
