"""Exporting a net with its weights."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from netlang.diagnostics import NetError
from netlang.ir.module import Module
from netlang.ir.opdef import Array
from netlang.runtime.model import Model

if TYPE_CHECKING:
    from onnx import ModelProto

    from netlang.interchange.exporting.translation import Translation

OPSET = 20
"""The version of ONNX's operators that is written where nobody says: what most tools read."""
OPSETS = range(18, 24)
"""The versions that can be written."""


def export_onnx(model: Model, path: str | os.PathLike[str], opset: int = OPSET) -> int:
    """Write the net of a model with its weights as an ONNX file; returns the bytes.

    Weights of more than 2 GB go into a file beside it, `<path>.data`. Raises NetError where the model has no weights
    yet, for what ONNX cannot say, and where the package `onnx` is missing.
    """
    parameters = model.parameters
    if not model.family.ready:
        raise NetError(
            "the model has no weights to export", hint="load_weights(path) reads some, init(seed) makes new ones"
        )
    return export_net(path, model.module, model.name, {name: parameters[name] for name in parameters}, opset)


def export_net(
    path: str | os.PathLike[str], module: Module, net: str, arrays: Mapping[str, Array], opset: int = OPSET
) -> int:
    """Write a net of a file as `export_onnx` does; `arrays` are its parameters by their names in the net."""
    translation = _translation(module, net, arrays, opset)
    from netlang.interchange.exporting.writing import write

    return write(translation.model(), translation.weights, path)


def onnx_model(module: Module, net: str, arrays: Mapping[str, Array], opset: int = OPSET) -> ModelProto:
    """A net of a file as an ONNX model with its weights, of less than 2 GB. Raises NetError as `export_onnx` does."""
    translation = _translation(module, net, arrays, opset)
    from netlang.interchange.exporting.writing import filled

    return filled(translation.model(), translation.weights)


def _translation(module: Module, net: str, arrays: Mapping[str, Array], opset: int) -> Translation:
    if opset not in OPSETS:
        raise NetError(f"there is no opset {opset} to write", hint=f"from {OPSETS[0]} to {OPSETS[-1]} can be written")
    try:
        from netlang.interchange.exporting.translation import Translation
    except ImportError as fault:
        if fault.name is None or fault.name.split(".")[0] != "onnx":
            raise
        hint = "pip install 'netlang[onnx]'"
        raise NetError("exporting needs the package 'onnx', which is not installed", hint=hint) from fault
    return Translation(module.nets[net], module.bound.get(net, {}), arrays, opset)
