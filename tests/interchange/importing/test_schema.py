"""Nodes that are not what ONNX says of their operator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netlang.diagnostics import NetError
from tests.interchange.importing.nodes import imported, model, normal

pytest.importorskip("onnx")


def test_attributes_of_the_wrong_kind(tmp_path: Path) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"kernel_shape": 2}, "the attribute 'kernel_shape' is a list of whole numbers, not 2"),
        ({"kernel_shape": [2.0, 2.0]}, r"'kernel_shape' is a list of whole numbers, not \(2.0, 2.0\)"),
        ({"kernel_shape": [2, 2], "auto_pad": 1}, "the attribute 'auto_pad' is a text, not 1"),
        ({"kernel_shape": [2, 2], "ceil_mode": "yes"}, "the attribute 'ceil_mode' is a whole number, not 'yes'"),
    ]
    for attributes, message in wrong:
        with pytest.raises(NetError, match=message):
            imported(model("MaxPool", {"x": normal(1, 2, 4, 4)}, {}, **attributes), tmp_path)


def test_too_many_inputs(tmp_path: Path) -> None:
    proto = model("MaxPool", {"x": normal(1, 2, 4, 4)}, {"w": normal(3)}, kernel_shape=[2, 2])
    with pytest.raises(NetError, match="there are 2 inputs, where there must be at least 1 and at most 1"):
        imported(proto, tmp_path)


def test_a_missing_input(tmp_path: Path) -> None:
    proto = model("Conv", {"x": normal(1, 2, 4, 4)}, {"": normal(0), "b": normal(3)})
    with pytest.raises(NetError, match="the input 'W' is missing"):
        imported(proto, tmp_path)


def test_an_output_that_is_not_there(tmp_path: Path) -> None:
    """Statistics come out of a batch normalisation that is being trained."""
    kept = {k: np.ones(2, np.float32) for k in "sbmv"}
    proto = model("BatchNormalization", {"x": normal(1, 2, 4, 4)}, kept, 2, 15)
    with pytest.raises(NetError, match="'y1' is an output that its node does not have"):
        imported(proto, tmp_path)
