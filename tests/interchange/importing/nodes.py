"""One operator as a model, imported and compared with onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import netlang
from netlang.interchange.importing import Imported, import_onnx

Array = NDArray[Any]


def normal(*shape: int) -> Array:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def model(
    op: str,
    inputs: Mapping[str, Array],
    kept: Mapping[str, Array],
    outputs: int = 1,
    opset: int = 21,
    **attributes: Any,
) -> Any:
    """A model of one node that reads `inputs` and the initialisers `kept`, in this order ("": left out)."""
    from onnx import helper, numpy_helper

    names = [f"y{i}" for i in range(outputs)]
    node = helper.make_node(op, [*inputs, *(k if v.size else "" for k, v in kept.items())], names, **attributes)
    given = [
        helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape) for n, a in inputs.items()
    ]
    made = [helper.make_empty_tensor_value_info(n) for n in names]
    arrays = [numpy_helper.from_array(v, k) for k, v in kept.items() if v.size]
    graph = helper.make_graph([node], "one", given, made, arrays)
    return helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", opset)])


def imported(proto: Any, folder: Path, sizes: Mapping[str, int] | None = None) -> tuple[Imported, netlang.Model]:
    """The model's text with its weights, and compiled for the reference backend."""
    import onnx

    onnx.save(proto, folder / "one.onnx")
    found = import_onnx(folder / "one.onnx", sizes=sizes)
    found.write(folder / "one.net")
    net = netlang.compile(folder / "one.net", target="reference")
    return found, net.load_weights(folder / "one.safetensors") if found.weights else net


def compared(
    proto: Any, inputs: Mapping[str, Array], folder: Path, wanted: Sequence[Array] | None = None, rtol: float = 1e-4
) -> str:
    """Hold an import to what onnxruntime computes (or to `wanted`); returns its text, a line for each operation."""
    import onnxruntime

    found, net = imported(proto, folder)
    if wanted is None:
        wanted = onnxruntime.InferenceSession(proto.SerializeToString()).run(None, dict(inputs))
    result = net(**{found.inputs[k]: v for k, v in inputs.items()})
    results = result if isinstance(result, Mapping) else {next(iter(found.outputs.values())): result}
    for name, array in zip(found.outputs.values(), wanted, strict=True):
        np.testing.assert_allclose(results[name], array, rtol=rtol, atol=1e-5)
    return import_onnx(folder / "one.onnx", flat=True).text
