"""How ways to carry out layers are measured on a GPU, and that the chosen ones compute what the usual ones do."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Mapping
from statistics import median

import numpy as np

from netlang.backends.base import Array
from netlang.backends.common.choices import Choices, Remembered
from netlang.backends.common.tune import Method
from netlang.backends.cuda.executable import Executable
from netlang.ir.dims import evaluate
from netlang.ir.graph import Graph, Node, Value
from netlang.ir.sizes import check_sizes
from netlang.runtime.arrays import bind_sizes

METHOD = Method(kinds=(("conv", "product", "cell", "weights", "loops"),), calls=10, typical=median, compiling=120.0)
"""A GPU is seldom shared, and its clock goes up and down: what counts of many times is their median. All kinds are
measured at once: a node seldom has choices of several, and if it has, they are taken as they were measured together."""
MOST_BYTES = 1 << 28
"""Results of layers are compared where those of all that are in question take no more than this."""
TOLERANCE = {"float32": 1e-3, "tf32": 3e-2, "f16": 3e-2, "bf16": 0.1}
"""How far results may be apart, as a part of the largest: sums in another order, over all layers before."""

Compile = Callable[[Graph, Choices], Executable]


def strays(
    compile: Compile,
    graph: Graph,
    inputs: Mapping[str, Array],
    params: Mapping[str, Array],
    table: Mapping[str, str],
    nodes: Collection[Node],
    precision: str,
) -> set[Node]:
    """Those of the nodes whose results are others with the choices of `table` than with the usual ones. Not for graphs
    with updates, and not where results take much memory: then none is found."""
    listed = [node for node in graph.nodes if node in nodes]
    values = [value for node in listed for value in node.results if value.dtype.is_float]
    sizes = bind_sizes(graph.inputs, {name: array.shape for name, array in inputs.items()})
    check_sizes(graph, sizes)
    if graph.updates or not values or sum(evaluate(v.type.bytes, sizes) for v in values) > MOST_BYTES:
        return set()
    shown = graph.replace(outputs=tuple((str(i), value) for i, value in enumerate(values)))
    usual, chosen = (compile(shown, way).run(inputs, params) for way in (Choices(), Remembered(table)))
    apart = [v for i, v in enumerate(values) if _apart(usual[str(i)], chosen[str(i)]) > TOLERANCE[precision]]
    for value in apart:
        _warn(value)
    return {value.node for value in apart}


def _apart(usual: Array, other: Array) -> float:
    """The largest difference as a part of the largest number; 0 where the usual numbers are none."""
    if not np.isfinite(usual).all() or not usual.any():
        return 0.0
    if not np.isfinite(other).all():
        return float("inf")
    difference: Array = np.abs(usual.astype(np.float64) - other)
    return float(difference.max() / np.abs(usual).max())


def _warn(value: Value) -> None:
    layer = value.node.name or value.node.op
    warnings.warn(f"the fastest way for {layer} computes something else here and is not taken", stacklevel=2)
