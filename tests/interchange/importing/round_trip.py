"""Nets taken out to ONNX and brought back in: what comes back is the same net, and goes out and in as the same text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import netlang
from netlang.frontend import load
from netlang.interchange.exporting.api import OPSET, export_net
from netlang.interchange.importing import Imported, import_onnx
from netlang.ir.module import Module
from tests.interchange.exporting.running import carried_out, close

Array = NDArray[Any]


def module_of(text: str) -> Module:
    return load(text, "net.net")


def random_weights(module: Module) -> dict[str, Array]:
    """Numbers for all parameters of a net; variances are positive."""
    rng = np.random.default_rng(1)
    found = {}
    for param in module.net.params:
        array = rng.normal(0, 0.3, param.type.concrete({}))
        positive = param.node.name.endswith("running_var")
        found[param.node.name] = np.asarray(np.abs(array) + 0.5 if positive else array, param.dtype.numpy)
    return found


def exported(module: Module, weights: Mapping[str, Array], path: Path) -> Path:
    export_net(str(path), module, module.net.name, weights, OPSET)
    return path


def brought_back(text: str, folder: Path) -> Imported:
    """The import of a net's export, which is held to onnxruntime and to being the same a second time."""
    module = module_of(text)
    first = exported(module, random_weights(module), folder / "first.onnx")
    found = import_onnx(first)
    _held_to_oracle(found, first, folder)
    _held_to_itself(found, folder)
    return found


def _held_to_itself(found: Imported, folder: Path) -> None:
    """import -> export -> import gives the same text and the same weights."""
    again = import_onnx(exported(module_of(found.text), found.weights, folder / "second.onnx"))
    assert again.text == found.text
    assert list(again.weights) == list(found.weights)
    for name, array in found.weights.items():
        np.testing.assert_array_equal(again.weights[name], array, err_msg=name)


def _held_to_oracle(found: Imported, path: Path, folder: Path) -> None:
    found.write(folder / "back.net")
    model = netlang.compile(folder / "back.net", target="reference")
    if found.weights:
        model.load_weights(folder / "back.safetensors")
    rng = np.random.default_rng(2)
    inputs = {}
    for value in model.net.inputs:
        shape = value.type.concrete(dict.fromkeys([*"NTHWha"], 3))
        array = rng.integers(0, 5, shape) if value.dtype.is_int else rng.normal(0, 1, shape)
        inputs[value.node.name] = np.asarray(array, value.dtype.numpy)
    result = model(**inputs)
    named = result if isinstance(result, Mapping) else {next(iter(found.outputs.values())): result}
    given = {theirs: inputs[ours] for theirs, ours in found.inputs.items()}
    for theirs, array in carried_out(str(path), given).items():
        close(np.asarray(named[found.outputs[theirs]]), array, theirs, 1e-4)
