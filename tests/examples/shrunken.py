"""Small copies of the nets of the example family, with data and weights to try them with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.family.records import Family, Net, families
from netlang.frontend import load
from netlang.ir.build import Builder
from netlang.ir.gradient import adjoints
from netlang.ir.graph import Graph, Value
from netlang.ir.module import LOSS, Module, TrainSpec
from netlang.ir.rewrite import replace_values
from netlang.runtime.samples import initial_params, random_inputs

Array = NDArray[Any]


@dataclass(frozen=True)
class Case:
    """One net of a family."""

    family: Family
    net: Net

    @property
    def name(self) -> str:
        return f"{self.family.name}/{self.net.title}".replace(" = ", "=").replace(" ", ":")

    @property
    def shrunk(self) -> Mapping[str, Any]:
        """The arguments that make the small copy."""
        return {**self.net.arguments, **self.net.shrunk}


CASES = tuple(Case(family, net) for family in families() for net in family.nets)


def distinct() -> tuple[Case, ...]:
    """The cases whose small copies differ: those of nets that differ in depth alone may be one."""
    found = {(c.family.path(c.net.file), c.net.net, str(sorted(c.shrunk.items()))): c for c in reversed(CASES)}
    return tuple(reversed(found.values()))


def whole(case: Case) -> Module:
    """The file as it is."""
    return load(case.family.path(case.net.file), arguments=case.net.arguments)


def small(case: Case) -> Module:
    """The file with the values that make it small."""
    return load(case.family.path(case.net.file), arguments=case.shrunk)


def chosen(module: Module, case: Case) -> Graph:
    """The net of the file that the case is about."""
    return module.nets[case.net.net] if case.net.net else module.net


def recipes(module: Module, net: Graph) -> tuple[TrainSpec, ...]:
    """How the net's weights are trained: none, one, or several phases. What learns by `update` alone is left out."""
    if all(p.node.attrs["role"] != "weight" for p in net.params):
        return ()
    return tuple(spec for spec in module.phases.values() if spec.graph.name == net.name)


def scalar_loss(net: Graph) -> Graph:
    """A net that is not trained in its file, with half the sum of squares of its outputs as the loss."""
    total: Value | None = None
    for _, value in net.outputs:
        if value.dtype.is_float:
            make = Builder(value.node.spans, value.node.name)
            squares = make.scale(make.sum(make.mul(value, value), range(value.rank)), 0.5)
            total = squares if total is None else make.add(total, squares)
    return net.replace(outputs=((LOSS, total),) if total is not None else (), updates=())


def losses(case: Case) -> list[tuple[str, Graph]]:
    """The small copy's loss in each of its trainings; of its outputs where it has none."""
    module = small(case)
    net = chosen(module, case)
    trained = [(spec.name, spec.graph) for spec in recipes(module, net)]
    return trained or [("outputs", scalar_loss(net))]


def held(graph: Graph) -> tuple[Graph, Graph]:
    """(graph whose outputs are what `stop_gradient` holds still, graph that takes those values as inputs).

    The gradient of a loss with `stop_gradient` is the slope of the loss while the values held still do not move.
    """
    stopped = [node for node in graph.nodes if node.op == "stop_gradient"]
    values = graph.replace(outputs=tuple((f"held{i}", n.out) for i, n in enumerate(stopped)), updates=())
    places = {n.out: Builder().input(f"held{i}", n.out.type) for i, n in enumerate(stopped)}
    swapped = replace_values(graph, places)
    return values, swapped.replace(inputs=(*swapped.inputs, *places.values()))


def gradient_graph(graph: Graph) -> Graph:
    """The gradient of the loss by every weight that it depends on, under the weights' names."""
    weights = [p for p in graph.params if p.node.attrs["role"] == "weight"]
    loss = graph.output(LOSS)
    found = adjoints(loss, weights)
    outputs = tuple((p.node.name, g) for p, g in zip(weights, found, strict=True) if g is not None)
    return graph.replace(outputs=outputs, updates=())


def sizes(graph: Graph, given: Mapping[str, int]) -> dict[str, int]:
    """A size for every symbolic dim: those given, and 6 for the rest."""
    return {name: given.get(name, 6) for name in graph.symbols}


def data_for(graph: Graph, given: Mapping[str, int]) -> tuple[dict[str, Array], dict[str, Array]]:
    """Random inputs and the initial weights of a graph."""
    return random_inputs(graph, sizes(graph, given)), dict(initial_params(graph))


def exact(params: Mapping[str, Array]) -> dict[str, Array]:
    """Float parameters in double precision."""
    return {n: a.astype(np.float64) if a.dtype.kind == "f" else a for n, a in params.items()}
