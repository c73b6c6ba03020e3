"""Small ONNX files, made for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from netlang.interchange.importing import Imported, import_onnx

Ports = dict[str, Sequence[int | str] | None]
OPSET = 17


def model(
    *nodes: Any,
    inputs: Ports | None = None,
    outputs: Sequence[str] = ("y",),
    weights: dict[str, Any] | None = None,
    functions: Sequence[Any] = (),
    opset: int = OPSET,
) -> ModelProto:
    """A model of float inputs (default: x [N, 3]), with its initialisers and functions of the domain `own`."""
    ports = {"x": ["N", 3]} if inputs is None else inputs
    graph = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name, dims in ports.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in (weights or {}).items()],
    )
    own = [helper.make_opsetid("own", 1)] if functions else []
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset), *own], functions=functions)


def function(name: str, *nodes: Any) -> Any:
    """A function of the domain `own` from x to y."""
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("own", 1)]
    return helper.make_function("own", name, ["x"], ["y"], nodes, opsets)


def imported(made: ModelProto, folder: Path, **options: Any) -> Imported:
    """What comes of a model as a file of `folder`."""
    path = folder / "made.onnx"
    path.write_bytes(made.SerializeToString())
    return import_onnx(path, **options)
