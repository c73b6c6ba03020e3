"""From a partition to a graph of fused nodes: bodies, their inputs and results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from netlang.ir.build import Builder, make_node
from netlang.ir.graph import Graph, Node, Value
from netlang.ir.rewrite import merged_spans
from netlang.passes.partition import Partition, is_free, source

ORIGIN = "fuse"


@dataclass(frozen=True)
class Plan:
    """What a group becomes: a fused node of `kind` that is called after `main`; `first`, if it leaves the group, is its
    first result."""

    kind: str
    main: Node
    first: Value | None = None


def fuse_groups(partition: Partition, plans: Mapping[int, Plan]) -> Graph:
    """The graph with every group in `plans` as one fused node.

    The inputs of a body are `a0`, `a1`, ... in the order in which its nodes read them, free nodes (see `is_free`) are
    inside, its outputs `r0`, `r1`, ... are the values that other nodes read or that leave the graph: first the plan's
    `first`, then the others in the order of the nodes that make them.
    """
    carried = _Carried()
    needed = _needed(partition)
    for group in partition.groups():
        members = partition.members(group)
        if group in plans:
            results = [r for node in members for r in node.results if r in needed]
            results.sort(key=lambda v: v != plans[group].first)
            fused = _fused(plans[group], members, results, carried)
            carried.new.update(zip(results, fused.results, strict=True))
        else:
            for node in members:
                carried.copy(node)
    graph = partition.graph
    return graph.replace(
        outputs=tuple((name, carried.of(v)) for name, v in graph.outputs),
        updates=tuple((name, carried.of(v)) for name, v in graph.updates),
    )


def _needed(partition: Partition) -> set[Value]:
    """The values that leave their group."""
    found = {source(v) for v in partition.graph.roots}
    for group in partition.groups():
        inside = set(partition.members(group))
        for node in inside:
            found.update(v for v in map(source, node.inputs) if v.node not in inside)
    return found


class _Carried:
    """New values by old ones; free nodes come along when they are asked for."""

    def __init__(self) -> None:
        self.new: dict[Value, Value] = {}

    def of(self, value: Value) -> Value:
        waiting = [value]
        while waiting:
            last = waiting[-1]
            missing = [] if last in self.new else [v for v in last.node.inputs if v not in self.new]
            if missing:
                waiting += missing
                continue
            waiting.pop()
            if last not in self.new:
                assert is_free(last.node), f"{last.node!r} is read before it is made"
                self._take(last.node)
        return self.new[value]

    def copy(self, node: Node) -> None:
        for value in node.inputs:
            self.of(value)
        self._take(node)

    def _take(self, node: Node) -> None:
        inputs = tuple(self.new[v] for v in node.inputs)
        kept = node if inputs == node.inputs else node.with_inputs(inputs)
        self.new.update(zip(node.results, kept.results, strict=True))


def _fused(plan: Plan, members: Sequence[Node], results: Sequence[Value], carried: _Carried) -> Node:
    """The fused node of a group; its inputs are values of the new graph."""
    inside = _Carried()
    own = set(members)
    outer: list[Value] = []
    for node in members:
        for value in map(source, node.inputs):
            if value.node not in own and not is_free(value.node) and value not in inside.new:
                inside.new[value] = Builder(origin=ORIGIN).input(f"a{len(outer)}", value.type)
                outer.append(value)
        inside.copy(node)
    body = Graph(
        "",
        inputs=tuple(inside.new[v] for v in outer),
        outputs=tuple((f"r{i}", inside.new[r]) for i, r in enumerate(results)),
    )
    main_first = [plan.main, *(node for node in members if node is not plan.main)]
    return make_node(
        "fused",
        [carried.of(v) for v in outer],
        {"kind": plan.kind},
        spans=merged_spans(main_first),
        name=plan.main.name,
        origin=ORIGIN,
        body=body,
        device=plan.main.device,
    )
