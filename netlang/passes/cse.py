"""cse: nodes that compute the same thing become one (common-subexpression elimination).

Before                              After
    %0 = exp(%x)                        %0 = exp(%x)
    %1 = exp(%x)                        %1 = add(%0, %0)
    %2 = add(%0, %1)

The one that stays keeps the spans of all. Two draws of random numbers are the same only if key and stream are: then
they are the same numbers.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from netlang.ir.build import Builder
from netlang.ir.graph import Graph, Node, Value
from netlang.ir.opdef import opdef
from netlang.ir.rewrite import Replacement, merged_spans, transform
from netlang.ir.text import print_graph
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
    number: dict[Value, int] = {}
    found: dict[Hashable, list[Node]] = {}
    chief: dict[Node, Node] = {}
    for node in graph.nodes:
        if node.op not in ("input", "param"):
            key = _key(node, [number[v] for v in node.inputs])
            members = found.setdefault(key, [])
            members.append(node)
            chief[node] = members[0]
        first = chief.get(node, node)
        for value in node.results:
            number[value] = number.setdefault(first.results[value.index], len(number))
    return list(found.values())


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


PASS = Pass("cse", run)
