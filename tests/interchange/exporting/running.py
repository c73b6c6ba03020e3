"""Carrying out exported graphs by onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from netlang.interchange.exporting.api import OPSET
from netlang.interchange.exporting.translation import SEED, Translation
from netlang.interchange.exporting.writing import filled
from netlang.ir.graph import Graph
from netlang.ir.module import RNG, Module
from netlang.runtime.samples import random_inputs

Array = NDArray[Any]


def exported(graph: Graph, params: Mapping[str, Array] | None = None, opset: int = OPSET) -> onnx.ModelProto:
    """The model of a graph, found right by ONNX's own checker."""
    return checked(whole(Translation(graph, {}, params or {}, opset)))


def whole(translation: Translation) -> onnx.ModelProto:
    """A model with its weights."""
    return filled(translation.model(), translation.weights)


def checked(model: onnx.ModelProto) -> onnx.ModelProto:
    """A model that ONNX's own checker has found right."""
    onnx.checker.check_model(model, full_check=True)
    return model


def carried_out(model: onnx.ModelProto | str, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """The outputs of a model, or of one in a file, by name; `inputs` are those of the graph that it was made of."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    given_as = model if isinstance(model, str) else model.SerializeToString()
    session = onnxruntime.InferenceSession(given_as, options, providers=["CPUExecutionProvider"])
    given = {i.name: inputs[RNG if i.name == SEED and RNG in inputs else i.name] for i in session.get_inputs()}
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, given), strict=True))


def close(got: Array, wanted: Array, what: str, tolerance: float = 1e-5) -> None:
    """Equal within `tolerance` of the largest value; numbers that are not floats exactly."""
    assert (got.shape, got.dtype) == (wanted.shape, wanted.dtype), what
    if wanted.dtype.kind in "biu":
        np.testing.assert_array_equal(got, wanted, err_msg=what)
        return
    scale = max(float(np.abs(wanted.astype(np.float64)).max(initial=0.0)), 1e-6)
    wide = (a.astype(np.float64) / scale for a in (got, wanted))
    np.testing.assert_allclose(*wide, rtol=0, atol=tolerance, err_msg=what)


def seen(module: Module, net: Graph) -> Graph:
    """A net whose outputs are also the values of the names in its body: where probabilities are all but 0 and 1, what
    they were made of tells more."""
    outputs = dict(net.outputs)
    inside = {v.node for v in (*net.inputs, *net.params)}
    made = set(net.nodes)
    for name, value in module.bound[net.name].items():
        if value.node in made and value.node not in inside:
            outputs.setdefault(name, value)
    return net.replace(outputs=tuple(outputs.items()))


def drawn(net: Graph, sizes: Mapping[str, int]) -> dict[str, Array]:
    """Random inputs of a net, and a seed."""
    inputs = random_inputs(net, sizes)
    return {name: np.array([5, 3]) if name == RNG else array for name, array in inputs.items()}
