"""The reference backend: NumPy, straight from the op records. Every other backend is tested against it."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence

import numpy as np

from netlang.backends.base import Array, Observer, Options
from netlang.backends.reference.executor import Plan, run_plan
from netlang.diagnostics import NetError
from netlang.ir.graph import Graph
from netlang.ir.types import DType
from netlang.passes import memory
from netlang.passes.manager import Pass
from netlang.passes.memory import MemoryPlan

__all__ = ["Reference", "ReferenceExecutable", "evaluate"]


class ReferenceExecutable:
    """A graph ready to be evaluated."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._plan = Plan(graph, {})

    def run(
        self, inputs: Mapping[str, Array], params: Mapping[str, Array], observe: Observer | None = None
    ) -> dict[str, Array]:
        """One call, as in `Executable.run`. `observe` is called with every node and its results.

        Raises NetError, at the node's place in the source, for an index out of range.
        """
        outputs, updates = run_plan(self._plan, inputs, params, observe)
        for name, value in updates.items():
            np.copyto(params[name], value)
        return outputs

    def freeze(self, params: MutableMapping[str, Array]) -> None:
        """Nothing: calls read the parameters themselves."""

    def planned_bytes(self, sizes: Mapping[str, int]) -> int:
        """The most bytes of results alive at once, what NumPy takes inside a node apart."""
        return self._plan.peak_bytes(sizes)


class Reference:
    """The backend of that name; it has no passes of its own and uses one thread."""

    name = "reference"
    passes: Sequence[Pass] = ()

    def __init__(self, options: Options | None = None) -> None:
        """It is exact and deterministic as it is. Raises NetError where weights are to be stored otherwise, or factors
        rounded."""
        self.options = (options or Options()).in_float32(self.name)
        if self.options.weights_as is not None:
            raise NetError("target 'reference' keeps weights as they are", hint="targets that can store others: cpu")

    def prepare(self, graph: Graph) -> Graph:
        return graph

    def plan(self, graph: Graph, sizes: Mapping[str, int]) -> MemoryPlan:
        """The results that are alive at once, what NumPy takes inside a node apart."""
        return memory.plan(graph, sizes)

    def compile(self, graph: Graph, *, threads: int | None = None) -> ReferenceExecutable:
        return ReferenceExecutable(graph)


def evaluate(
    graph: Graph,
    inputs: Mapping[str, Array],
    params: Mapping[str, Array] | None = None,
    *,
    dtype: DType | None = None,
    observe: Observer | None = None,
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Outputs and updates of a graph; `params` are left as they are.

    With `dtype` every floating-point tensor of the graph is computed in that type instead of its own: a graph written
    in f32 can be checked against finite differences in f64.
    """
    floats = [t for t in DType if t.is_float]
    retype = {} if dtype is None else {t: dtype for t in floats if t != dtype}
    return run_plan(Plan(graph, retype), inputs, params or {}, observe)
