"""Changing graphs: every pass that replaces nodes does it through one of these.

`transform` goes bottom-up with a local rule, made of rows (op, guard, replacement). `replace_values` swaps values that
a pass has chosen by looking at the whole graph, where it can ask `single_use`. Both keep what does not change, as the
same objects, and stamp what they make with the pass and the source spans it came from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from netlang.diagnostics import Span
from netlang.ir.build import Builder
from netlang.ir.graph import Graph, Node, Value

Replacement = Value | Sequence[Value] | None
Rule = Callable[[Builder, Node], Replacement]
"""(builder stamped like the node, node with rewritten inputs) -> the value or values to take its place, or None."""


@dataclass(frozen=True)
class Row:
    """One rewrite: a node of this `op` for which `guard` holds becomes what `replace` makes.

    absorbs   the inputs whose producers are worked into the replacement: their spans are kept on the new nodes
    """

    op: str
    guard: Callable[[Node], bool]
    replace: Callable[[Builder, Node], Replacement]
    absorbs: tuple[int, ...] = ()


def rows(table: Iterable[Row]) -> Rule:
    """One rule of many rows; of the rows for an op the first that applies is taken."""
    by_op: dict[str, list[Row]] = {}
    for row in table:
        by_op.setdefault(row.op, []).append(row)

    def rule(build: Builder, node: Node) -> Replacement:
        for row in by_op.get(node.op, ()):
            if row.guard(node):
                absorbed = [node.inputs[i].node for i in row.absorbs]
                found = row.replace(stamp([node, *absorbed], build.origin), node)
                if found is not None:
                    return found
        return None

    return rule


def stamp(nodes: Sequence[Node], origin: str) -> Builder:
    """A builder for what takes the place of `nodes`: it keeps all their spans, and the first one's name and device."""
    return Builder(merged_spans(nodes), nodes[0].name, origin, nodes[0].device)


def merged_spans(nodes: Iterable[Node]) -> tuple[Span, ...]:
    """The spans of several nodes, each once, the first node's first."""
    return tuple(dict.fromkeys(span for node in nodes for span in node.spans))


def transform(graph: Graph, rule: Rule, origin: str, *, limit: int = 1) -> Graph:
    """Rewrite every node bottom-up with `rule`; with `limit` above 1, again until nothing changes, so many times.

    Inputs and parameters are not offered to the rule. Returns `graph` itself where nothing changed. Raises ValueError
    where the rule returns something of another shape or element type.
    """
    for _ in range(limit):
        after = _once(graph, rule, origin)
        if after is graph:
            return graph
        graph = after
    return graph


def _once(graph: Graph, rule: Rule, origin: str) -> Graph:
    done: dict[Value, Value] = {}
    for node in graph.nodes:
        current = _with(node, done)
        results: Sequence[Value] = current.results
        if node.op not in ("input", "param"):
            found = rule(Builder(node.spans, node.name, origin, node.device), current)
            if found is not None:
                results = (found,) if isinstance(found, Value) else tuple(found)
                _check(current, results, origin)
        done.update(zip(node.results, results, strict=True))
    return _rebuilt(graph, done)


def _with(node: Node, mapping: Mapping[Value, Value]) -> Node:
    """The node with its inputs replaced; the same object where none is."""
    inputs = tuple(mapping.get(v, v) for v in node.inputs)
    return node if inputs == node.inputs else node.with_inputs(inputs)


def _rebuilt(graph: Graph, done: Mapping[Value, Value]) -> Graph:
    """The graph with new outputs and updates; the same object where they are the old ones."""
    outputs = tuple((name, done[v]) for name, v in graph.outputs)
    updates = tuple((name, done[v]) for name, v in graph.updates)
    if outputs == graph.outputs and updates == graph.updates:
        return graph
    return graph.replace(outputs=outputs, updates=updates)


def _check(node: Node, results: Sequence[Value], origin: str) -> None:
    old = [(t.dtype, t.shape) for t in node.types]
    new = [(v.dtype, v.shape) for v in results]
    if old != new:
        raise ValueError(f"{origin} replaces {node!r} by {', '.join(str(v.type) for v in results) or 'nothing'}")


def replace_values(graph: Graph, mapping: Mapping[Value, Value]) -> Graph:
    """`graph` with values replaced everywhere, at once.

    The replacements are written in terms of the values of `graph`; what they read is replaced as well, so one call can
    rewrite many places that feed each other. Raises ValueError where a replacement depends on what it replaces, or has
    another shape or element type.
    """
    swaps = {old: new for old, new in mapping.items() if old != new}
    for old, new in swaps.items():
        if (old.dtype, old.shape) != (new.dtype, new.shape):
            raise ValueError(f"{old.node!r} cannot be replaced by {new.node!r}")
    if not swaps:
        return graph
    swapping = _Swapping(swaps)
    done = {root: swapping.resolve(root) for root in graph.roots}
    return _rebuilt(graph, done)


class _Swapping:
    """Follows values to what takes their place. A step is a replaced value, or a node that is rebuilt."""

    def __init__(self, mapping: Mapping[Value, Value]) -> None:
        self.mapping = mapping
        self.swapped: dict[Value, Value] = {}
        self.rebuilt: dict[Node, Node] = {}
        self.open: set[Value | Node] = set()

    def resolve(self, root: Value) -> Value:
        stack: list[Value | Node] = [self._step(root)]
        while stack:
            step = stack[-1]
            if self._is_done(step):
                stack.pop()
                continue
            needs = (self.mapping[step],) if isinstance(step, Value) else step.inputs
            waiting = [s for s in dict.fromkeys(map(self._step, needs)) if not self._is_done(s)]
            if not waiting:
                self._finish(step)
                self.open.discard(step)
                stack.pop()
                continue
            if any(s in self.open for s in waiting):
                raise ValueError(f"the replacement of {root.node!r}, or of what it reads, depends on itself")
            self.open.add(step)
            stack += reversed(waiting)
        return self._target(root)

    def _step(self, value: Value) -> Value | Node:
        return value if value in self.mapping else value.node

    def _is_done(self, step: Value | Node) -> bool:
        return step in self.swapped if isinstance(step, Value) else step in self.rebuilt

    def _target(self, value: Value) -> Value:
        return self.swapped[value] if value in self.mapping else self.rebuilt[value.node].results[value.index]

    def _finish(self, step: Value | Node) -> None:
        if isinstance(step, Value):
            self.swapped[step] = self._target(self.mapping[step])
        else:
            self.rebuilt[step] = _with(step, {v: self._target(v) for v in step.inputs})


def single_use(graph: Graph, value: Value) -> bool:
    """Is `value` read exactly once, and not an output or update? The legality guard of every fusing rewrite."""
    return len(graph.uses.get(value, ())) == 1 and value not in graph.escaping


def sole_reader(graph: Graph, value: Value) -> Node | None:
    """The one node that reads `value`, if `single_use` holds."""
    return graph.uses[value][0] if single_use(graph, value) else None
