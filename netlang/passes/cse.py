"""cse: nodes that compute the same thing become one (common-subexpression elimination).

Before                              After
    %0 = exp(%x)                        %0 = exp(%x)
    %1 = exp(%x)                        %1 = add(%0, %0)
    %2 = add(%0, %1)

The one that stays keeps the spans of all. Two draws of random numbers are the same only if key and stream are: then
they are the same numbers.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from netlang.ir.build import Builder
from netlang.ir.graph import Graph, Node, Value, topological
from netlang.ir.opdef import opdef
from netlang.ir.rewrite import Replacement, merged_spans, transform
from netlang.ir.text import print_graph
from netlang.passes.bodies import inside
from netlang.passes.manager import Pass

ORIGIN = "cse"


def run(graph: Graph) -> Graph:
    """Merge all equal nodes."""
    classes = _classes(graph)
    if len(classes) == sum(n.op not in ("input", "param") for n in graph.nodes):
        return graph
    chief = {node: members[0] for members in classes for node in members}
    spans = {members[0]: merged_spans(members) for members in classes if len(members) > 1}
    made: dict[Node, Node] = {}
    originals = iter([n for n in graph.nodes if n.op not in ("input", "param")])

    def rule(build: Builder, node: Node) -> Replacement:
        # The driver offers the nodes in the order of `Graph.nodes`, so the chief of a class comes first.
        original = next(originals)
        first = chief[original]
        if first is original:
            # A constant is read all over the graph; where else it was written tells nobody anything.
            made[first] = node.with_spans(spans[first]) if first in spans and node.op != "const" else node
        return made[first].results

    return transform(graph, rule, ORIGIN)


def _classes(graph: Graph) -> list[list[Node]]:
    """The nodes, those that compute the same put together; inputs and parameters are only equal to themselves."""
    numbering = _Numbering({})
    found: dict[Node, list[Node]] = {}
    for node in graph.nodes:
        chief = numbering.visit(node)
        if node.op not in ("input", "param"):
            found.setdefault(chief, []).append(node)
    return list(found.values())


def numbered(roots: Sequence[Value], given: Mapping[Value, int]) -> dict[Value, int]:
    """A number for every value that `roots` follow from: equal values have equal numbers.

    `given` are inputs with negative numbers, which say which of them are equal.
    """
    numbering = _Numbering(given)
    for node in topological(roots):
        numbering.visit(node)
    return numbering.numbers


class _Numbering:
    """Numbers for values, in the order of the graph; the first node to compute something is the chief of the others."""

    def __init__(self, given: Mapping[Value, int]) -> None:
        self.numbers: dict[Value, int] = dict(given)
        self._chiefs: dict[Hashable, Node] = {}

    def visit(self, node: Node) -> Node:
        """Number the results of a node, and say who its chief is."""
        chief = node
        if node.op not in ("input", "param"):
            key = _key(node, [self.numbers[v] for v in node.inputs])
            chief = self._chiefs.setdefault(key, node)
        for value in node.results:
            if value not in self.numbers:
                same = chief.results[value.index]
                self.numbers[value] = self.numbers[same] if same in self.numbers else len(self.numbers)
        return chief


def _key(node: Node, inputs: Sequence[int]) -> Hashable:
    if "commutative" in opdef(node.op).traits:
        inputs = sorted(inputs)
    attrs = tuple((k, _identity(v)) for k, v in node.attrs.items())
    body = print_graph(node.body, names=False) if node.body is not None else ""
    return node.op, tuple(inputs), attrs, node.types, body


def _identity(attr: Any) -> Hashable:
    """Something equal only for the same attribute: 1, 1.0 and True differ, and so do 0.0 and -0.0."""
    if isinstance(attr, tuple):
        return tuple(map(_identity, attr))
    if isinstance(attr, np.ndarray):
        return str(attr.dtype), attr.shape, attr.tobytes()
    return type(attr), attr.hex() if isinstance(attr, float) else attr


PASS = Pass("cse", inside(run))
