"""Carrying a node of a graph out a second time, late: the graph in which that is done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from netlang.ir import dims
from netlang.ir.build import make_node
from netlang.ir.graph import Graph, Node, Value
from netlang.ir.opdef import opdef
from netlang.ir.work import multiply_adds
from netlang.passes.memory import VIEWS, MemoryPlan

ORIGIN = "recompute"


@dataclass(frozen=True)
class Facts:
    """What a node is known to take.

    results    bytes of each result; 0 for what has no place in the arena
    over       the inputs, by position, over which results are written if nobody reads them later
    scratch    bytes of working memory
    work       operations: multiply-adds, and elements written
    """

    results: tuple[int, ...]
    over: frozenset[int] = frozenset()
    scratch: int = 0
    work: int = 0


@dataclass(frozen=True)
class Draft:
    """A graph with what is known of its nodes, and the operations that it carries out again."""

    graph: Graph
    facts: Mapping[Node, Facts]
    repeated: int = 0


@dataclass(frozen=True)
class Choice:
    """Read these `results` of the last node of `chain` from a second run, wherever they are read from the node number
    `at` on. `chain` are the nodes to run again, in order: it, and what it needs that is gone by then."""

    chain: tuple[Node, ...]
    results: frozenset[Value]
    at: int
    freed: int
    work: int


def draft(graph: Graph, sizes: Mapping[str, int], plan: MemoryPlan) -> Draft:
    """A graph as it is. The plan tells what nodes need besides their results."""
    return Draft(graph, {node: _facts(node, sizes, plan) for node in graph.nodes})


def _facts(node: Node, sizes: Mapping[str, int], plan: MemoryPlan) -> Facts:
    if node.op in VIEWS:
        return Facts((0,) * len(node.types))
    results = tuple(dims.evaluate(r.type.bytes, sizes) if r in plan.offsets else 0 for r in node.results)
    hosts = {plan.storage[r] for r in node.results if plan.storage[r] != r}
    over = frozenset(i for i, v in enumerate(node.inputs) if plan.storage[v] in hosts)
    return Facts(results, over, plan.scratch[node][1] if node in plan.scratch else 0, _work(node, sizes))


def _work(node: Node, sizes: Mapping[str, int]) -> int:
    """Multiply-adds and elements written."""
    written = sum(dims.evaluate(t.size, sizes) for t in node.types)
    return written + dims.evaluate(multiply_adds(node), sizes)


def root(value: Value) -> Value:
    """The value whose storage this is, as far as views go."""
    while value.node.op in VIEWS:
        value = value.node.inputs[0]
    return value


def repeated(current: Draft, choices: Sequence[Choice]) -> Draft:
    """The graph in which the chosen results are computed again right before they are needed again."""
    again = _Rebuilding(current, choices)
    for time, node in enumerate(current.graph.nodes):
        again.visit(time, node)
    graph = current.graph
    graph = graph.replace(
        outputs=tuple((name, again.renewed.get(v, v)) for name, v in graph.outputs),
        updates=tuple((name, again.renewed.get(v, v)) for name, v in graph.updates),
    )
    facts = {node: again.facts.get(node) or Facts((0,) * len(node.types)) for node in graph.nodes}
    return Draft(graph, facts, current.repeated + sum(choice.work for choice in choices))


class _Rebuilding:
    """Goes through the nodes of a graph in order; those that read a second run, and all that follow, are made anew."""

    def __init__(self, current: Draft, choices: Sequence[Choice]) -> None:
        self.facts = dict(current.facts)
        self.renewed: dict[Value, Value] = {}
        self._starting: dict[int, list[Choice]] = {}
        for choice in choices:
            self._starting.setdefault(choice.at, []).append(choice)
        self._second: dict[Value, Value] = {}
        """What values are in a second run that has begun: its results, and views of them."""
        self._signal: Value | None = None
        """A result of the last node that computed something: a second run does not begin before."""

    def visit(self, time: int, node: Node) -> None:
        for choice in self._starting.get(time, ()):
            self._run_again(choice)
        new = self._with_inputs(node, map(self._now, node.inputs))
        if new is not node:
            self.renewed.update(zip(node.results, new.results, strict=True))
        if node.op not in VIEWS and "leaf" not in opdef(node.op).traits:
            self._signal = new.out

    def _with_inputs(self, node: Node, inputs: Iterable[Value]) -> Node:
        given = tuple(inputs)
        if all(a is b for a, b in zip(given, node.inputs, strict=True)):
            return node
        new = node.with_inputs(given)
        self.facts[new] = self.facts[node]
        return new

    def _now(self, value: Value) -> Value:
        """What stands for a value at this time."""
        source = root(value)
        if source in self._second:
            return _viewed(value, self._second)
        return self.renewed.get(value, value)

    def _run_again(self, choice: Choice) -> None:
        made: dict[Value, Value] = {}
        delayed: dict[Value, Value] = {}
        for node in choice.chain:
            inputs = [_viewed(v, made) if root(v) in made else self._delayed(v, delayed) for v in node.inputs]
            new = replace(node.with_inputs(inputs), origin=ORIGIN)
            self.facts[new] = self.facts[node]
            made.update(zip(node.results, new.results, strict=True))
        self._second.update({result: made[result] for result in choice.results})

    def _delayed(self, value: Value, delayed: dict[Value, Value]) -> Value:
        """An input of a second run, not before the signal."""
        given = self._now(value)
        if root(given).node.op in ("param", "const"):
            return given
        if given not in delayed:
            plain = given.node.inputs[0] if given.node.op == "after" else given
            assert self._signal is not None
            delayed[given] = make_node("after", [plain, self._signal], {}, origin=ORIGIN).out
        return delayed[given]


def _viewed(value: Value, made: dict[Value, Value]) -> Value:
    """A value of a second run, or a view of one; `made` are those that there are, and gets new views."""
    if value not in made:
        node = value.node
        inner = _viewed(node.inputs[0], made)
        # What delayed the first run is over by now.
        made[value] = inner if node.op == "after" else node.with_inputs((inner,)).out
    return made[value]
