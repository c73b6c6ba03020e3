"""updates: what changes parameters, element by element, becomes one node for all of them.

Before                                                            After
    %1, %2 = fused(%m1, %d1, %$lr, %w1) {kind = "loop"} {...}         %1, %2, %3, %4 = fused(%m1, %d1, %$lr, %w1,
    %3, %4 = fused(%m2, %d2, %$lr, %w2) {kind = "loop"} {...}                 %m2, %d2, %w2) {kind = "updates"} {...}
    update w1 = %1 ...                                                update w1 = %1 ...

An optimiser has a loop for every parameter, most of them short, and so have the running means of normalisations; on a
GPU each would cost a launch. All of them are carried out after the last gradient, which until then has to be kept.
Nothing is computed in another way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netlang.ir.build import Builder, make_node
from netlang.ir.graph import Graph, Node, Value
from netlang.ir.opdef import opdef
from netlang.ir.rewrite import merged_spans, replace_values
from netlang.passes.manager import Pass

KIND = "updates"
"""Of the fused node."""
ORIGIN = "updates"


def run(graph: Graph) -> Graph:
    """`graph` with its updates in one node, where there are several."""
    return joined(graph, {v for _, v in graph.updates} - {v for _, v in graph.outputs})


def joined(graph: Graph, changed: set[Value]) -> Graph:
    """`graph` with one node for what computes these results alone, where several on a device do."""
    read = {v for node in graph.nodes for v in node.inputs}
    found = [n for n in graph.nodes if changed.issuperset(n.results) and read.isdisjoint(n.results) and _is_loop(n)]
    replaced: dict[Value, Value] = {}
    for device in dict.fromkeys(node.device for node in found):
        own = [node for node in found if node.device == device]
        if len(own) > 1:
            results = [v for node in own for v in node.results]
            replaced.update(zip(results, _together(own).results, strict=True))
    return replace_values(graph, replaced) if replaced else graph


PASS = Pass("updates", run)


def _is_loop(node: Node) -> bool:
    """Whether a node computes results of one shape, element by element, of tensors of that shape and of single
    numbers: a fused loop, or an op alone."""
    if node.op == "fused" and node.attrs["kind"] != "loop":
        return False
    nodes = node.body.nodes if node.body is not None else (node,)
    values = [*node.inputs, *(v for n in nodes for v in n.results)]
    alike = all(v.shape in ((), node.out.shape) for v in values)
    return alike and all("elementwise" in opdef(n.op).traits or n.op in ("input", "const") for n in nodes)


def _together(nodes: list[Node]) -> Node:
    """One node that does what several do."""
    b = Builder(origin=ORIGIN)
    outer = list(dict.fromkeys(v for node in nodes for v in node.inputs))
    leaves = {v: b.input(f"a{i}", v.type) for i, v in enumerate(outer)}
    results = [v for node in nodes for v in _inside(node, leaves)]
    body = Graph(KIND, tuple(leaves.values()), (), tuple((f"r{i}", v) for i, v in enumerate(results)))
    spans, device = merged_spans(nodes), nodes[0].device
    return make_node("fused", outer, {"kind": KIND}, spans=spans, origin=ORIGIN, body=body, device=device)


def _inside(node: Node, leaves: Mapping[Value, Value]) -> Sequence[Value]:
    """The results of a node in the body of the new one."""
    inputs = [leaves[v] for v in node.inputs]
    if node.body is None:
        return node.with_inputs(inputs).results
    inner = replace_values(node.body, dict(zip(node.body.inputs, inputs, strict=True)))
    return [v for _, v in inner.outputs]
