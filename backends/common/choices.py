"""How lowerings choose: one offers its candidates with what the model of costs says of them, a chooser picks.

    block = context.pick("tile", [Candidate("1x14", 1.02), Candidate("2x7", 1.10)])

A `kind` names what is chosen; a node may choose several kinds. Whatever is picked computes the same, in another way.
Where a choice waits until sizes are known, these are given too: what is measured for some sizes says nothing of others.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from types import MappingProxyType

from netlang.backends.common.numbers import Sizes
from netlang.ir.graph import Graph, Node
from netlang.ir.text import print_graph

NO_SIZES: Sizes = MappingProxyType({})
NEAR = 2.0
"""Candidates that are estimated to cost more than so many times the cheapest are not worth a measurement."""
MOST = 4
"""So many candidates of a layer are measured."""


@dataclass(frozen=True)
class Candidate:
    """A way to carry a layer out.

    cost      an estimate, in a unit that all candidates of a layer share
    family    the algorithm, where there are several
    """

    name: str
    cost: float
    family: str = ""


Pick = Callable[[Sequence[Candidate]], str]


def cheapest(candidates: Sequence[Candidate]) -> str:
    """The name of the candidate of the least cost, the first of several."""
    return min(candidates, key=lambda c: c.cost).name


def near_best(candidates: Sequence[Candidate]) -> list[str]:
    """The candidates that are worth a measurement, the cheapest first: the best of several families, between which an
    estimate is least certain, and then whatever is near."""
    ranked = sorted(candidates, key=lambda c: c.cost)
    near = [c for c in ranked if c.cost <= NEAR * ranked[0].cost]
    firsts = [c for i, c in enumerate(near) if all(c.family != other.family for other in near[:i])]
    chosen = list(dict.fromkeys([*firsts[: MOST - 1], *near]))[:MOST]
    return [c.name for c in near if c in chosen]


class Choices:
    """The model of costs decides."""

    def pick(
        self, graph: Graph, node: Node, kind: str, candidates: Sequence[Candidate], sizes: Sizes = NO_SIZES
    ) -> str:
        """The name of the candidate to take for a node of a graph."""
        return cheapest(candidates)


@dataclass
class Remembered(Choices):
    """What was measured decides where there is something, by the name of the problem, else the model of costs."""

    table: Mapping[str, str]
    _names: dict[Node, str] = field(default_factory=dict)

    def pick(
        self, graph: Graph, node: Node, kind: str, candidates: Sequence[Candidate], sizes: Sizes = NO_SIZES
    ) -> str:
        if self.table and len(candidates) > 1:
            found = self.table.get(self.problem(graph, node, kind, sizes))
            if any(c.name == found for c in candidates):
                assert found is not None
                return found
        return cheapest(candidates)

    def problem(self, graph: Graph, node: Node, kind: str, sizes: Sizes = NO_SIZES) -> str:
        """The same for all nodes that do the same work."""
        if node not in self._names:
            self._names[node] = problem_name(graph, node)
        return " ".join([kind, self._names[node], *(f"{name}={sizes[name]}" for name in sorted(sizes))])


@dataclass
class Trial(Remembered):
    """For all choices of these `kinds` the candidate of some `rank` is taken, or the best one where there are fewer.

    offers    by problem, the candidates that are worth a measurement
    owners    by problem, the nodes that offered them
    """

    kinds: Collection[str] = ()
    rank: int = 0
    offers: dict[str, list[str]] = field(default_factory=dict)
    owners: dict[str, set[Node]] = field(default_factory=dict)

    def pick(
        self, graph: Graph, node: Node, kind: str, candidates: Sequence[Candidate], sizes: Sizes = NO_SIZES
    ) -> str:
        usual = super().pick(graph, node, kind, candidates, sizes)
        if kind not in self.kinds:
            return usual
        problem, near = self.problem(graph, node, kind, sizes), near_best(candidates)
        # What a node chooses several times it chooses by one name, the first time's.
        near = self.offers.get(problem, near)
        if len(near) < 2:
            return usual
        self.offers[problem] = near
        self.owners.setdefault(problem, set()).add(node)
        name = near[self.rank] if self.rank < len(near) else near[0]
        return name if any(c.name == name for c in candidates) else usual


def problem_name(graph: Graph, node: Node) -> str:
    """A name for the work of a node: op, attributes, types, whatever is fused, and whether its weights change."""
    types = ", ".join(str(v.type) for v in (*node.inputs, *node.results))
    what = print_graph(node.body, names=False) if node.body is not None else repr(sorted(node.attrs.items()))
    text = f"{node.op}({types}) {what} {'training' if graph.updates else 'inference'}"
    return sha256(text.encode()).hexdigest()[:24]
