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

The kernels of convolutions, pools, loops and concatenations read and write either layout, so the two meet inside them:
a `layout` node in a body says how a tensor is stored on the other side of it, and no tensor is copied only to be stored
another way. What leaves the graph is plain. Of everything else as much is blocked as can be:

- convolutions and pools read and write each tensor as it comes;
- a loop goes over its tensors in one order, so those of its shape are all blocked or all plain;
- a concatenation has the layout of its result, the parts of which are whole blocks; plain inputs are converted when
  they are copied;
- whatever else reads a tensor reads it plain.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from netlang.backends.base import Options
from netlang.backends.common.lowered import loops
from netlang.backends.cpu.kernels import conv, local_response, pool
from netlang.backends.cpu.lower import LoweringContext
from netlang.backends.cpu.target import Target, host
from netlang.ir.build import make_node
from netlang.ir.graph import Graph, Node, Value, frozen
from netlang.ir.rewrite import replace_values
from netlang.ir.types import TensorType
from netlang.passes.bodies import inside
from netlang.passes.manager import Pass

ORIGIN = "layout"
_FLOAT = 4
_POOLS = frozenset({"max_pool", "avg_pool", "sum_pool"})
_KINDS: Mapping[str, str] = {
    **dict.fromkeys(_POOLS, "pool"),
    **dict.fromkeys(conv.CONVOLUTIONS, "conv"),
    "local_response_norm": "response",
    "concat": "concat",
}
"""Which kind of fused node a bare one becomes; others are loops."""


def run(graph: Graph, target: Target | None = None, options: Options | None = None) -> Graph:
    """`graph` with blocked tensors wherever all who read and write them can."""
    context = LoweringContext(graph, target=target or host(), options=options or Options())
    layout = f"c{context.target.lanes(_FLOAT)}"
    chosen = _Choice(context).values()
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


def layout_pass(options: Options, target: Target | None = None) -> Pass:
    """The pass for code that is generated with these options, for this machine if no target is given."""
    return Pass("layout", inside(partial(run, target=target, options=options)), ensures=frozenset({"layout"}))


class _Choice:
    """All that could be blocked, less what somebody would have to read or write otherwise, until nothing changes."""

    def __init__(self, context: LoweringContext) -> None:
        self.context, self.graph = context, context.graph
        self.lanes = context.target.lanes(_FLOAT)
        self._order = {node: i for i, node in enumerate(self.graph.nodes)}
        self.alike: dict[Node, tuple[Value, ...]] = {}
        """The tensors of a loop that have one layout."""
        self.inputs: dict[Node, frozenset[int]] = {}
        """The inputs of a convolution that may be blocked."""
        self.chosen: set[Value] = {v for n in self.graph.nodes for v in self._writable(n) if self._may_be(v)}

    def values(self) -> set[Value]:
        """The values to be blocked."""
        before = -1
        while before != len(self.chosen):
            before = len(self.chosen)
            for value in sorted(self.chosen, key=self._position):
                if not (self._is_written(value) and all(self._is_read(n, value) for n in self.graph.uses[value])):
                    self.chosen.remove(value)
        return self.chosen

    def _position(self, value: Value) -> int:
        return -self._order[value.node]

    def _writable(self, node: Node) -> tuple[Value, ...]:
        """The results that a node's kernel can write in blocks; notes what it can read."""
        if conv.is_convolution(node):
            if not conv.fits(self.context, node):
                return ()
            self.inputs[node] = conv.blockable_inputs(self.context, node)
            return (conv.result_of(node),) if conv.writes_blocks(self.context, node) else ()
        if node.op in _POOLS:
            return (node.out,) if pool.fits(self.context, node) else ()
        if local_response.is_response(node):
            return (node.out,) if local_response.fits(self.context, node) else ()
        if node.op == "concat":
            return (node.out,) if self._at_whole_blocks(node) else ()
        self.alike[node] = loops.in_one_layout(self.context, node)
        return tuple(v for v in self.alike[node] if v.node is node)

    def _may_be(self, value: Value) -> bool:
        """Whether blocks would not be mostly padding, and all who read a value know of layouts."""
        channels = value.shape[1]
        if value in self.graph.escaping or value not in self.graph.uses or not isinstance(channels, int):
            return False
        return 3 * self._padded(channels) <= 4 * channels

    def _padded(self, channels: int) -> int:
        return -(-channels // self.lanes) * self.lanes

    def _at_whole_blocks(self, concat: Node) -> bool:
        """Whether channels of maps are joined, and every input but the last has whole blocks of them."""
        if concat.attrs["axis"] != 1 or concat.out.rank < 3:
            return False
        return all(isinstance(v.shape[1], int) and v.shape[1] % self.lanes == 0 for v in concat.inputs[:-1])

    def _is_written(self, value: Value) -> bool:
        """Whether its maker can write a value in blocks, as things stand."""
        node = value.node
        if node.op == "concat":
            last = node.inputs[-1]
            convertible = last in self.chosen or last.shape[1] % self.lanes == 0
            return convertible and any(v in self.chosen for v in node.inputs)
        return self._is_one(node)

    def _is_read(self, node: Node, value: Value) -> bool:
        """Whether a node can read a value, wherever it is among its inputs, in blocks."""
        if node in self.inputs:
            return all(i in self.inputs[node] for i, v in enumerate(node.inputs) if v == value)
        if node.op == "concat":
            return node.out in self.chosen
        if node.op in _POOLS:
            return pool.fits(self.context, node)
        if local_response.is_response(node):
            return local_response.fits(self.context, node)
        return value in self.alike.get(node, ()) and self._is_one(node)

    def _is_one(self, node: Node) -> bool:
        """Whether the tensors of a loop are all blocked."""
        return all(v in self.chosen for v in self.alike.get(node, ()))


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
    kind = node.attrs["kind"] if node.body else _KINDS.get(node.op, "loop")
    whole = Graph(kind, inputs=tuple(outer), outputs=tuple(outputs))
    attrs: Mapping[str, object] = {"kind": kind}
    stamps: dict[str, Any] = {"spans": node.spans, "name": node.name, "origin": ORIGIN, "device": node.device}
    return make_node("fused", inputs, dict(attrs), body=whole, **stamps)


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
