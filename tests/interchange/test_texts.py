"""Names that are no text are told before anybody uses them as such."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netlang.diagnostics import NetError
from netlang.interchange.importing import import_onnx
from netlang.interchange.texts import broken_text

onnx = pytest.importorskip("onnx")

PLACES = ("operator", "domain", "in", "out", "node", "attribute", "weight", "size", "file", "inner", "text", "function")


def model() -> bytes:
    """A model that has every text of PLACES in its place."""
    helper = onnx.helper
    inner = helper.make_graph([helper.make_node("Identity", ["inner"], ["x"])], "g", [], [])
    node = helper.make_node("operator", ["in"], ["out"], name="node", domain="domain", attribute=1, graph=inner)
    weight = onnx.numpy_helper.from_array(np.zeros(2, np.float32), "weight")
    outside = onnx.TensorProto(name="outside", data_location=onnx.TensorProto.EXTERNAL)
    outside.external_data.add(key="location", value="file")
    words = helper.make_tensor("words", onnx.TensorProto.STRING, [1], [b"\xff"])
    port = helper.make_tensor_value_info("in", onnx.TensorProto.FLOAT, ["size"])
    graph = helper.make_graph([node], "text", [port], [], [weight, outside, words], doc_string="remark")
    function = helper.make_function("d", "function", ["x"], ["y"], [], [])
    whole: bytes = helper.make_model(graph, functions=[function]).SerializeToString()
    return whole


@pytest.mark.parametrize("place", PLACES)
def test_what_is_no_text(place: str, tmp_path: Path) -> None:
    damaged = model().replace(place.encode(), b"\xff" + place.encode()[1:])
    found = broken_text(onnx.ModelProto.FromString(damaged))
    assert found is not None and found.startswith(b"\xff")
    (tmp_path / "m.onnx").write_bytes(damaged)
    with pytest.raises(NetError, match="no text in UTF-8"):
        import_onnx(tmp_path / "m.onnx")


def test_elements_and_remarks_may_be_anything() -> None:
    damaged = model().replace(b"remark", b"\xff\xfe mar")
    assert b"\xff\xfe mar" in damaged and broken_text(onnx.ModelProto.FromString(damaged)) is None
