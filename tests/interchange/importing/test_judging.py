"""Something unforeseen while a node is translated: the fault of the file where ONNX refuses the node, too."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from netlang.cli import main
from netlang.diagnostics import NetError

onnx = pytest.importorskip("onnx")

from onnx.helper import make_node as node  # noqa: E402

from netlang.interchange.importing import operator  # noqa: E402
from netlang.interchange.importing.importer import Importer  # noqa: E402
from netlang.interchange.importing.judging import complaint  # noqa: E402
from tests.interchange.importing.making import imported, model  # noqa: E402


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every translation of MatMul ends in a fault of its own."""

    def translate(call: operator.Call) -> NoReturn:
        raise IndexError("list index out of range")

    key = "", "MatMul"
    monkeypatch.setitem(operator._OPERATORS, key, operator.Operator("MatMul", "", {}, translate))


def matmul(rows: int) -> onnx.ModelProto:
    return model(node("MatMul", ["x", "w"], ["y"], name="head"), weights={"w": np.zeros((rows, 2), np.float32)})


@pytest.mark.usefixtures("broken")
def test_a_node_that_onnx_refuses(tmp_path: Path) -> None:
    with pytest.raises(NetError, match=r"node 0 'head' \(MatMul\): .*[Ii]ncompatible dimensions"):
        imported(matmul(4), tmp_path)


@pytest.mark.usefixtures("broken")
def test_a_fault_of_netlang_stays_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(IndexError) as caught:
        imported(matmul(3), tmp_path)
    assert caught.value.__notes__ == ["while importing node 0 'head' (MatMul)"]
    assert main(["import", str(tmp_path / "made.onnx")]) == 70
    told = capsys.readouterr().err
    assert "internal error: IndexError: list index out of range" in told
    assert "while importing node 0 'head' (MatMul)" in told
    assert not (tmp_path / "made.net").exists()


def test_right_nodes_are_not_complained_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    call = Importer._call

    def asking(self, node, record, values, attributes):  # type: ignore[no-untyped-def]
        told.append(complaint(node, values, 17))
        return call(self, node, record, values, attributes)

    monkeypatch.setattr(Importer, "_call", asking)
    weights = {"w": np.ones((3, 2), np.float32), "s": np.array([-1, 2], np.int64), "b": np.float32(1)}
    nodes = [
        node("MatMul", ["x", "w"], ["a"]),
        node("Add", ["a", "b"], ["c"]),
        node("Reshape", ["c", "s"], ["d"]),
        node("Softmax", ["d"], ["y"], axis=-1),
    ]
    imported(model(*nodes, weights=weights), tmp_path)
    assert told == [""] * 4
