"""layout: decide which tensors have their channels in blocks of the machine's lanes (`c16`, `c8`, ...).

Before                                                 After
    %0 = fused(%x, %w1, %b1) {kind = "conv"} {             %0 = fused(%x, %w1, %b1) {kind = "conv"} {
      ...                                                    ...
      output r0 = %4 }           f32[N, 64, 56, 56]          %5 = layout(%4) {to = "c16"}
    %1 = max_pool(%0)            f32[N, 64, 28, 28]          output r0 = %5 }        f32[N, 64, 56, 56]:c16
    %2 = reshape(%1)             f32[N, 50176]             %1 = fused(%0) {kind = "pool"} {
                                                             %0 = layout(%a0) {to = ""}
                                                             %1 = max_pool(%0)
                                                             output r0 = %1 }        f32[N, 64, 28, 28]
                                                           %2 = reshape(%1)

The kernels of convolutions and pools read and write either layout, so the two meet inside them: a `layout` node in a
body says how a tensor is stored on the other side of it, and no tensor is copied only to be stored another way. A
tensor is blocked where its maker can write it so and all its readers can read it so; what leaves the graph is plain.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from netlang.backends.base import Options
from netlang.backends.cpu.kernels import conv, local_response, pool
from netlang.backends.cpu.lower import LoweringContext
from netlang.backends.cpu.target import Target, host
from netlang.ir.build import make_node
from netlang.ir.graph import Graph, Node, Value, frozen
from netlang.ir.rewrite import replace_values
from netlang.ir.types import TensorType
from netlang.passes.manager import Pass

ORIGIN = "layout"
_FLOAT = 4
_POOLS = frozenset({"max_pool", "avg_pool", "sum_pool"})
_KINDS: Mapping[str, str] = {**dict.fromkeys(_POOLS, "pool"), "local_response_norm": "response"}
"""Which kind of fused node a bare one becomes; others are convolutions."""


def run(graph: Graph, target: Target | None = None, options: Options | None = None) -> Graph:
    """`graph` with blocked tensors between convolutions and pools."""
    context = LoweringContext(graph, target or host(), options=options or Options())
    layout = f"c{context.target.lanes(_FLOAT)}"
    chosen = {v for n in graph.nodes for v in writable(context, n) if _wanted(context, v)}
    rewritten: dict[Value, Value] = {}
    for node in graph.nodes:
        inputs = tuple(rewritten.get(v, v) for v in node.inputs)
        touched = any(v in chosen for v in (*node.inputs, *node.results))
        current = node.with_inputs(inputs) if inputs != node.inputs else node
        if touched:
            current = _between_layouts(node, inputs, [r in chosen for r in node.results], layout)
        if current is not node:
            rewritten.update(zip(node.results, current.results, strict=True))
    return graph.replace(
        outputs=tuple((name, rewritten.get(v, v)) for name, v in graph.outputs),
        updates=tuple((name, rewritten.get(v, v)) for name, v in graph.updates),
    )


def layout_pass(options: Options) -> Pass:
    """The pass for code that is generated with these options."""
    return Pass("layout", partial(run, options=options), ensures=frozenset({"layout"}))


def _wanted(context: LoweringContext, value: Value) -> bool:
    """Whether everybody who reads a value can read it in blocks, and the blocks are not mostly padding."""
    graph, lanes = context.graph, context.target.lanes(_FLOAT)
    channels = value.shape[1]
    if value in graph.escaping or value not in graph.uses or not isinstance(channels, int):
        return False
    padded = -(-channels // lanes) * lanes
    return 3 * padded <= 4 * channels and all(_reads_blocks(context, n, value) for n in graph.uses[value])


def writable(context: LoweringContext, node: Node) -> tuple[Value, ...]:
    """The results that a node's kernel can write in blocks."""
    if conv.is_convolution(node) and conv.writes_blocks(context, node):
        return (conv.result_of(node),)
    if local_response.is_response(node) and local_response.fits(context, node):
        return (node.out,)
    return (node.out,) if node.op in _POOLS and pool.fits(context, node) else ()


def _reads_blocks(context: LoweringContext, node: Node, value: Value) -> bool:
    """Whether a node's kernel can read `value`, wherever it is among its inputs, in blocks."""
    if conv.is_convolution(node) and conv.fits(context, node):
        readable = conv.blockable_inputs(context, node)
        return all(i in readable for i, v in enumerate(node.inputs) if v == value)
    if local_response.is_response(node):
        return local_response.fits(context, node)
    return node.op in _POOLS and pool.fits(context, node)


def _between_layouts(node: Node, inputs: tuple[Value, ...], blocked: list[bool], layout: str) -> Node:
    """The node as a fused one, whose body changes layouts on the way in and out."""
    inner = _body(node)
    leaves: dict[Value, Value] = {}
    outer: list[Value] = []
    for old, given in zip(inner.inputs, inputs, strict=True):
        leaf = Node("input", (), frozen({}), (given.type,), (), old.node.name, None, ORIGIN).out
        leaves[old] = make_node("layout", [leaf], {"to": ""}, origin=ORIGIN).out if given.type.layout else leaf
        outer.append(leaf)
    body = replace_values(inner, leaves)
    outputs = [
        (name, make_node("layout", [v], {"to": layout}, origin=ORIGIN).out if wanted else v)
        for (name, v), wanted in zip(body.outputs, blocked, strict=True)
    ]
    kind = node.attrs["kind"] if node.body else _KINDS.get(node.op, "conv")
    whole = Graph(kind, inputs=tuple(outer), outputs=tuple(outputs))
    attrs: Mapping[str, object] = {"kind": kind}
    return make_node("fused", inputs, dict(attrs), spans=node.spans, name=node.name, origin=ORIGIN, body=whole)


def _body(node: Node) -> Graph:
    """The body of a fused node, or a graph of the node alone."""
    if node.body is not None:
        return node.body
    inputs = tuple(
        Node("input", (), frozen({}), (TensorType(v.dtype, v.shape),), (), f"a{i}", None, ORIGIN).out
        for i, v in enumerate(node.inputs)
    )
    alone = node.with_inputs(inputs)
    outputs = tuple((f"r{i}", r) for i, r in enumerate(alone.results))
    return Graph(node.op, inputs=inputs, outputs=outputs)
