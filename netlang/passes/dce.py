"""dce: what nobody reads is gone (dead-code elimination).

Before                                                  After
    %0: f32[N], %1: f32[N] = fused(%x, %y) {              %0: f32[N] = fused(%x) {
      input %a: f32[N]                                      input %a: f32[N]
      input %b: f32[N]                                      %0: f32[N] = exp(%a)
      %0: f32[N] = exp(%a)                                  output e = %0
      %1: f32[N] = add(%a, %b)                            }
      output e = %0                                       output y = %0
      output s = %1
    }
    output y = %0
    update w = %w

A node nobody reads is not part of a graph in the first place. This pass removes results and inputs of fused nodes and
of loops, with the states of a loop that only feed themselves; the switch of a max pool whose positions nobody wants;
and updates that change nothing. Inputs and parameters stay listed: they are the graph's signature.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from netlang.ir.build import Builder
from netlang.ir.graph import Graph, Node, Value, topological
from netlang.ir.scan import SCAN, Loop
from netlang.passes.manager import Pass

ORIGIN = "dce"


def run(graph: Graph) -> Graph:
    """Remove everything dead; `graph` itself where nothing is."""
    updates = tuple((n, v) for n, v in graph.updates if not (v.node.op == "param" and v.node.name == n))
    if len(updates) != len(graph.updates):
        graph = graph.replace(updates=updates)
    slimmed = _slim_nodes(graph)
    if all(new is node for node, (new, _) in slimmed.items()):
        return graph
    done: dict[Value, Value] = {}
    for node in graph.nodes:
        if node in slimmed:
            new, places = slimmed[node]
            moved = _with(new, done)
            done.update({node.results[old]: moved.results[i] for i, old in enumerate(places)})
    return graph.replace(
        outputs=tuple((n, done[v]) for n, v in graph.outputs), updates=tuple((n, done[v]) for n, v in graph.updates)
    )


def _with(node: Node, done: Mapping[Value, Value]) -> Node:
    inputs = tuple(done[v] for v in node.inputs)
    return node if inputs == node.inputs else node.with_inputs(inputs)


def _slim_nodes(graph: Graph) -> dict[Node, tuple[Node, tuple[int, ...]]]:
    """For every live node what is left of it, and which of its results those are. Dead nodes are left out."""
    live = set(graph.roots)
    found: dict[Node, tuple[Node, tuple[int, ...]]] = {}
    for node in reversed(graph.nodes):
        wanted = tuple(i for i, v in enumerate(node.results) if v in live)
        if wanted or node.op in ("input", "param"):
            found[node] = _slim(node, wanted)
            live.update(found[node][0].inputs)
    return found


def _slim(node: Node, wanted: tuple[int, ...]) -> tuple[Node, tuple[int, ...]]:
    if node.op == "max_pool_switch" and wanted == (0,):
        return Builder(node.spans, node.name, ORIGIN).node("max_pool", *node.inputs, **node.attrs), wanted
    if node.body is None:
        return node, tuple(range(len(node.types)))
    if node.op == SCAN:
        return _slim_scan(node, wanted)
    body = node.body
    if len(wanted) < len(node.types):
        body = body.replace(outputs=tuple(body.outputs[i] for i in wanted))
    body = run(body)
    reached = set(topological(body.roots))
    kept = [i for i, v in enumerate(body.inputs) if v.node in reached]
    if body is node.body and len(kept) == len(node.inputs):
        return node, wanted
    body = body.replace(inputs=tuple(body.inputs[i] for i in kept))
    types = tuple(node.types[i] for i in wanted)
    return replace(node, inputs=tuple(node.inputs[i] for i in kept), types=types, body=body), wanted


def _slim_scan(node: Node, wanted: tuple[int, ...]) -> tuple[Node, tuple[int, ...]]:
    """Without what is emitted for nobody, states that only feed themselves, and what no step reads then."""
    loop = Loop.of(node)
    count = len(loop.states)
    live = [i for i in wanted if i < count]
    emitted = tuple(i for i in wanted if i >= count)
    while True:
        roots = [value for i, value in enumerate(loop.made) if i in live or i in emitted]
        reached = set(topological(roots))
        fed = [i for i, state in enumerate(loop.states) if i in live or state.node in reached]
        if fed == live:
            break
        live = fed
    places = (*live, *emitted)
    body = run(node.body.replace(outputs=tuple(node.body.outputs[i] for i in places))) if node.body else Graph("")
    reached = set(topological(body.roots))
    slices = [i for i, v in enumerate(loop.slices) if v.node in reached]
    shared = [i for i, v in enumerate(loop.shared) if v.node in reached]
    made = tuple(v for _, v in body.outputs)
    slim = replace(
        loop,
        initial=tuple(loop.initial[i] for i in live),
        states=tuple(loop.states[i] for i in live),
        sequences=tuple(loop.sequences[i] for i in slices),
        slices=tuple(loop.slices[i] for i in slices),
        constants=tuple(loop.constants[i] for i in shared),
        shared=tuple(loop.shared[i] for i in shared),
        following=made[: len(live)],
        emitted=made[len(live) :],
    )
    if slim == loop:
        return node, places
    return slim.build(Builder(node.spans, node.name, node.origin)), places


PASS = Pass("dce", run)
