"""Inputs that are given their values at the import."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netlang.cli import main
from netlang.diagnostics import NetError
from netlang.interchange.importing import import_onnx
from netlang.interchange.importing.given import as_declared
from netlang.interchange.importing.node import Port

onnx = pytest.importorskip("onnx")

INT64, FLOAT, BOOL = 7, 1, 9


@pytest.fixture
def reshape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    helper = onnx.helper
    ports = [helper.make_tensor_value_info("x", FLOAT, [2, 6]), helper.make_tensor_value_info("shape", INT64, ["rank"])]
    result = helper.make_tensor_value_info("y", FLOAT, None)
    graph = helper.make_graph([helper.make_node("Reshape", ["x", "shape"], ["y"])], "g", ports, [result])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), "m.onnx")
    return tmp_path / "m.onnx"


@pytest.mark.parametrize("value", ["3,-1", "[3, 4]", "shape.npy"])
def test_on_the_command_line(reshape: Path, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    np.save("shape.npy", np.array([3, 4]))
    assert main(["import", "m.onnx"]) == 2
    assert "--value shape=" in capsys.readouterr().err
    assert main(["import", "m.onnx", "--value", f"shape={value}"]) == 0
    assert main(["check", "m.net"]) == 0
    assert import_onnx(reshape, values={"shape": np.array([3, 4])}).inputs == {"x": "x"}


@pytest.mark.parametrize("value", ["shape", "=3", "shape=", "shape=a", "shape=[3", "shape=[[1], [2, 3]]", 'shape="a"'])
def test_what_is_no_value(reshape: Path, value: str) -> None:
    with pytest.raises(SystemExit):
        main(["import", "m.onnx", "--value", value])


@pytest.mark.parametrize(
    ("dtype", "dims", "value", "wanted"),
    [
        (INT64, ("n",), np.array(3), np.array([3])),
        (INT64, (), np.array(3, np.int8), np.array(3)),
        (INT64, None, np.array([[3.0]]), np.array([[3]])),
        (FLOAT, (2,), np.array([0.1, 2]), np.array([0.1, 2], np.float32)),
        (FLOAT, ("",), np.array([1, 2]), np.array([1, 2], np.float32)),
        (BOOL, (1,), np.array([1]), np.array([True])),
        (0, None, np.array([1]), np.array([1])),
    ],
)
def test_as_the_file_declares_it(
    dtype: int, dims: tuple[int | str, ...] | None, value: np.ndarray, wanted: np.ndarray
) -> None:
    found = as_declared(Port("x", dtype, dims), value)
    assert found.dtype == wanted.dtype and found.shape == wanted.shape and np.array_equal(found, wanted)


@pytest.mark.parametrize(
    ("dtype", "dims", "value", "message"),
    [
        (INT64, (2,), np.array([1, 2, 3]), r"is \[3\], but the input \[2\]"),
        (INT64, ("n", 2), np.array([1]), r"is \[1\], but the input \[n, 2\]"),
        (INT64, (1,), np.array([0.5]), "numbers of f64 that no i64 is"),
        (FLOAT, (1,), np.array([2**24 + 1]), "numbers of i64 that no f32 is"),
        (BOOL, (1,), np.array([2]), "that no bool is"),
    ],
)
def test_what_is_not_as_declared(dtype: int, dims: tuple[int | str, ...], value: np.ndarray, message: str) -> None:
    with pytest.raises(NetError, match=message):
        as_declared(Port("x", dtype, dims), value)
