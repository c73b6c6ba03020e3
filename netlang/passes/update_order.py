"""The order of a training step's updates, which is the order in which its backward graph is carried out.

Nodes run in the order in which outputs and updates ask for them. Two things speak for asking for the last layer first,
but not for its weights at once:
- a layer's gradient is needed no more once its updates are computed, so the layer below should follow right after;
- a new weight can be written over the old one only if nobody reads the old one any more, and the gradient of the layer
  below does.

Before (as the layers come)      After
    w3, b3, w2, b2, w1, b1           b3, b2, w3, b1, w2, w1

So a weight waits until what reads it has run, but no more than two wait (batch normalisation's scale and the weights
of the convolution before it): holding back more of them would hold back the maps that they are computed from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from netlang.ir.graph import Graph, Node, Value, topological

_VIEWS = frozenset({"reshape", "broadcast", "stop_gradient"})
_PATIENCE = 2


@dataclass(frozen=True)
class Change:
    """A param that is trained, and the new values, by name, of it and of the state that goes with it."""

    param: Value
    updates: tuple[tuple[str, Value], ...]


def ordered(graph: Graph, changes: Sequence[Change]) -> list[Change]:
    """`changes`, given last layer first, in a good order; `graph` is what is computed before them, such as the loss."""
    readers = _readers(graph, changes)
    done = set(graph.nodes)
    out: list[Change] = []
    waiting: list[Change] = []
    for change in changes:
        waiting.append(change)
        _take_ready(waiting, readers, done, out)
        if len(waiting) > _PATIENCE:
            # The newest: its gradient comes through the layers of the others, which are ready then.
            _take(waiting.pop(), done, out)
            _take_ready(waiting, readers, done, out)
    for change in waiting:
        _take(change, done, out)
    return out


def _readers(graph: Graph, changes: Sequence[Change]) -> Mapping[Value, set[Node]]:
    """The nodes that read each changed param or a view of it."""
    found: dict[Value, set[Node]] = {change.param: set() for change in changes}
    for node in topological((*graph.roots, *(v for c in changes for _, v in c.updates))):
        for value in node.inputs:
            while value.node.op in _VIEWS:
                value = value.node.inputs[0]
            if value in found and node.op not in _VIEWS:
                found[value].add(node)
    return found


def _take_ready(waiting: list[Change], readers: Mapping[Value, set[Node]], done: set[Node], out: list[Change]) -> None:
    """Take those for which all that reads the old value has run, or runs for the update anyway."""
    for change in tuple(waiting):
        left = readers[change.param] - done
        if not left or left <= _cone(change, done):
            waiting.remove(change)
            _take(change, done, out)


def _take(change: Change, done: set[Node], out: list[Change]) -> None:
    out.append(change)
    done |= _cone(change, done)


def _cone(change: Change, done: set[Node]) -> set[Node]:
    """The nodes that still have to run for an update."""
    found: set[Node] = set()
    stack = [value.node for _, value in change.updates]
    while stack:
        node = stack.pop()
        if node not in done and node not in found:
            found.add(node)
            stack += [v.node for v in node.inputs]
    return found
