"""ONNX to `.net`: a file's graph as a net that a person can read, and its weights by the names they have there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from netlang.diagnostics import NetError
from netlang.frontend import load
from netlang.frontend.printing import text_of_file
from netlang.interchange.importing.flat import flat_file, living
from netlang.interchange.importing.importer import Importer
from netlang.interchange.importing.inlining import inlined
from netlang.interchange.importing.known import Known
from netlang.interchange.importing.node import graph_of
from netlang.interchange.importing.operator import Needed
from netlang.interchange.importing.sheet import Line, Refused, Sheet, identifier
from netlang.interchange.importing.structure import structured
from netlang.interchange.proto import opsets, read_model
from netlang.ir.module import Module
from netlang.runtime.files import replacing
from netlang.runtime.ports import Array
from netlang.runtime.weights import save


@dataclass(frozen=True)
class Imported:
    """A network that was imported.

    text       the `.net` file
    weights    arrays by the names of the net's parameters
    inputs     the file's names of inputs -> those of the net
    outputs    likewise of outputs; those without elements are in `empty`, by the file's names
    nodes      how many there were in the file, `folded` of which were carried out rather than written
    """

    text: str
    weights: Mapping[str, Array]
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    nodes: int
    folded: int
    empty: Mapping[str, Array] = field(default_factory=dict)

    def write(self, path: str | os.PathLike[str], weights: str | os.PathLike[str] | None = None) -> None:
        """Write the net, and its weights to `weights` (default: beside it, `.safetensors`): both or neither.

        Raises NetError.
        """
        target = Path(path)
        beside = Path(weights) if weights else target.with_suffix(".safetensors")
        for place in (target, beside):
            if place.is_dir():
                raise NetError(f"cannot write {place}: it is a folder")
        if target.absolute() == beside.absolute():
            raise NetError(f"the net and its weights cannot both be {target}")
        with replacing(target) as temporary:
            temporary.write_text(self.text, encoding="utf-8")
            if self.weights:
                save(beside, self.weights, {})


def import_onnx(
    path: str | os.PathLike[str],
    *,
    name: str = "",
    sizes: Mapping[str, int] | None = None,
    batch: int | None = None,
    values: Mapping[str, Array] | None = None,
    flat: bool = False,
) -> Imported:
    """The network of an ONNX file.

    name    of the net; default: the graph's own, or the file's
    sizes   numbers for named sizes of its inputs
    batch   a number for the first size of every input
    values  inputs that are given their value now, as an operator may need it to know a shape
    flat    a line for each operation, no blocks

    Raises NetError for a file that is damaged, asks for what netlang has not, or needs a value (NeededValue).
    """
    model = read_model(path)
    versions = opsets(model, path)
    try:
        graph = graph_of(inlined(model), Path(path).parent)
        graph = graph if batch is None else graph.with_batch(batch)
        sheet = Sheet(net_name(name or graph.name, path))
        importer = Importer(sheet, versions, sizes or {}, values or {})
        results = importer.whole(graph)
        empty = {k: r.array for k, r in results.items() if isinstance(r, Known) and r.array.size == 0}
        outputs = _outputs(sheet, {k: r for k, r in results.items() if k not in empty})
    except NetError as fault:
        if isinstance(fault.__cause__, Needed):
            raise NeededValue(str(path), fault, fault.__cause__.name) from None
        told = fault.diagnostics[0]
        raise NetError(f"{path}: {told.message}", hint=told.hint) from None
    text, weights = _text(sheet, flat) if outputs else ("", {})
    return Imported(text, weights, importer.inputs, outputs, sum(1 for _ in graph.everything()), importer.folded, empty)


class NeededValue(NetError):
    """An operator has to know the elements of `name` while the network is imported; if that is an input, it can be
    given its value."""

    def __init__(self, path: str, fault: NetError, name: str) -> None:
        told = fault.diagnostics[0]
        super().__init__(f"{path}: {told.message}", hint=told.hint)
        self.name = name


def net_name(name: str, path: str | os.PathLike[str]) -> str:
    """An identifier for the net."""
    plain = identifier(name)
    return identifier(Path(path).stem) if plain in ("x", "graph", "main_graph", "torch_jit") else plain


def _outputs(sheet: Sheet, results: Mapping[str, object]) -> dict[str, str]:
    found = {}
    for name, result in results.items():
        try:
            tensor = sheet.tensor(result, name)  # type: ignore[arg-type]
            found[name] = sheet.output(name, tensor)
        except Refused as fault:
            raise NetError(f"output '{name}': {fault}", hint=fault.hint) from None
    return found


def _text(sheet: Sheet, flat: bool) -> tuple[str, dict[str, Array]]:
    """The file and its weights: the i-th parameter that the file creates is the i-th of the lines."""
    lines = living(sheet.lines)
    if flat:
        file = flat_file(sheet.net, lines, sheet.blocks)
    else:
        file, lines = structured(sheet, lines)
    text = text_of_file(file)
    return text, named_weights(load(text, f"{sheet.net}.net"), lines)


def named_weights(module: Module, lines: list[Line]) -> dict[str, Array]:
    """The arrays of the lines by the names that the parameters of the net have."""
    arrays = [weight.array for line in lines for weight in line.weights]
    params = module.net.params
    assert len(params) == len(arrays), (len(params), len(arrays))
    named = {}
    for param, array in zip(params, arrays, strict=True):
        assert param.shape == array.shape, (param.node.name, param.shape, array.shape)
        named[param.node.name] = np.ascontiguousarray(array, param.dtype.numpy).reshape(array.shape)
    return named
