"""Which values are slices of others: a concatenation of channels that are computed where they belong copies nothing.

Before                                             After
    %2 = concat(%0, %1)   [N, 96, 28, 28]              %0 is channels 0 to 64 of %3, %1 is channels 64 to 96 of it,
    %3 = concat(%2, %x)   [N, 112, 28, 28]             %2 channels 0 to 96; only the graph's input %x is copied

A value that lies in another has an image pitch that is not its own size, so whoever writes or reads it must ask for
that: `Sliceable` says who does. An input of a concatenation is copied instead where

- it is nobody's result: an input or parameter of the graph, a constant, a view;
- it leaves the graph, or lies in another concatenation already, or at another place of this one;
- its maker, or one of its readers, cannot deal with slices;
- it is stored in another layout than the whole, or would begin inside a block of channels.

Taking channels out of a value (the gradient of a concatenation) copies nothing either, where all readers can deal with
slices: the result lies where it was.

Nothing is overwritten: parts of a whole do not overlap, and the memory plan keeps a whole from its first part to the
last reader of any of them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from netlang.backends.common.context import Context, Slice, block_of, stored_shape
from netlang.backends.common.lowerings import Sliceable
from netlang.ir.dims import Dim, size
from netlang.ir.graph import Graph, Node, Value
from netlang.passes.memory import VIEWS

C = TypeVar("C", bound=Context)

_NOBODYS = frozenset({"input", "param", "const", *VIEWS})


def concat_of(node: Node) -> Node | None:
    """The concatenation that a node is, bare or between layouts."""
    if node.op == "fused" and node.attrs["kind"] == "concat":
        assert node.body is not None
        return next(n for n in node.body.nodes if n.op == "concat")
    return node if node.op == "concat" else None


def part_of(context: Context, whole: Value, channel: Dim) -> Slice:
    """Where a part of `whole` (a slice itself, perhaps) is that begins at a channel: an index of axis 1."""
    channels = channel * size(whole.shape[2:])
    found = context.slices.get(whole)
    if found is None:
        return Slice(whole, channels, size(stored_shape(whole.type)[1:]))
    return Slice(found.whole, found.start + channels, found.pitch)


def with_slices(context: C) -> C:
    """A context like this one in which `slices` are found. Nothing must have been lowered yet."""
    finder = _Finder(context.fresh())
    # Later concatenations come first, so that a chain of them ends in one whole.
    for node in reversed(context.graph.nodes):
        concat = concat_of(node)
        if concat is not None and concat.attrs["axis"] == 1:
            finder.visit(node)
    for node in context.graph.nodes:
        if node.op == "slice" and node.attrs["axis"] == 1 and node.attrs["step"] == 1:
            finder.leave(node)
    return replace(context, slices=finder.context.slices)


class _Finder:
    def __init__(self, context: Context) -> None:
        self.context, self.graph = context, context.graph
        self.known: dict[Node, Sliceable] = {}
        self.updated = {v for _, v in self.graph.updates}
        self.varying = _varying(self.graph)

    def visit(self, node: Node) -> None:
        """Put the inputs of a concatenation into its result, as many as can be."""
        whole = node.out
        channel: Dim = 0
        if part_of(self.context, whole, 0).whole in self.updated:
            # An update may be computed over the old value, which somebody may read after the first part is written.
            return
        for value in node.inputs:
            if self._may_lie_in(value, whole, channel):
                self.context.slices[value] = part_of(self.context, whole, channel)
            channel = channel + value.shape[1]

    def leave(self, node: Node) -> None:
        """Leave the result of a slice where its elements are. What follows from parameters alone is taken out once and
        for all instead."""
        value, whole = node.out, node.inputs[0]
        known = whole.node.op in _NOBODYS or node not in self.varying
        if known or value in self.graph.escaping or value in self.context.slices or value not in self.graph.uses:
            return
        if not whole.type.layout and all(self._reads_slice(n, value) for n in self.graph.uses[value]):
            self.context.slices[value] = part_of(self.context, whole, node.attrs["start"])

    def _may_lie_in(self, value: Value, whole: Value, channel: Dim) -> bool:
        block = block_of(whole.type)
        if value.node.op in _NOBODYS or value in self.graph.escaping or value in self.context.slices:
            return False
        if value.type.layout != whole.type.layout or (block and not _is_multiple(channel, block)):
            return False
        written = concat_of(value.node) is not None or value.index in self._of(value.node).results
        return written and all(self._reads_slice(n, value) for n in self.graph.uses[value])

    def _reads_slice(self, node: Node, value: Value) -> bool:
        if node.op in VIEWS:
            return False
        readable = range(len(node.inputs)) if concat_of(node) is not None else self._of(node).inputs
        return all(i in readable for i, v in enumerate(node.inputs) if v == value)

    def _of(self, node: Node) -> Sliceable:
        if node not in self.known:
            self.known[node] = self.context.sliceable(node)
        return self.known[node]


def _varying(graph: Graph) -> set[Node]:
    """The nodes that depend on inputs of the graph."""
    found: set[Node] = set()
    for node in graph.nodes:
        if node.op == "input" or any(v.node in found for v in node.inputs):
            found.add(node)
    return found


def _is_multiple(channel: Dim, block: int) -> bool:
    return isinstance(channel, int) and channel % block == 0
