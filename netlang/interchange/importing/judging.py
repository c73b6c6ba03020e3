"""Whose fault it is that a node cannot be translated: the file's, if ONNX's own rules refuse the node as well."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from netlang.interchange.importing.items import Anything, Items, Nothing
from netlang.interchange.importing.known import Known
from netlang.interchange.importing.node import Node, OnnxGraph
from netlang.interchange.importing.sheet import Tensor
from netlang.interchange.proto import brief, onnx_package

_LARGEST = 1 << 16
"""Elements of a known input that the rules are told."""


def complaint(node: Node, values: Sequence[Anything | None], version: int) -> str:
    """What ONNX's shape inference says against a node with these inputs; "" where it does not mind them, or cannot be
    asked."""
    onnx = onnx_package()
    if any(isinstance(part, OnnxGraph | Items | Nothing) for part in (*node.attributes.values(), *values)):
        return ""
    try:
        model = _model(node, values, version)
    except (KeyError, TypeError, ValueError):
        return ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    except onnx.shape_inference.InferenceError as fault:
        return brief(" ".join(str(fault).split()))
    return ""


def _model(node: Node, values: Sequence[Anything | None], version: int) -> Any:
    """The node alone, as a model."""
    helper = onnx_package().helper
    names = [f"i{place}" if value is not None else "" for place, value in enumerate(values)]
    outputs = [f"o{place}" if name else "" for place, name in enumerate(node.outputs)]
    attributes = {key: _attribute(value) for key, value in node.attributes.items()}
    inputs, constants = [], []
    for name, value in zip(names, values, strict=True):
        if isinstance(value, Tensor):
            inputs.append(_port(name, value.dtype.numpy, value.shape))
        elif isinstance(value, Known):
            array = value.array
            if array.dtype == object or array.size > _LARGEST:
                inputs.append(_port(name, "int64" if array.dtype == object else array.dtype, array.shape))
            else:
                constants.append(onnx_package().numpy_helper.from_array(array, name))
    made = helper.make_node(node.op, names, outputs, domain=node.domain, **attributes)
    graph = helper.make_graph([made], "alone", inputs, [], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid(node.domain, version)])


def _attribute(value: Any) -> Any:
    return onnx_package().numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value


def _port(name: str, dtype: Any, shape: Sequence[Any]) -> Any:
    helper = onnx_package().helper
    kind = helper.np_dtype_to_tensor_dtype(dtype)
    return helper.make_tensor_value_info(name, kind, [d if isinstance(d, int) else str(d) for d in shape])
