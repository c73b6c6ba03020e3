"""Fusion of elementwise ops, and the reductions next to them, into loops that read and write every tensor once.

Before                                              After
    %0 = gt(%y, 0)              [N, 84]                 %0, %1 = fused(%y, %dy) {kind = "loop"} {
    %1 = where(%0, %dy, 0)      [N, 84]                   %0 = gt(%a0, 0)
    %2 = reduce_sum(%1)         [84]                      %1 = where(%0, %a1, 0)
                                                          %2 = reduce_sum(%1)
                                                          output r0 = %1
                                                          output r1 = %2 }

The body of kind "loop". All of it runs over one index space, the shape S. Its nodes are
    maps        elementwise ops (the trait; not stop_gradient) and random ones, whose result has the shape S
    reductions  reduce_sum, reduce_mean, reduce_max, reduce_min of a value or body input of shape S, all over the same
                axes A (keepdims may differ)
    row maps    elementwise ops whose result has the shape of the reductions' results, with keepdims or without
    batchnorm_train     whose y is a map and whose mean and var are reductions; it needs the rows rule
    free nodes  consts of one element, extent, and broadcast, stop_gradient and reshapes that only add or remove dims of
                size 1, between any of these and in front of them
Maps and reductions read body inputs and free nodes that broadcast to S, and maps of the body as they are. Reductions
are outputs and nothing in the body reads them, except under the rows rule: A has the last axis of S but not all axes,
and where A has axes before others, rows are many. Then maps and reductions may read reductions and row maps that are
broadcast back along A, and row maps may read reductions, row maps, and body inputs and free nodes that broadcast to
their shape. So each row, the elements that share an index outside A, can be computed by itself: softmax, normalisation
by a row's own mean, a loss per sample, and, with A all axes but the channels, batch normalisation and its gradient.
Body outputs: any of its values, in the order of the nodes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from netlang.ir.dims import Shape, size
from netlang.ir.graph import Node, Value
from netlang.ir.opdef import opdef
from netlang.ops.reductions import kept_shape, reduced_shape
from netlang.passes.fusing import Plan
from netlang.passes.partition import Partition, is_free, source

KIND = "loop"

REDUCTIONS = frozenset({"reduce_sum", "reduce_mean", "reduce_max", "reduce_min"})
_NORMALIZATION = "batchnorm_train"

MANY_ROWS = 16
"""Rows are what threads share. Those that lie apart are long, and without them a loop's elements would be shared."""


@dataclass(frozen=True)
class Space:
    """The index space of a loop: its shape and, if it has reductions, their axes."""

    shape: Shape
    axes: tuple[int, ...] = ()

    @property
    def has_rows(self) -> bool:
        """Whether the rows rule holds: the last axis is reduced, others are not, and rows that lie apart are many."""
        rank, count = len(self.shape), len(self.axes)
        if not 0 < count < rank or self.axes[-1] != rank - 1:
            return False
        if self.axes == tuple(range(rank - count, rank)):
            return True
        rows = size(reduced_shape(self.shape, self.axes, False))
        return isinstance(rows, int) and rows >= MANY_ROWS

    @property
    def row_shapes(self) -> tuple[Shape, Shape]:
        """The shapes of reductions' results, without and with the reduced axes."""
        return reduced_shape(self.shape, self.axes, False), kept_shape(self.shape, self.axes)


def fuse_loops(partition: Partition, plans: dict[int, Plan]) -> None:
    """Join elementwise ops and reductions to the largest legal groups, along their edges and then side by side."""
    nodes = [n for n in partition.graph.nodes if can_loop(n) and partition.group(n) not in plans]
    able = set(nodes)
    for node in nodes:
        for value in map(source, node.inputs):
            if value.node in able:
                _join(partition, value.node, node)
    for value, readers in _readers(nodes).items():
        for first, second in pairwise(readers):
            if value.rank and _shape(first) == _shape(second) == value.shape:
                _join(partition, first, second)
    for group in dict.fromkeys(map(partition.group, nodes)):
        members = partition.members(group)
        # A lone node is worth a loop if it would need a broadcast in memory otherwise.
        if len(members) > 1 or (any(map(_through_broadcast, members[0].inputs)) and space_of(members)):
            plans[group] = Plan(KIND, members[0])


def can_loop(node: Node) -> bool:
    """Whether a node can be part of a loop."""
    if node.op in REDUCTIONS:
        return bool(node.attrs["axes"])
    if node.op == _NORMALIZATION:
        return _own_space(node).has_rows
    traits = opdef(node.op).traits
    return "random" in traits or ("elementwise" in traits and not is_free(node))


def space_of(nodes: Iterable[Node]) -> Space | None:
    """The index space of nodes that make a loop; None if they do not."""
    nodes = tuple(nodes)
    spaces = {_own_space(n) for n in nodes if n.op in REDUCTIONS or n.op == _NORMALIZATION}
    spaces = spaces or {_own_space(n) for n in nodes}
    if len(spaces) != 1:
        return None
    (space,) = spaces
    if space.axes and space.shape in space.row_shapes:
        return None
    inside = set(nodes)
    return space if all(_fits(node, space, inside) for node in nodes) else None


def _own_space(node: Node) -> Space:
    """The index space of a node alone."""
    if node.op == _NORMALIZATION:
        x = node.inputs[0]
        return Space(x.shape, (0, *range(2, x.rank)))
    return Space(node.inputs[0].shape, node.attrs["axes"]) if node.op in REDUCTIONS else Space(node.out.shape)


def is_map(value: Value, space: Space) -> bool:
    """Whether a result of a loop's node has an element for every index of the space."""
    return value.node.op not in REDUCTIONS and value.shape == space.shape


def _fits(node: Node, space: Space, inside: set[Node]) -> bool:
    whole = node.op in (*REDUCTIONS, _NORMALIZATION) or is_map(node.out, space)
    if not whole and not (space.has_rows and node.out.shape in space.row_shapes):
        return False
    for position, read in enumerate(node.inputs):
        made = source(read)
        if made.node not in inside:
            continue
        if node.op == _NORMALIZATION and position > 0:
            # Scale and shift are numbers of rows, not of elements.
            return False
        if is_map(made, space):
            good = whole and read.shape == space.shape
        elif not space.has_rows:
            good = False
        elif whole:
            good = _broadcast_back(read, space)
        else:
            good = read.shape == node.out.shape and not _through_broadcast(read)
        if not good:
            return False
    return True


def _broadcast_back(read: Value, space: Space) -> bool:
    """Whether a row's value is read, past free nodes, as one that is repeated along the reduced axes."""
    while read.node.op in ("broadcast", "stop_gradient"):
        read = read.node.inputs[0]
    lead = len(space.shape) - read.rank
    kept = space.row_shapes[1]
    return lead >= 0 and read.shape == kept[lead:] and all(d == 1 for d in kept[:lead]) and not _through_broadcast(read)


def _join(partition: Partition, first: Node, second: Node) -> None:
    one, two = partition.group(first), partition.group(second)
    if one != two and space_of((*partition.members(one), *partition.members(two))) is not None:
        partition.join((one, two))


def _shape(node: Node) -> Shape:
    """The shape that a node alone runs over."""
    return _own_space(node).shape


def _readers(nodes: Sequence[Node]) -> dict[Value, list[Node]]:
    """The nodes that read a value, directly or past free nodes, each once and in order."""
    found: dict[Value, dict[Node, None]] = {}
    for node in nodes:
        for value in node.inputs:
            found.setdefault(source(value), {})[node] = None
    return {value: list(readers) for value, readers in found.items()}


def _through_broadcast(value: Value) -> bool:
    """Whether a broadcast stands between a value and its source: read by itself, it would need memory."""
    while is_free(value.node) and value.node.inputs:
        if value.node.op == "broadcast":
            return True
        value = value.node.inputs[0]
    return False
