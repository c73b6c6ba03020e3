"""onnxruntime, and the ONNX form of a net that OpenVINO reads too."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from benchmarks.layers import Layer
from netlang.ir.graph import Value
from netlang.runtime.arrays import Array

OPSET = 17
_OPS = {"relu": "Relu", "add": "Add", "flatten": "Flatten", "softmax": "Softmax", "concat": "Concat"}
_OPS |= {"conv": "Conv", "dense": "Gemm", "batchnorm": "BatchNormalization", "max_pool": "MaxPool"}
_OPS |= {"avg_pool": "AveragePool"}


def version() -> str:
    return str(onnxruntime.__version__)


def export(layers: Sequence[Layer], params: Mapping[str, Array], shape: Sequence[int]) -> bytes:
    """A model with the input `x` of this shape and the output `y`; nothing is folded, the reader optimises itself."""
    names: dict[Value, str] = {layer.output: f"v{i}" for i, layer in enumerate(layers)}
    names[layers[-1].output] = "y"
    names |= {layer.output: "x" for layer in layers if layer.kind == "input"}
    nodes = [node for layer in layers for node in _nodes(layer, names)]
    used = dict.fromkeys(name for layer in layers if layer.kind != "lstm" for name in layer.params.values())
    arrays = {name: np.asarray(params[name]) for name in used}
    for layer in layers:
        arrays |= _lstm_arrays(layer, params) if layer.kind == "lstm" else {}
    constants = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [shape[0], None])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _nodes(layer: Layer, names: Mapping[Value, str]) -> list[Any]:
    sources, output = [names[s] for s in layer.sources], names[layer.output]
    if layer.kind == "input":
        return []
    if layer.kind == "global_average":
        pooled = f"{output}.pooled"
        return [
            helper.make_node("GlobalAveragePool", sources, [pooled]),
            helper.make_node("Flatten", [pooled], [output], axis=1),
        ]
    if layer.kind == "lstm":
        turned, last = f"{output}.turned", f"{output}.last"
        weights = [layer.params[part] for part in ("weight", "state_weight", "bias")]
        return [
            helper.make_node("Transpose", sources, [turned], perm=[1, 0, 2]),
            helper.make_node("LSTM", [turned, *weights], ["", last], hidden_size=layer.attrs["units"]),
            helper.make_node("Flatten", [last], [output], axis=2),
        ]
    params = [layer.params[part] for part in ("weight", "bias", "mean", "var") if part in layer.params]
    return [helper.make_node(_OPS[layer.kind], [*sources, *params], [output], **_attributes(layer))]


def _lstm_arrays(layer: Layer, params: Mapping[str, Array]) -> dict[str, Array]:
    """ONNX's weights by name: gates in the order i, o, f, g, an axis of directions first, and a second bias."""
    found: dict[str, Array] = {}
    for part, name in layer.params.items():
        i, f, g, o = np.split(np.asarray(params[name]), 4)
        found[name] = np.concatenate([i, o, f, g])[None]
        if part == "bias":
            found[name] = np.concatenate([found[name], np.zeros_like(found[name])], axis=1)
    return found


def _attributes(layer: Layer) -> dict[str, Any]:
    a = layer.attrs
    if layer.kind in ("conv", "max_pool", "avg_pool"):
        found: dict[str, Any] = {"strides": a["stride"], "pads": [p[side] for side in (0, 1) for p in a["pad"]]}
        if layer.kind == "conv":
            return found | {"dilations": a["dilation"], "group": a["groups"]}
        found |= {"kernel_shape": a["kernel"], "ceil_mode": int(a["ceil_mode"])}
        if layer.kind == "avg_pool":
            found["count_include_pad"] = int(a["count_include_pad"])
        return found
    fixed: dict[str, dict[str, Any]] = {
        "dense": {"transB": 1},
        "flatten": {"axis": 1},
        "batchnorm": {"epsilon": a.get("eps")},
        "softmax": {"axis": a.get("axis")},
        "concat": {"axis": a.get("axis")},
    }
    return fixed.get(layer.kind, {})


def inference(model: bytes, image: Array, threads: int, spin: bool = True) -> Callable[[], Array]:
    """One inference with bound input and output. `spin`: idle threads wait actively, the default of onnxruntime; where
    others want the processor too, it is faster without."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spin)))
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    x = onnxruntime.OrtValue.ortvalue_from_numpy(image)
    binding.bind_ortvalue_input("x", x)
    session.run_with_iobinding(_bound_to_any(binding))
    y = onnxruntime.OrtValue.ortvalue_from_numpy(binding.copy_outputs_to_cpu()[0])
    binding.clear_binding_outputs()
    binding.bind_ortvalue_output("y", y)

    def run() -> Array:
        session.run_with_iobinding(binding)
        found: Array = y.numpy()
        return found

    return run


def _bound_to_any(binding: Any) -> Any:
    """The output's shape is known after a first run."""
    binding.bind_output("y")
    return binding
