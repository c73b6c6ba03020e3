"""Nodes that are one operator in ONNX: a convolution or a product with its bias, the parts of a split.

A pattern begins at the node whose result is kept. What it takes in besides may be read by nobody else and has no name
in the net's body, since its value is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from netlang.interchange.exporting.element_types import wider
from netlang.interchange.exporting.record import Export, Place
from netlang.ir.graph import Graph, Node, Value

Finder = Callable[["Patterns", Node], "Match | None"]


@dataclass(frozen=True)
class Match:
    """What a pattern reads, what it makes, how it is written, and what its results are called behind their layer."""

    inputs: tuple[Value, ...]
    makes: tuple[Value, ...]
    export: Export
    word: str


_FINDERS: dict[str, list[Finder]] = {}


def pattern(*ops: str) -> Callable[[Finder], Finder]:
    """Register a pattern that begins at nodes of these ops; of several the first that fits is taken."""

    def register(finder: Finder) -> Finder:
        for op in ops:
            _FINDERS.setdefault(op, []).append(finder)
        return finder

    return register


@dataclass(frozen=True)
class Patterns:
    """The patterns of one graph, in which the values `kept` have to be there by themselves."""

    graph: Graph
    kept: Collection[Value]

    def match(self, node: Node) -> Match | None:
        """The pattern that begins at a node."""
        return next((m for finder in _FINDERS.get(node.op, ()) if (m := finder(self, node)) is not None), None)

    def hidden(self, value: Value, *ops: str) -> Node | None:
        """The node that makes `value`, if it is of one of these ops and nobody would miss the value."""
        lonely = len(self.graph.uses.get(value, ())) == 1 and value not in self.kept
        return value.node if lonely and value.node.op in ops and value not in self.graph.escaping else None


@pattern("add")
def _bias(patterns: Patterns, node: Node) -> Match | None:
    """conv(x, w) + reshape(bias, [C, 1, 1]), and matmul(x, w) + bias: the operator has a third input."""
    for product, bias in (node.inputs, node.inputs[::-1]):
        made = patterns.hidden(product, "conv", "conv_data_grad", "matmul")
        if made is None or product.shape != node.out.shape or product.dtype in wider(made.op):
            continue
        vector = bias if made.op == "matmul" else _channels(bias, product.rank)
        if vector is None or not _is_vector(vector, product.shape[-1 if made.op == "matmul" else 1]):
            continue
        if made.op == "matmul" and any(v.rank != 2 for v in made.inputs):
            continue
        return Match((*made.inputs, vector), node.results, written_as(made), made.op)
    return None


def _channels(bias: Value, rank: int) -> Value | None:
    """The vector that was made to stand along the channels, axis 1 of `rank`."""
    found = bias.node
    if found.op != "reshape" or found.inputs[0].rank != 1:
        return None
    around = [1] * (rank - 2)
    shapes = [(*lead, found.inputs[0].shape[0], *around) for lead in ((), (1,))]
    return found.inputs[0] if bias.shape in shapes else None


def _is_vector(value: Value, size: object) -> bool:
    return value.shape == (size,)


def written_as(node: Node) -> Export:
    """Writes another node than the one that the pattern begins at, with all inputs of the pattern."""

    def export(place: Place) -> Sequence[str] | str:
        return place.translation.record_of(node)(Place(place.translation, place.sheet, node, place.inputs))

    return export


@pattern("slice")
def _split(patterns: Patterns, node: Node) -> Match | None:
    """Slices of one tensor that are all of its parts along an axis."""
    whole, axis = node.inputs[0], node.attrs["axis"]
    readers = [n for n in patterns.graph.uses.get(whole, ()) if n.op == "slice" and n.attrs["axis"] == axis]
    by_start: dict[object, Node] = {}
    for reader in readers:
        if reader.attrs["step"] != 1 or not all(isinstance(reader.attrs[k], int) for k in ("start", "stop")):
            return None
        if by_start.setdefault(reader.attrs["start"], reader) is not reader:
            return None
    parts: list[Node] = []
    place: object = 0
    while place in by_start:
        parts.append(by_start[place])
        place = parts[-1].attrs["stop"]
    if place != whole.shape[axis] or len(parts) != len(readers) or len(parts) < 2:
        return None
    return Match((whole,), tuple(p.out for p in parts), lambda place: _write_split(place, parts, axis), "split")


def _write_split(place: Place, parts: Sequence[Node], axis: int) -> Sequence[str]:
    sizes = [p.attrs["stop"] - p.attrs["start"] for p in parts]
    x = place.inputs[0]
    if len(set(sizes)) == 1:
        return place.ops("Split", x, outputs=len(sizes), axis=axis, num_outputs=len(sizes))
    return place.ops("Split", x, place.numbers(sizes), outputs=len(sizes), axis=axis)
