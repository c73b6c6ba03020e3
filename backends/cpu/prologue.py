"""prologue: a loop over a map that only a 1x1 convolution reads becomes part of that convolution.

Before                                                  After
    %1 = fused(%0, %scale, %shift) {kind = "loop"} {        %2 = fused(%0, %w, %scale, %shift) {kind = "conv"} {
      ... mul, add, relu ... }    f32[N, 96, 56, 56]:c16      ... mul, add, relu, conv ... }
    %2 = fused(%1, %w) {kind = "conv"} {
      ... conv ... }

So it is with every layer of DenseNet. The map is read once instead of twice and never written: the convolution's kernel
takes the rows of a task through the loop into its cache, from where all groups of output channels read them. What the
loop may be is `Chain.prologue`; which convolutions can do it is `conv.fits`. Layouts must have been decided.
"""

from __future__ import annotations

from functools import partial

from netlang.backends.base import Options
from netlang.backends.cpu.kernels import conv
from netlang.backends.cpu.lower import LoweringContext
from netlang.backends.cpu.target import Target, host
from netlang.ir.build import Builder, make_node
from netlang.ir.graph import Graph, Node, Value
from netlang.ir.rewrite import merged_spans, replace_values, sole_reader
from netlang.passes.bodies import inside
from netlang.passes.manager import Pass

ORIGIN = "prologue"


def run(graph: Graph, target: Target | None = None, options: Options | None = None) -> Graph:
    """`graph` with loops inside the convolutions that read them."""
    context = LoweringContext(graph, target=target or host(), options=options or Options())
    found: dict[Value, Value] = {}
    for node in graph.nodes:
        joined = _joined(context, node)
        if joined is not None:
            found.update(zip(node.results, joined.results, strict=True))
    return replace_values(graph, found)


def prologue_pass(options: Options, target: Target | None = None) -> Pass:
    """The pass for code that is generated with these options, for this machine if no target is given."""
    return Pass("prologue", inside(partial(run, target=target, options=options)), requires=frozenset({"layout"}))


def _joined(context: LoweringContext, node: Node) -> Node | None:
    """A convolution with the loop that makes its map; None where there is none that it can do."""
    if node.op != "fused" or node.attrs["kind"] != "conv" or not node.inputs[0].type.layout:
        return None
    loop = node.inputs[0].node
    if loop.op != "fused" or loop.attrs["kind"] != "loop" or len(loop.results) != 1:
        return None
    if sole_reader(context.graph, loop.out) is not node:
        return None
    made = _together(loop, node)
    return made if conv.fits(context, made) else None


def _together(loop: Node, node: Node) -> Node:
    """One node that does both, with the loop's map as its first input and the loop's other inputs as its last ones."""
    assert loop.body is not None and node.body is not None
    b = Builder(origin=ORIGIN)
    maps = [v for v in loop.inputs if v.type.layout]
    outer = list(dict.fromkeys((*maps, *node.inputs[1:], *loop.inputs)))
    leaves = {v: b.input(f"a{i}", v.type) for i, v in enumerate(outer)}
    first = _inlined(loop.body, [leaves[v] for v in loop.inputs])
    body = _inlined(node.body, [first.outputs[0][1], *(leaves[v] for v in node.inputs[1:])])
    whole = Graph("conv", inputs=tuple(leaves.values()), outputs=_without_detours(body).outputs)
    return make_node(
        "fused",
        outer,
        dict(node.attrs),
        spans=merged_spans([node, loop]),
        name=node.name,
        origin=ORIGIN,
        body=whole,
        device=node.device,
    )


def _inlined(body: Graph, inputs: list[Value]) -> Graph:
    """A body whose inputs are these values."""
    return replace_values(body, dict(zip(body.inputs, inputs, strict=True)))


def _without_detours(body: Graph) -> Graph:
    """A body where nothing is brought into blocks only to be read plain again."""
    detours = {
        n.out: n.inputs[0].node.inputs[0]
        for n in body.nodes
        if n.op == "layout" and not n.attrs["to"] and n.inputs[0].node.op == "layout"
    }
    return replace_values(body, detours)
