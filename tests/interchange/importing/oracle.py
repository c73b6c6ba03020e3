"""Models held to what onnxruntime answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

import netlang
from netlang.interchange.importing import Imported, import_onnx

Array = NDArray[Any]


def one_node(
    op: str,
    given: Mapping[str, Array],
    kept: Mapping[str, Array],
    order: Sequence[str],
    outputs: Sequence[str],
    opset: int = 14,
    domain: str = "",
    **attributes: Any,
) -> Any:
    """A model of one node with inputs in this order ("": left out), from inputs of the model and initialisers."""
    node = helper.make_node(op, order, outputs, domain=domain, **attributes)
    return model([node], given, kept, outputs, {domain: opset, "": max(opset, 14) if domain else opset})


def model(
    nodes: Sequence[Any],
    given: Mapping[str, Array],
    kept: Mapping[str, Array],
    outputs: Sequence[str],
    opsets: Mapping[str, int],
) -> Any:
    """A model of these nodes."""
    inputs = [
        helper.make_tensor_value_info(k, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for k, v in given.items()
    ]
    made = [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in outputs if name]
    graph = helper.make_graph(nodes, "one", inputs, made, [numpy_helper.from_array(v, k) for k, v in kept.items()])
    versions = [helper.make_opsetid(key, version) for key, version in opsets.items()]
    return helper.make_model(graph, opset_imports=versions, ir_version=10)


def _port(name: str, array: Array) -> Any:
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)


def expected(proto: Any, given: Mapping[str, Array]) -> dict[str, Array]:
    """What onnxruntime answers."""
    typed = onnx.shape_inference.infer_shapes(proto)
    for output in typed.graph.output:  # of operators that the onnx package does not know
        output.type.tensor_type.elem_type = output.type.tensor_type.elem_type or TensorProto.FLOAT
    session = onnxruntime.InferenceSession(typed.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(given)), strict=True))


def answers(
    proto: Any, given: Mapping[str, Array], folder: Path, target: str = "reference", **values: Array
) -> tuple[Imported, dict[str, Array]]:
    """What the imported network answers; `values` are inputs that it is given while it is imported."""
    onnx.save(proto, folder / "one.onnx")
    found = import_onnx(folder / "one.onnx", values=values)
    found.write(folder / "one.net")
    net = netlang.compile(folder / "one.net", target=target)
    if found.weights:
        net.load_weights(folder / "one.safetensors")
    result = net(**{found.inputs[k]: v for k, v in given.items() if k in found.inputs})
    named = result if isinstance(result, Mapping) else dict(zip(found.outputs.values(), [result], strict=True))
    return found, {key: np.asarray(named[name]) for key, name in found.outputs.items()}


def check(proto: Any, given: Mapping[str, Array], folder: Path, target: str = "reference", **values: Array) -> str:
    """Hold an import to onnxruntime's answers; returns its text, a line for each operation."""
    _, got = answers(proto, given, folder, target, **values)
    wanted = expected(proto, {**given, **values})
    assert got.keys() == wanted.keys()
    for name, array in wanted.items():
        assert got[name].dtype == array.dtype
        np.testing.assert_allclose(got[name], array, rtol=1e-3, atol=1e-4, err_msg=name)
    return import_onnx(folder / "one.onnx", values=values, flat=True).text
