"""Which nodes of towers correspond to each other: of each tower one, doing the same to what corresponds.

A node is of the tower of the device that it is on, or, where the source does not say, of the one tower that it reads.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

import numpy as np

from netlang.ir.graph import Graph, Node, Value

Members = tuple[Node, ...]
"""Nodes that correspond to each other, by device."""

_LEAVES = frozenset({"input", "param", "const"})


def is_on_several(graph: Graph) -> bool:
    """Whether the source puts nodes on different devices."""
    return len({n.device for n in graph.nodes if n.device is not None}) > 1


def corresponding(graph: Graph) -> Iterator[Members]:
    """All that correspond to each other, each after what it reads."""
    towers = _towers(graph)
    devices = sorted(set(towers.values()))
    keys: dict[Value, Hashable] = {}
    waiting: dict[Hashable, dict[int, list[Node]]] = {}
    numbers: dict[Hashable, int] = {}
    for node in graph.nodes:
        key = _key(node, keys) if node in towers else _own(node)
        # A number for each key, or keys would contain each other ever deeper.
        number = numbers.setdefault(key, len(numbers))
        for value in node.results:
            keys[value] = (number, value.index)
        if node not in towers:
            continue
        found = waiting.setdefault(key, {})
        found.setdefault(towers[node], []).append(node)
        if all(found.get(device) for device in devices):
            # The first of each tower; a further one of a tower waits for the others' further ones.
            yield tuple(found[device].pop(0) for device in devices)


def _towers(graph: Graph) -> dict[Node, int]:
    found: dict[Node, int] = {}
    for node in graph.nodes:
        if node.op in _LEAVES:
            continue
        read = {found[v.node] for v in node.inputs if v.node in found}
        if node.device is not None:
            found[node] = node.device
        elif len(read) == 1 and node.op != "concat":
            found[node] = read.pop()
    return found


def _key(node: Node, keys: dict[Value, Hashable]) -> Hashable:
    """What a node of a tower does; streams of random numbers may differ."""
    attrs = tuple((k, _identity(v)) for k, v in node.attrs.items() if (node.op, k) != ("uniform", "stream"))
    return node.op, attrs, node.types, tuple(keys[v] for v in node.inputs)


def _own(node: Node) -> Hashable:
    """A parameter corresponds to any other of its type, a constant to the same one, all else only to itself."""
    if node.op == "param":
        return "param", node.types
    return ("const", _identity(node.attrs["value"])) if node.op == "const" else node


def _identity(attr: object) -> Hashable:
    if isinstance(attr, np.ndarray):
        return str(attr.dtype), attr.shape, attr.tobytes()
    if isinstance(attr, tuple):
        return tuple(map(_identity, attr))
    return type(attr), attr


def same(values: Sequence[Value]) -> bool:
    """Whether all are one value, or equal constants."""
    return (
        len({v.node if v.node.op != "const" else _own(v.node) for v in values}) == len({v.index for v in values}) == 1
    )


def fixed_values(graph: Graph) -> frozenset[Value]:
    """The values that are the same in every call with the same parameters."""
    found: set[Value] = set()
    for node in graph.nodes:
        if node.op in ("param", "const") or (node.inputs and node.op != "uniform" and found.issuperset(node.inputs)):
            found.update(node.results)
    return frozenset(found)
