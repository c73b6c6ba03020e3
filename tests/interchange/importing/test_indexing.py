"""What picks and puts by index, and products by names of axes, as ONNX has them: onnxruntime's numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netlang.diagnostics import NetError
from netlang.interchange.importing import NeededValue, import_onnx
from tests.interchange.importing.nodes import Array, compared, imported, model, normal

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
X, BATCH, SIDE = normal(3, 4), normal(2, 3, 4), np.array([[0, -1], [2, 1]])


def number(value: int) -> Array:
    return np.array(value)


CASES: dict[str, tuple[str, dict[str, Array], dict[str, Array], dict[str, Any], str]] = {
    "an embedding": ("Gather", {"i": SIDE}, {"t": normal(3, 4)[:0]}, {}, ""),
    "one slice": ("Gather", {"x": X}, {"i": number(-1)}, {"axis": 1}, "x -> slice(1, 3, 4)"),
    "known slices": ("Gather", {"x": X}, {"i": np.array([2, -3])}, {}, "gather(x, y0_index)"),
    "slices": ("Gather", {"x": X, "i": SIDE}, {}, {"axis": 1}, "i -> from_end(4)"),
    "elements": ("GatherElements", {"x": X, "i": SIDE}, {}, {"axis": 1}, "take_along("),
    "elements at places": ("GatherND", {"x": X, "i": np.array([[2, -1], [0, 0]])}, {}, {}, "gather_nd(x, i)"),
    "of each sample": ("GatherND", {"x": BATCH, "i": np.array([[1], [2]])}, {}, {"batch_dims": 1}, "batch = 1"),
    "some rows": ("Compress", {"x": X}, {"c": np.array([True, False, True])}, {"axis": 0}, "gather(x, "),
    "put": ("ScatterElements", {"x": X, "i": np.array([[1, -1, 0, 0]]), "u": normal(1, 4)}, {}, {}, "scatter_along("),
    "put in part": (
        "ScatterElements", {"x": X, "i": np.array([[1, -1]]), "u": normal(1, 2)}, {}, {"axis": 1, "reduction": "add"},
        'scatter_part(x, i, u, reduction = "add")',
    ),
    "put at places": (
        "ScatterND", {"x": X, "i": np.array([[1], [-1]]), "u": normal(2, 4)}, {}, {"reduction": "max"},
        'scatter_nd(x, i, u, reduction = "max")',
    ),
    "one of three": (
        "OneHot", {"i": SIDE}, {"d": number(3), "v": np.array([0, 1], np.float32)}, {}, "i -> one_hot_values(3)"
    ),
    "on and off": ("OneHot", {"i": SIDE}, {"d": number(3), "v": np.array([2, 5])}, {"axis": 1}, "on = 5, off = 2"),
    "triangle": ("Trilu", {"x": X}, {"k": number(-1)}, {"upper": 0}, "x -> lower_triangle(-1)"),
    "ones": ("EyeLike", {"x": X}, {}, {"k": 1}, "eye(3, m = 4, k = 1)"),
    "names": ("Einsum", {"x": X, "y": normal(5, 4)}, {}, {"equation": "ij, kj -> ki"}, '-> einsum("ij,kj->ki")'),
    "vector": ("MatMul", {"x": X, "v": normal(4)}, {}, {}, "x @ reshape(v, [-1, 1])"),
    "weights": ("MatMul", {"x": X}, {"t": normal(4, 2)}, {}, "x -> dense(2, bias = false)"),
    "the smallest": ("TopK", {"x": X}, {"k": np.array([2])}, {"largest": 0}, "x -> topk(2, smallest = true)"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_numbers_and_lines(case: str, tmp_path: Path) -> None:
    op, inputs, kept, attributes, line = CASES[case]
    if case == "an embedding":
        proto = model(op, inputs, {"t": X}, **attributes)
        proto.graph.node[0].input[:] = ["t", "i"]
        line = "-> embedding(3, 4)"
    else:
        proto = model(op, inputs, kept, outputs=2 if op == "TopK" else 1, **attributes)
    assert line in compared(proto, inputs, tmp_path)


def test_a_range_of_a_size_known_later_is_counted(tmp_path: Path) -> None:
    """Range(0, Shape(x)[0], 2), as exporters write it."""
    text = """
    <ir_version: 10, opset_import: ["": 21]>
    places (float[N, 4] x) => (int64[M] y) <int64[1] first = {0}, int64 zero = {0}, int64 two = {2}> {
      shape = Shape (x)
      rows = Gather (shape, first)
      count = Squeeze (rows)
      y = Range (zero, count, two)
    }
    """
    proto = onnx.parser.parse_model(text)
    found, net = imported(proto, tmp_path)
    assert "arange((N + 1) // 2) * 2" in found.text
    np.testing.assert_array_equal(net(x=np.zeros((5, 4), np.float32)), [0, 2, 4])


def test_bytes_are_multiplied_exactly(tmp_path: Path) -> None:
    a, b = np.array([[-128, 127], [3, 100]], np.int8), np.array([[127, 1], [-128, 2]], np.int8)
    kept = {"za": np.array([2, -1], np.int8), "zb": np.array(3, np.int8)}
    wanted = (a.astype(int) - [[2], [-1]]) @ (b.astype(int) - 3)
    compared(model("MatMulInteger", {"a": a, "b": b}, kept), {"a": a, "b": b}, tmp_path, [wanted])


def test_indices_out_of_range_and_values_that_are_needed(tmp_path: Path) -> None:
    with pytest.raises(NetError, match="index 7 is out of range: there are 3"):
        imported(model("Gather", {"x": X}, {"i": np.array([0, 7])}), tmp_path)
    onnx.save(model("Range", {"a": number(0), "b": number(5), "c": number(1)}, {}), tmp_path / "range.onnx")
    with pytest.raises(NeededValue, match="the start must be known when the network is imported"):
        import_onnx(tmp_path / "range.onnx")


def test_what_is_computed_from_an_input_needs_its_value(tmp_path: Path) -> None:
    text = """
    <ir_version: 10, opset_import: ["": 21]>
    places (int64 limit) => (int64[M] y) <int64 zero = {0}, int64 one = {1}> {
      next = Add (limit, one)
      y = Range (zero, next, one)
    }
    """
    onnx.save(onnx.parser.parse_model(text), tmp_path / "range.onnx")
    with pytest.raises(NeededValue, match="but 'next' is computed") as caught:
        import_onnx(tmp_path / "range.onnx")
    assert caught.value.name == "limit"
