"""Which integer inputs are labels or indices, and below what they must stay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from netlang.diagnostics import Diagnostic, NetError
from netlang.ir.graph import Graph, Node, Value
from netlang.ir.scan import SCAN
from netlang.runtime.arrays import Array

_SAME_VALUES = frozenset({"reshape", "transpose", "broadcast", "slice", "cast", "stop_gradient", "reverse"})
"""Ops that hand integers on as they are."""


@dataclass(frozen=True)
class Bound:
    """The values of an input must be 0 ... size - 1; `reader` is the op that would otherwise read out of range."""

    name: str
    size: int
    reader: Node

    def check(self, array: Array, notes: Sequence[str] = ()) -> None:
        """Raise NetError, with `notes`, that names the first bad value."""
        if array.size == 0:
            return
        low, high = array.min(), array.max()
        if low >= 0 and high < self.size:
            return
        place = np.argwhere((array < 0) | (array >= self.size))[0]
        value = array[tuple(place)]
        at = ", ".join(map(str, place)) if place.size else ""
        message = f"'{self.name}'[{at}] is {value}; it must be between 0 and {self.size - 1}"
        raise NetError(Diagnostic(message, self.reader.spans[:1], notes=(self._reason(), *notes)))

    def _reason(self) -> str:
        if self.reader.op == "cross_entropy":
            return f"the logits have {self.size} classes"
        return f"it counts along a dimension of {self.size}"


def index_bounds(graph: Graph) -> tuple[Bound, ...]:
    """The bounds of the integer inputs of a graph that was not fused yet; the tightest where there are several."""
    found: dict[str, Bound] = {}
    for node, outside in _with_outside(graph, {}):
        reading = _read(node)
        if reading is None:
            continue
        index, size = reading
        name = _input_behind(index, outside)
        if name and isinstance(size, int) and (name not in found or size < found[name].size):
            found[name] = Bound(name, size, node)
    return tuple(found.values())


def _with_outside(graph: Graph, outside: Mapping[Value, Value]) -> Iterator[tuple[Node, Mapping[Value, Value]]]:
    """The nodes of a graph and of the loops in it, each with what the inputs of the bodies around it stand for."""
    for node in graph.nodes:
        yield node, outside
        if node.op == SCAN and node.body is not None:
            given = dict(zip(node.body.inputs, node.inputs, strict=True))
            yield from _with_outside(node.body, {**outside, **given})


def _read(node: Node) -> tuple[Value, object] | None:
    """(index tensor, number of places) of a node that looks something up by index."""
    if node.op == "cross_entropy":
        logits, target = node.inputs
        return (target, logits.shape[1]) if target.dtype.is_int else None
    if node.op in ("gather", "take_along", "scatter_along"):
        return node.inputs[1], node.inputs[0].shape[node.attrs["axis"]]
    if node.op == "one_hot":
        return node.inputs[0], node.attrs["classes"]
    return None


def _input_behind(value: Value, outside: Mapping[Value, Value]) -> str:
    while True:
        if value in outside:
            value = outside[value]
        elif value.node.op in _SAME_VALUES and value.node.inputs and value.node.inputs[0].dtype.is_int:
            value = value.node.inputs[0]
        else:
            return value.node.name if value.node.op == "input" else ""


def check_bounds(bounds: tuple[Bound, ...], arrays: Mapping[str, Array], notes: Sequence[str] = ()) -> None:
    """Raise NetError, with `notes`, for the first input of `arrays` that is out of its bound."""
    for bound in bounds:
        if bound.name in arrays:
            bound.check(np.asarray(arrays[bound.name]), notes)
