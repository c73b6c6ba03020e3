"""What ONNX computes element by element and over axes: numbers as onnxruntime's, and lines as a person writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netlang.diagnostics import NetError
from netlang.interchange.importing import import_onnx
from tests.interchange.importing.nodes import Array, compared, imported, model, normal

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
X, WHOLE = normal(3, 4), np.array([[-7, 5, 0], [9, -8, 3]])
NOTHING = np.zeros(0, np.float32)


def scalar(value: float, dtype: Any = np.float32) -> Array:
    return np.array(value, dtype)


CASES: dict[str, tuple[str, dict[str, Array], dict[str, Array], int, dict[str, Any], str]] = {
    "whole quotient": ("Div", {"x": WHOLE}, {"b": scalar(4, np.int64)}, 14, {}, "x / 4"),
    "remainder": ("Mod", {"x": WHOLE}, {"b": scalar(-3, np.int64)}, 13, {}, "x % -3"),
    "C's remainder": ("Mod", {"x": X}, {"b": scalar(0.5)}, 13, {"fmod": 1}, "fmod(x, 0.5)"),
    "square": ("Pow", {"x": X}, {"b": scalar(2)}, 13, {}, "x ** 2"),
    "power of integers": ("Pow", {"x": WHOLE}, {"b": np.array([2, 3, 1])}, 13, {}, "x ** "),
    "number first": ("Sub", {}, {"a": scalar(1.5), "x": X}, 13, {}, ""),
    "of three": ("Max", {"x": X, "y": X[:, :1] * 2, "z": X[:1]}, {}, 13, {}, "max(max(x, y), z)"),
    "mean of two": ("Mean", {"x": X, "y": X * 2}, {}, 13, {}, "(x + y) / 2"),
    "bounds": ("Clip", {"x": X}, {"low": scalar(-0.5), "high": scalar(1)}, 13, {}, "x -> clip(-0.5, 1)"),
    "old bounds": ("Clip", {"x": X}, {}, 7, {"min": 0.0, "max": 6.0}, "x -> clip(0.0, 6)"),
    "bound as input": ("Clip", {"x": X, "low": scalar(0)}, {}, 13, {}, "clip(x, low = low)"),
    "leaky": ("LeakyRelu", {"x": X}, {}, 16, {"alpha": 0.1}, "x -> leaky_relu(0.1)"),
    "plain elu": ("Elu", {"x": X}, {}, 7, {}, "x -> elu"),
    "old softmax": ("Softmax", {"x": normal(2, 3, 4)}, {}, 11, {}, "-> softmax"),
    "softmax": ("Softmax", {"x": normal(2, 3, 4)}, {}, 13, {}, "x -> softmax(axis = 2)"),
    "shrink": ("Shrink", {"x": X}, {}, 9, {"lambd": 0.5, "bias": 0.1}, "x -> shrink(bias = 0.1)"),
    "equal": ("Equal", {"x": WHOLE}, {"b": scalar(5, np.int64)}, 13, {}, "x == 5"),
    "choice": ("Where", {"c": X > 0, "x": X}, {"b": scalar(-np.inf)}, 16, {}, "where(c, x, -inf)"),
    "infinite": ("IsInf", {"x": X}, {}, 20, {"detect_negative": 0}, "x == inf"),
    "cast": ("Cast", {"x": X}, {}, 13, {"to": 7}, "x -> cast(i64)"),
    "sum": ("ReduceSum", {"x": X}, {"axes": np.array([-1])}, 13, {"keepdims": 0}, "sum(x, axis = 1)"),
    "old sum": ("ReduceSum", {"x": X}, {}, 11, {"axes": [0]}, "sum(x, axis = 0, keepdims = true)"),
    "sum of none": ("ReduceSum", {"x": X}, {}, 13, {"noop_with_empty_axes": 1}, "keepdims = true"),
    "norm": ("ReduceL2", {"x": X}, {}, 18, {"keepdims": 0}, "sqrt(sum(x ** 2))"),
    "product": ("ReduceProd", {"x": WHOLE}, {"axes": np.array([1])}, 18, {}, "prod(x, axis = 1, keepdims = true)"),
    "last of the smallest": ("ArgMin", {"x": WHOLE}, {}, 13, {"select_last_index": 1}, "last = true"),
    "sum so far": ("CumSum", {"x": X}, {"axis": scalar(-1, np.int64)}, 14, {"reverse": 1}, "cumsum(reverse = true)"),
}


@pytest.mark.parametrize("case", CASES)
def test_numbers_and_lines(case: str, tmp_path: Path) -> None:
    op, inputs, kept, opset, attributes, line = CASES[case]
    assert line in compared(model(op, inputs, kept, opset=opset, **attributes), inputs, tmp_path)


def test_what_is_left_of_floats_has_the_sign_of_the_divisor(tmp_path: Path) -> None:
    """onnxruntime takes no floats for this."""
    x, y = np.array([5.5, -5.5, 5.5, -5.5, 1, -1], np.float32), np.array([2, 2, -2, -2, np.inf, np.inf], np.float32)
    compared(model("Mod", {"x": x, "y": y}, {}, opset=28), {"x": x, "y": y}, tmp_path, [np.mod(x, y)])


@pytest.mark.parametrize(
    "op, wanted", [("ReduceSum", 0), ("ReduceProd", 1), ("ReduceMax", -np.inf), ("ReduceLogSumExp", -np.inf)]
)
def test_the_reduction_of_nothing(op: str, wanted: float, tmp_path: Path) -> None:
    x = np.zeros((2, 0, 3), np.float32)
    proto = model(op, {"x": x}, {"axes": np.array([1])}, opset=20)
    found, net = imported(proto, tmp_path)
    np.testing.assert_array_equal(net(), np.full((2, 1, 3), wanted, np.float32))
    assert found.inputs == {}


@pytest.mark.parametrize("op, wanted", [("Add", np.float32), ("Less", np.bool_)])
def test_nothing_with_something_is_nothing(op: str, wanted: type, tmp_path: Path) -> None:
    x, b = np.zeros((2, 0), np.float32), normal(1)
    onnx.save(model(op, {"x": x}, {"b": b}), tmp_path / "one.onnx")
    found = import_onnx(tmp_path / "one.onnx")
    assert (found.empty["y0"].shape, found.empty["y0"].dtype) == ((2, 0), wanted)


def test_before_opset_7_axes_were_aligned(tmp_path: Path) -> None:
    x, b = normal(2, 3, 4), normal(3)
    proto = model("Add", {"x": x, "b": b}, {}, opset=6, broadcast=1, axis=1)
    compared(proto, {"x": x, "b": b}, tmp_path, [x + b[:, None]])


def test_what_an_operator_has_not_is_told(tmp_path: Path) -> None:
    with pytest.raises(NetError, match="there is no attribute 'sharpness'"):
        imported(model("Relu", {"x": X}, {}, sharpness=1), tmp_path)
    with pytest.raises(NetError, match="direction 'UP' is neither LEFT nor RIGHT"):
        imported(model("BitShift", {"x": WHOLE, "y": WHOLE}, {}, direction="UP"), tmp_path)
