"""memory: from lifetimes to offsets in one arena, so that a compiled model allocates nothing per call.

Before                                 After (64 bytes each)
    a = conv(x)     needed until b         offset   0
    b = relu(a)     needed until c         offset   0   in place of a, which ends here
    c = matmul(b)   needed until d         offset  64
    d = softmax(c)  an output              offset   0   b has ended

An analysis: the graph stays as it is. Inputs, params and consts live outside the arena. The order of execution is
that of `graph.nodes`. Placing intervals in an arena of least size is NP-hard (dynamic storage allocation); here every
buffer takes the best-fitting gap among the buffers that live at the same time, largest first and, as a second try,
earliest first, and the better of the two plans is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from netlang.ir import dims
from netlang.ir.graph import Graph, Node, Value
from netlang.ir.opdef import opdef
from netlang.ir.scan import SCAN
from netlang.placement import Buffer, align, lower_bound, place

VIEWS = frozenset({"reshape", "stop_gradient", "after"})
"""Ops whose result is their first input's storage, perhaps under another type."""


@dataclass(frozen=True)
class MemoryPlan:
    """Where everything is, in bytes from the start of the arena; offsets are multiples of 64.

    offsets      values in the arena. Views and results computed in place have the offset of their storage.
    scratch      working memory of single nodes, as (offset, bytes)
    storage      every value's storage: itself, or the value whose bytes it is (a view, or computed in place). The
                 storage of a view of a param or an input is that param or input.
    peak         size of the arena
    lower_bound  most bytes in use at one time: no plan for this order of execution can be smaller
    by_node      bytes in use while the node runs
    """

    offsets: Mapping[Value, int]
    scratch: Mapping[Node, tuple[int, int]]
    storage: Mapping[Value, Value]
    peak: int
    lower_bound: int
    by_node: Mapping[Node, int]
    at_peak: tuple[tuple[Node, int], ...] = field(default=(), repr=False)
    """The makers of the buffers in use when most bytes are, and the size of each; together `lower_bound`."""
    lives: tuple[tuple[Value | Node, int, int], ...] = field(default=(), repr=False)
    """When what lies in the arena is needed: every storage, and every node for its working memory, with the first and
    the last time. It does not depend on sizes, as long as nothing has none."""
    kept: int = 0
    """Bytes outside the arena that a backend keeps between calls, such as weights packed for a kernel."""


def plan(
    graph: Graph,
    sizes: Mapping[str, int],
    *,
    size_of: Callable[[Value], int] | None = None,
    scratch: Callable[[Node], int] | None = None,
    may_alias: Callable[[Node, int], bool] = lambda node, index: False,
    within: Mapping[Value, Value] = MappingProxyType({}),
    run_on: bool = False,
) -> MemoryPlan:
    """Plan the memory of one call of `graph` with the given sizes of its symbolic dims.

    size_of    (value) -> bytes of its buffer; 0 gives it no place in the arena. Default: its elements' bytes.
    scratch    (node) -> bytes of working memory while it runs. Default: what one step of a scan needs
    may_alias  (node, i) -> whether the node may write a result of the same type over its input i
    within     values that are parts of others and have no place of their own; what they are part of is there from the
               first part on. No part of anything is a whole itself, and parts of one whole do not overlap.
    run_on     two nodes in a row that do not need each other get no memory in common, so that threads may begin the
               second while others still carry out the first

    Raises KeyError for a symbolic dim without a size.
    """
    nodes = graph.nodes
    sizing = size_of or (lambda value: dims.evaluate(value.type.bytes, sizes))
    storages = _Storages(graph, sizing, may_alias, within)
    for time, node in enumerate(nodes):
        storages.visit(time, node)
    working_memory = scratch or (lambda node: _of_a_step(node, sizes))
    extra = {node: align(working_memory(node)) for node in nodes}
    roots = [v for v in storages.first if storages.bytes[v]]
    working = [(t, node) for t, node in enumerate(nodes) if extra[node]]
    free = _free_from(nodes) if run_on else range(len(nodes) + 1)
    buffers = [Buffer(storages.bytes[v], storages.first[v], free[storages.last[v]]) for v in roots]
    buffers += [Buffer(extra[node], t, free[t]) for t, node in working]
    places, peak = place(buffers)
    owners: list[Value | Node] = [*roots, *(node for _, node in working)]
    root_place = dict(zip(roots, places, strict=False))
    bound, profile = lower_bound(buffers, len(nodes))
    makers = [v.node for v in roots] + [node for _, node in working]
    return MemoryPlan(
        offsets={v: root_place[r] for v, r in storages.storage.items() if r in root_place},
        scratch={n: (o, extra[n]) for (_, n), o in zip(working, places[len(roots) :], strict=True)},
        storage=storages.storage,
        peak=peak,
        lower_bound=bound,
        by_node=dict(zip(nodes, profile, strict=True)),
        lives=tuple((owner, b.start, b.end) for owner, b in zip(owners, buffers, strict=True)),
        at_peak=_live_at(buffers, makers, profile.index(bound) if profile else 0),
    )


def _of_a_step(node: Node, sizes: Mapping[str, int]) -> int:
    """The arena of a scan's body."""
    return plan(node.body, sizes).peak if node.op == SCAN and node.body is not None else 0


def _free_from(nodes: Sequence[Node]) -> list[int]:
    """For each time, and the end, until when memory that was last used then is kept: through the next node that works,
    if that does not need this one."""
    free = list(range(len(nodes) + 1))
    before = None
    for time, node in enumerate(nodes):
        if node.op in VIEWS or "leaf" in opdef(node.op).traits:
            continue
        if before is not None and not any(_maker(v) is nodes[before] for v in node.inputs):
            free[before] = time
        before = time
    return free


def _maker(value: Value) -> Node:
    while value.node.op in VIEWS:
        value = value.node.inputs[0]
    return value.node


def _live_at(buffers: Sequence[Buffer], makers: Sequence[Node], time: int) -> tuple[tuple[Node, int], ...]:
    pairs = zip(makers, buffers, strict=True)
    return tuple((node, b.size) for node, b in pairs if b.start <= time <= b.end)


class _Storages:
    """Which values share a storage, and from when to when each storage is needed.

    `first`, `last` and `bytes` speak of storages in the arena, by the value that opened them.
    """

    def __init__(
        self,
        graph: Graph,
        sizing: Callable[[Value], int],
        may_alias: Callable[[Node, int], bool],
        within: Mapping[Value, Value],
    ) -> None:
        self._sizing, self._may_alias, self._within = sizing, may_alias, within
        self._last_use = _last_uses(graph)
        self._last_of_parts: dict[Value, int] = {}
        for part, whole in within.items():
            self._last_of_parts[whole] = max(self._last_of_parts.get(whole, 0), self._last_use.get(part, 0))
        self.storage: dict[Value, Value] = {}
        self.first: dict[Value, int] = {}
        self.last: dict[Value, int] = {}
        self.bytes: dict[Value, int] = {}

    def visit(self, time: int, node: Node) -> None:
        if node.op in VIEWS:
            self._join(node.out, node.inputs[0], time)
            return
        outside = "leaf" in opdef(node.op).traits and node.op != "extent"
        taken: set[Value] = set()
        for result in node.results:
            whole = self._within.get(result, result)
            if whole in self.storage:
                self._join(result, whole, time)
                continue
            part = result != whole
            host = None if outside or part else self._host(node, result, time, taken)
            if host is not None:
                taken.add(self.storage[host])
                self._join(result, host, time)
                continue
            self.storage[result] = self.storage[whole] = whole
            if not outside:
                ends = (time, self._last_use.get(whole, time), self._last_of_parts.get(whole, time))
                self.first[whole] = time
                self.last[whole] = max(ends)
                self.bytes[whole] = align(self._sizing(whole))

    def _join(self, value: Value, host: Value, time: int) -> None:
        root = self.storage[host]
        self.storage[value] = root
        if root in self.last:
            self.last[root] = max(self.last[root], time, self._last_use.get(value, time))

    def _host(self, node: Node, result: Value, time: int, taken: set[Value]) -> Value | None:
        """An input whose storage ends with this node and may be overwritten with `result`."""
        size = self._sizing(result)
        for value in node.inputs:
            root = self.storage[value]
            if value in self._within:
                continue
            ends_here = root in self.last and self.last[root] == time
            if not ends_here or root in taken or value.type != result.type or not 0 < size <= self.bytes[root]:
                continue
            # The same bytes read under several names must all be read in the order in which they are overwritten.
            readers = [(i, v) for i, v in enumerate(node.inputs) if self.storage[v] == root]
            if all(v.type == value.type and self._may_alias(node, i) for i, v in readers):
                return value
        return None


def _last_uses(graph: Graph) -> dict[Value, int]:
    """The last time each value is read; a value that leaves the graph is needed to the end."""
    last: dict[Value, int] = {}
    for time, node in enumerate(graph.nodes):
        for value in node.inputs:
            last[value] = time
    last.update(dict.fromkeys(graph.escaping, len(graph.nodes)))
    return last
