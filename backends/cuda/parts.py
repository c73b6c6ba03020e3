"""Parts of a graph by the device that the source puts them on.

Before                                          After
    %1 = conv(%image, %a.weight)  on 0              part 0, on 0:  %1, %2
    %2 = relu(%1)                 on 0              part 1, on 1:  %3
    %3 = conv(%image, %b.weight)  on 1              part 2, on 0:  %4, of %2 and of %3, which comes from part 1
    %4 = concat(%2, %3)           on 0

A node of which the source does not say where it belongs is where most of what it reads is computed, on device 0 where
that is nowhere. Parts are as large as can be: a node is in a later part of its device than another only where it waits
for something that crosses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from netlang.backends.cuda import updates
from netlang.ir.build import Builder
from netlang.ir.dims import evaluate, names
from netlang.ir.graph import Graph, Node, Value
from netlang.ir.rewrite import replace_values

_LEAVES = frozenset({"input", "param", "const"})
_CROSSING = "$"
"""Begins the names of values that parts hand on, which no name of a source does."""


@dataclass(frozen=True)
class Part:
    """`graph` runs on device number `device`. Its inputs are those of the whole graph, by their names, and what other
    parts hand on; its outputs are what it hands on itself, and of the whole graph's results those that it makes."""

    device: int
    graph: Graph


@dataclass(frozen=True)
class Split:
    """Parts in an order in which they can be carried out.

    makers    by the name of a value that is handed on, the part that makes it
    outputs   by the names of the graph's outputs, the names under which parts make them; `updates` likewise
    """

    parts: tuple[Part, ...]
    makers: Mapping[str, int]
    outputs: Mapping[str, str]
    updates: Mapping[str, str]


def split(graph: Graph, devices: int) -> Split:
    """The parts of `graph` for so many devices; a higher number than there are begins at the first one again."""
    places = _places(graph, devices)
    members: dict[tuple[int, int], list[Node]] = {}
    for node, place in places.items():
        members.setdefault(place, []).append(node)
    order = sorted(members)
    roots = dict.fromkeys(v for _, v in (*graph.outputs, *graph.updates))
    called = _names(graph, places, roots)
    changed = {called[v] for _, v in graph.updates} - {called[v] for _, v in graph.outputs}
    parts = tuple(_part(graph, place, members[place], places, called, changed) for place in order)
    makers = {name: order.index(places[v.node]) for v, name in called.items()}
    return Split(parts, makers, {n: called[v] for n, v in graph.outputs}, {n: called[v] for n, v in graph.updates})


Place = tuple[int, int]
"""How often what a node needs has crossed before, and its device: its part."""
_FIRST: Place = (0, 0)


def _places(graph: Graph, devices: int) -> dict[Node, Place]:
    """The part of each node; a result of the graph that no node computes is handed on by the first part."""
    found: dict[Node, Place] = {}
    for node in graph.nodes:
        if node.op in _LEAVES:
            continue
        read = [found[v.node] for v in node.inputs if v.node in found]
        device = _most(node, found) if node.device is None else node.device % devices
        found[node] = max((level + (other != device) for level, other in read), default=0), device
    for _, value in (*graph.outputs, *graph.updates):
        found.setdefault(value.node, _FIRST)
    return found


def _most(node: Node, places: Mapping[Node, Place]) -> int:
    """The device that computes most of what a node reads, counted for the smallest sizes there are."""
    bytes: dict[int, int] = {}
    for value in dict.fromkeys(node.inputs):
        if value.node in places:
            _, device = places[value.node]
            count = value.type.bytes
            bytes[device] = bytes.get(device, 0) + evaluate(count, dict.fromkeys(names(count), 1))
    return max(sorted(bytes), key=lambda device: bytes[device], default=0)


def _names(graph: Graph, places: Mapping[Node, Place], roots: Mapping[Value, None]) -> dict[Value, str]:
    """What parts hand on, under names of their own."""
    handed = dict(roots)
    for node, place in places.items():
        handed.update((v, None) for v in node.inputs if v.node.op not in _LEAVES and places[v.node] != place)
    return {value: f"{_CROSSING}{i}" for i, value in enumerate(handed)}


def _part(
    graph: Graph,
    place: Place,
    members: Sequence[Node],
    places: Mapping[Node, Place],
    called: Mapping[Value, str],
    changed: Set[str],
) -> Part:
    """A part; what it computes for parameters, under the names `changed`, is one node where it can be."""
    inside = set(members)
    make = Builder()
    read = dict.fromkeys(v for node in members for v in node.inputs)
    given = {v: make.input(called[v], v.type) for v in read if v.node.op not in _LEAVES and v.node not in inside}
    outputs = tuple((name, v) for v, name in called.items() if v.node in inside)
    leaves = set(read) | {v for _, v in outputs}
    own = tuple(v for v in graph.inputs if v in leaves)
    params = tuple(v for v in graph.params if v in leaves)
    whole = replace_values(Graph(graph.name, (*own, *given.values()), params, outputs), given)
    return Part(place[1], updates.joined(whole, {v for name, v in whole.outputs if name in changed}))
