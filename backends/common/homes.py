"""Where every tensor lives, as far as that does not depend on sizes.

Inputs, params and outputs are the caller's arrays, constants and hoisted results have memory of their own, everything
else gets a place in the arena. A result that leaves the graph is written into the caller's array by the step that
computes it; an update too, where nothing reads the old value any more. What cannot be is copied after the last step.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from netlang.backends.common.context import Context, storage
from netlang.backends.common.external import External as External
from netlang.backends.common.steps import At, Buffer, Moving, Scratch, Step, bases, evaluated, places
from netlang.ir.graph import Node, Value
from netlang.passes.memory import VIEWS


@dataclass(frozen=True)
class Copy:
    """After the last step: copy a value into an array of the caller."""

    source: Value
    target: External


Home = External | Buffer
Steps = Mapping[Node, Sequence[Step]]


@dataclass
class Homes:
    """`direct`: storages computed right into the caller's arrays; `hoisted`: buffers filled once per set of params, of
    which those that `calls` read stay, and the others are there for the steps of the prologue alone."""

    context: Context
    direct: dict[Value, External] = field(default_factory=dict)
    copies: list[Copy] = field(default_factory=list)
    hoisted: set[Buffer] = field(default_factory=set)
    prologue: list[Step] = field(default_factory=list)
    kept: set[Buffer] = field(default_factory=set)

    def of(self, value: Value) -> Home | None:
        """The home of a value's storage outside the arena; None where it is in the arena, or is a constant."""
        value = self.context.storage(value)
        if value in self.direct:
            return self.direct[value]
        if value.node.op in ("input", "param"):
            return External(value.node.op, value.node.name)
        return value if value in self.hoisted else None

    def in_arena(self, value: Value) -> bool:
        """Whether the planner must find a place for this value."""
        root = self.context.storage(value)
        return root.node.op not in ("input", "param", "const") and root not in self.direct and root not in self.hoisted


def find_homes(context: Context, steps: Steps) -> Homes:
    """Decide on homes for a lowered graph."""
    graph = context.graph
    homes = Homes(context)
    for name, value in graph.outputs:
        _claim(homes, value, External("output", name), allowed=True)
    order = {node: i for i, node in enumerate(graph.nodes)}
    readers, left = _readers(context), {context.storage(v) for v in graph.roots}
    for name, value in graph.updates:
        param = graph.param(name)
        allowed = param not in left and _may_overwrite(context, readers.get(param, []), context.storage(value), order)
        _claim(homes, value, External("param", name), allowed)
    _hoist(homes, steps)
    return homes


def _claim(homes: Homes, value: Value, target: External, allowed: bool) -> None:
    root = homes.context.storage(value)
    leaf = root.node.op in ("input", "param", "const")
    if leaf or root in homes.direct or not allowed:
        homes.copies.append(Copy(value, target))
    else:
        homes.direct[root] = target


def _readers(context: Context) -> dict[Value, list[tuple[Node, list[int]]]]:
    """By storage, the nodes that read it, in order, with the places of their inputs that do."""
    found: dict[Value, dict[Node, list[int]]] = {}
    for node in context.graph.nodes:
        if node.op not in VIEWS:
            for i, value in enumerate(node.inputs):
                found.setdefault(context.storage(value), {}).setdefault(node, []).append(i)
    return {value: list(nodes.items()) for value, nodes in found.items()}


def _may_overwrite(
    context: Context, readers: Sequence[tuple[Node, Sequence[int]]], result: Value, order: Mapping[Node, int]
) -> bool:
    """Whether `result` can be computed right over what these read: nobody needs the old value from that step on."""
    if not readers:
        return True
    last, places = readers[-1]
    if last is result.node:
        return all(i in context.in_place.get(last, ()) for i in places)
    return order[last] < order[result.node]


# ---- hoisting


def buffers(step: Step) -> list[Buffer]:
    """The buffers among a step's arguments; views are what they are views of, slices themselves."""
    found = [b for place in places(step) for b in bases(place)]
    return [storage(b) if isinstance(b, Value) else b for b in found]


def _hoist(homes: Homes, steps: Steps) -> None:
    """Find the steps that depend on params and constants alone, in graphs that do not change params."""
    graph = homes.context.graph
    listed = [step for node in graph.nodes for step in steps.get(node, ())]
    # Constants inside fused bodies are no nodes of the graph, so they are looked for in the steps.
    read = {b for step in listed for b in _roots(homes, buffers(step)) if isinstance(b, Value)}
    leaves = ("const",) if graph.updates else ("const", "param")
    fixed = {v for v in read if v.node.op in leaves}
    chosen = [s for s in listed if _is_static(s)]
    while True:
        kept = _closed(chosen, listed, fixed, homes)
        if len(kept) == len(chosen):
            break
        chosen = kept
    homes.prologue = chosen
    homes.hoisted = {b for step in chosen for b in _roots(homes, step.writes)}
    inside = set(map(id, chosen))
    called = {b for step in listed if id(step) not in inside for b in _roots(homes, buffers(step))}
    called |= {homes.context.storage(copy.source) for copy in homes.copies}
    final = [step for step in chosen if not called.isdisjoint(_roots(homes, step.writes))]
    homes.kept = {b for step in final for b in _roots(homes, step.writes)}


def _roots(homes: Homes, found: Iterable[Buffer]) -> list[Buffer]:
    """The storages of some buffers."""
    return [homes.context.storage(b) if isinstance(b, Value) else b for b in found]


def _closed(chosen: list[Step], listed: list[Step], fixed: set[Value], homes: Homes) -> list[Step]:
    """The chosen steps that read and write nothing that a step outside the choice writes, nor parts of anything."""
    inside = set(map(id, chosen))
    elsewhere: set[Buffer] = {b for s in listed if id(s) not in inside for b in _roots(homes, s.writes)}
    elsewhere |= {found.whole for found in homes.context.slices.values()}
    made = {b for s in chosen for b in _roots(homes, s.writes)}
    return [
        s
        for s in chosen
        if all(
            (b in fixed or b in made) and b not in elsewhere and b not in homes.direct
            for b in _roots(homes, buffers(s))
        )
    ]


def _is_static(step: Step) -> bool:
    """Whether the arguments are the same for all sizes, and it is carried out once."""
    if step.loops:
        return False
    try:
        for arg in step.arguments:
            number = arg.offset if isinstance(arg, At) else arg
            if not isinstance(number, Value | Scratch):
                assert not isinstance(number, Moving)
                evaluated(number, {})
    except KeyError:
        return False
    return True
