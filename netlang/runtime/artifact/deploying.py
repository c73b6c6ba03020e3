"""What the compiler puts into a file besides what its backend does: weights, signatures, the source text."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np

from netlang.ir.graph import Graph
from netlang.ir.module import RNG, Module
from netlang.runtime.arrays import ALIGNMENT, Array, port
from netlang.runtime.artifact.signature import Signature
from netlang.runtime.bounds import index_bounds


class Weights:
    """Arrays one after the other, each once however many nets have it; they begin at multiples of 64 bytes."""

    def __init__(self) -> None:
        self._arrays: list[Array] = []
        self._places: dict[int, int] = {}
        self._end = 0

    def add(self, array: Array) -> int:
        """Where an array is, in bytes."""
        if id(array) not in self._places:
            self._places[id(array)] = self._end
            self._arrays.append(array)
            self._end += -(-array.nbytes // ALIGNMENT) * ALIGNMENT
        return self._places[id(array)]

    def body(self) -> Array:
        """The member."""
        whole = np.zeros(self._end, np.uint8)
        for array in self._arrays:
            first = self._places[id(array)]
            whole[first : first + array.nbytes] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        return whole


def net_content(net: Graph, graph: Graph, params: Mapping[str, Array], weights: Weights) -> dict[str, Any]:
    """What a manifest says of a net that is carried out as `graph`."""
    read = [p for p in graph.params if p in graph.uses or any(p == v for _, v in graph.outputs)]
    signature = Signature(
        tuple(port(v.node.name, v.type) for v in net.inputs if v.node.name != RNG),
        tuple(port(name, v.type) for name, v in net.outputs),
        any(v.node.name == RNG for v in graph.inputs),
        tuple((bound.name, bound.size) for bound in index_bounds(net)),
    )
    found = {
        p.node.name: [str(p.dtype), list(p.type.concrete({})), weights.add(params[p.node.name])]
        for p in read
        if prod(p.type.concrete({}))
    }
    return {**signature.content(), "params": found}


def source_content(module: Module) -> dict[str, Any]:
    """What a manifest says of the file that it was made of."""
    return {"name": module.source.name, "text": module.source.text, "sha256": module.fingerprint}
