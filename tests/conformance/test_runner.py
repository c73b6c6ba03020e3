"""The conformance runner: what passes is told to pass, and what fails is told with its reason."""

from __future__ import annotations

import time

import numpy as np
import pytest

from tests.conformance import running
from tests.conformance.__main__ import carried_out_all
from tests.conformance.cases import Case
from tests.conformance.report import page, table
from tests.conformance.running import carried_out

onnx = pytest.importorskip("onnx")


def case(name: str, op: str, inputs: list[np.ndarray], wanted: np.ndarray, **attributes: object) -> Case:
    """A case of one node."""
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    names = [f"x{i}" for i in range(len(inputs))]
    ports = [
        helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
        for n, a in zip(names, inputs, strict=True)
    ]
    result = helper.make_tensor_value_info("y", helper.np_dtype_to_tensor_dtype(wanted.dtype), wanted.shape)
    graph = helper.make_graph([helper.make_node(op, names, ["y"], **attributes)], "g", ports, [result])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    messages = tuple(numpy_helper.from_array(a).SerializeToString() for a in inputs)
    answer = (numpy_helper.from_array(wanted).SerializeToString(),)
    return Case("node", name, model.SerializeToString(), ((messages, answer),))


X = np.arange(6, dtype=np.float32).reshape(2, 3) - 2


def test_outcomes() -> None:
    right = case("right", "Relu", [X], np.maximum(X, 0))
    wrong = case("wrong", "Relu", [X], X)
    shaped = case("shaped", "Reshape", [X, np.array([3, 2])], X.reshape(3, 2))
    missing = case("missing", "NoSuchOperator", [X], X)
    found = {o.name: o for o in (carried_out(c, "reference") for c in (right, wrong, shaped, missing))}
    assert found["right"].passed and found["shaped"].passed and found["shaped"].given == ("x1",)
    assert found["wrong"].reason == "output 'y': 2 of 6 differ, by up to 2"
    assert "NoSuchOperator" in found["missing"].reason
    text = table([*found.values()])
    assert "2 / 4" in text and "wrong: output 'y'" in text
    assert "| Relu | 1 / 2 |" in page([*found.values()], "cases")


def test_a_case_that_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "_set", lambda *_: time.sleep(600))
    outcome = carried_out(case("slow", "Relu", [X], X), "reference", 0.02)
    assert outcome.reason == "it took more than 0.02 seconds"


def test_what_no_importer_could_pass_says_why() -> None:
    outcomes = [carried_out(case("test_training_dropout", "Relu", [X], y), "reference") for y in (X, np.maximum(X, 0))]
    texts = [table([outcome]) for outcome in outcomes]
    assert "differ, by up to 2: the answer was drawn by" in texts[0] and "drawn by" not in texts[1]


def test_every_case_is_accounted_for() -> None:
    chosen = [case(f"case{i}", "Relu", [X], np.maximum(X, 0)) for i in range(3)]
    found = [*carried_out_all(chosen, ("reference", "cpu"), 1)]
    assert len(found) == 6 and all(o.passed for o in found)
