"""Inputs and parameters for running a graph only to see how long it takes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from netlang.ir.graph import Graph
from netlang.runtime.arrays import Array
from netlang.runtime.bounds import index_bounds
from netlang.runtime.parameters import Store, allocate, initialise


def random_inputs(graph: Graph, sizes: Mapping[str, int]) -> dict[str, Array]:
    """Ordinary numbers for every input, and labels and indices within their bounds."""
    rng = np.random.default_rng(0)
    bounds = {bound.name: bound.size for bound in index_bounds(graph)}
    made: dict[str, Array] = {}
    for value in graph.inputs:
        shape, kind = value.type.concrete(sizes), value.dtype.numpy
        if value.node.name.startswith("$"):
            made[value.node.name] = np.zeros(shape, kind)
        elif value.dtype.is_float:
            made[value.node.name] = rng.normal(size=shape).astype(kind)
        else:
            made[value.node.name] = rng.integers(0, bounds.get(value.node.name, 2), size=shape).astype(kind)
    return made


def initial_params(graph: Graph) -> Store:
    """The parameters as training would begin with them."""
    params = Store((p.node.name, allocate(p)) for p in graph.params)
    initialise(graph.params, 0, params)
    return params
