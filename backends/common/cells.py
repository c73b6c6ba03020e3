"""cells: in the bodies of scans, products with weights and what follows them become one kernel each.

Before (the body of a scan)                            After
    %0 = fused(%h, %w, %x) {kind = "dense"} {             %0, %1 = fused(%h, %w, %x, %c) {kind = "cell"} {
      matmul, add }              [N, 4*U]                   matmul, add, slice, ... sigmoid, tanh, mul }  [N, U]
    %1 = slice(%0)               [N, U]
    %2 = slice(%0)               [N, U]
    %3 = fused(%1, %2, ...) {kind = "loop"} {
      sigmoid, tanh, mul ... }   [N, U]

So it is with recurrent layers of every kind: gates are slices of one product, and nothing but the next states (and what
a gradient will read) is stored. What makes several units wide tensors of single ones, the gradient of that, is a cell
too, without a product. What a cell may be is said in `cell`; nothing here asks for the name of a layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from netlang.backends.common.cell import KIND, MOST_GATES, MOVES, TYPES, is_product, may_join, read_cell, units_of
from netlang.ir.build import Builder
from netlang.ir.graph import Graph, Node, Value, topological
from netlang.ir.rewrite import Replacement, replace_values, transform
from netlang.ir.scan import SCAN, Loop
from netlang.passes import fuse
from netlang.passes.fusing import Plan, fuse_groups
from netlang.passes.manager import Pass
from netlang.passes.partition import Partition, is_free, source

_OPENED = frozenset({"dense", "loop"})


def run(graph: Graph) -> Graph:
    """`graph` with cells in the bodies of its scans, and of the scans in them."""

    def rule(build: Builder, node: Node) -> Replacement:
        if node.op != SCAN or node.body is None:
            return None
        parts = Loop.of(node)
        body = _with_cells(run(node.body), parts.shared)
        body = _passed_on(body, (*parts.states, *parts.slices))
        return None if body is node.body else replace(node, body=body).results

    return transform(graph, rule, "") if any(node.op == SCAN for node in graph.nodes) else graph


PASS = Pass("cells", run)


def _with_cells(body: Graph, steady: Iterable[Value]) -> Graph:
    """A body with cells; `steady` are those of its inputs that are the same in every round."""
    flat = _opened(body)
    partition = Partition(flat)
    plans: dict[int, Plan] = {}
    weights = set(steady)
    for node in flat.nodes:
        if is_product(node) and node.inputs[1] in weights:
            _Growth(partition, node).plan(plans)
    for node in flat.nodes:
        if node.op in ("slice_grad", "concat") and partition.group(node) not in plans:
            _Growth(partition, node).plan(plans)
    return fuse.run(fuse_groups(partition, plans)) if plans else body


def _passed_on(body: Graph, moving: Iterable[Value]) -> Graph:
    """States and slices that a step emits as they are (a gradient wants the state before each step) are stored by a
    cell too, rather than copied by a step of their own."""
    wanted = {v for _, v in body.outputs if v in set(moving)}
    found: dict[Value, Value] = {}
    for node in body.nodes:
        if node.op == "fused" and node.attrs["kind"] == KIND:
            taken = [v for v in body.inputs if v in wanted and v not in found and _may_store(node, v)]
            if taken:
                more = _storing(node, taken)
                found.update(zip(node.results, more.results, strict=False))
                found.update(zip(taken, more.results[len(node.results) :], strict=True))
    made = {v: found[v] for v in found if v.node.op != "input"}
    rest = replace_values(body, made)
    outputs = zip(rest.outputs, body.outputs, strict=True)
    return rest.replace(outputs=tuple((name, found.get(old, new)) for (name, new), (_, old) in outputs))


def _may_store(node: Node, value: Value) -> bool:
    """Whether a cell can store a value that it is given."""
    assert node.body is not None
    cell = read_cell(node.body)
    if cell is None or value.rank != 2 or value.shape[0] != cell.rows or value.dtype not in TYPES:
        return False
    width = value.shape[1]
    return isinstance(width, int) and width % cell.units == 0 and width <= MOST_GATES * cell.units


def _storing(node: Node, values: Sequence[Value]) -> Node:
    """A cell that stores these values besides, of which some are among its inputs."""
    assert node.body is not None
    outer = list(dict.fromkeys((*node.inputs, *values)))
    leaves = list(node.body.inputs)
    leaves += [Builder().input(f"a{i}", v.type) for i, v in enumerate(outer[len(leaves) :], len(leaves))]
    inside = dict(zip(outer, leaves, strict=True))
    stored = tuple((f"r{i}", inside[v]) for i, v in enumerate(values, len(node.results)))
    body = node.body.replace(inputs=tuple(leaves), outputs=(*node.body.outputs, *stored))
    return replace(node, inputs=tuple(outer), types=(*node.types, *(v.type for v in values)), body=body)


def _opened(body: Graph) -> Graph:
    """`body` with the ops of fused nodes that a cell may take apart."""
    found: dict[Value, Value] = {}
    for node in body.nodes:
        if node.op == "fused" and node.attrs["kind"] in _OPENED:
            assert node.body is not None
            inner = replace_values(node.body, dict(zip(node.body.inputs, node.inputs, strict=True)))
            found.update(zip(node.results, (v for _, v in inner.outputs), strict=True))
    return replace_values(body, found)


class _Growth:
    """One cell as it grows from a product, or from the node that puts gates side by side."""

    def __init__(self, partition: Partition, seed: Node) -> None:
        self.partition, self.seed = partition, seed
        self.members = {seed}
        self.rows = seed.out.shape[0] if seed.out.rank == 2 else 0
        self.before = set(topological(seed.inputs)) if seed.op == "matmul" else set()
        """What cannot join: the product reads what has been stored."""
        self.readers = _readers(partition.graph)
        self.units = self._units()

    def plan(self, plans: dict[int, Plan]) -> None:
        """Join all that can be, and note what became of it."""
        if not self.units or (self.seed.op != "matmul" and not may_join(self.seed, self.rows, self.units)):
            return
        taken = {n for group in plans for n in self.partition.members(group)}
        while any(self._join(node) for node in self.partition.graph.nodes if node not in taken):
            pass
        plans[self.partition.group(self.seed)] = Plan(KIND, self.seed)

    def _units(self) -> int:
        """The units of the seed: what the slices of a product leave, or what is put side by side. 0 for what is no
        matrix."""
        if not self.rows:
            return 0
        cuts, waiting, seen = [self.seed], [self.seed], {self.seed}
        while waiting:
            for node in self.readers.get(waiting.pop().out, ()):
                if node in seen:
                    continue
                seen.add(node)
                if node.op in MOVES and node.attrs["axis"] == 1 and self.seed.op == "matmul":
                    cuts.append(node)
                elif node.out.shape == self.seed.out.shape:
                    waiting.append(node)
        units, (width,) = units_of(cuts), self.seed.out.shape[1:]
        if isinstance(width, int) and units and width > MOST_GATES * units:
            return width if self.seed.op == "matmul" else 0
        return units

    def _join(self, node: Node) -> bool:
        """Add a node; False where it is in already or cannot be."""
        if node in self.members or is_free(node) or node.op == "input" or not may_join(node, self.rows, self.units):
            return False
        if not self._is_wanted(node) or not self._is_direct(node):
            return False
        groups = self.partition.group(self.seed), self.partition.group(node)
        if len(self.partition.members(groups[1])) > 1 or not self.partition.join(groups):
            return False
        self.members.add(node)
        return True

    def _is_wanted(self, node: Node) -> bool:
        """Whether a node reads something of the cell, or makes something that had better stay in it."""
        if any(source(v).node in self.members for v in node.inputs):
            return True
        readers = self.readers.get(node.out, ())
        if node in self.before or not readers:
            return False
        if self.seed.op == "matmul":
            return node.out not in self.partition.graph.escaping and all(r in self.members for r in readers)
        return any(r in self.members for r in readers)

    def _is_direct(self, node: Node) -> bool:
        """Whether nothing inside the cell would be read through a broadcast."""
        made = [(v, source(v)) for v in node.inputs]
        made += [(v, source(v)) for r in self.readers.get(node.out, ()) if r in self.members for v in r.inputs]
        inside = self.members | {node}
        return all(v is s for v, s in made if s.node in inside)


def _readers(graph: Graph) -> dict[Value, list[Node]]:
    """The nodes that read a value, past free nodes."""
    found: dict[Value, list[Node]] = {}
    for node in graph.nodes:
        if not is_free(node):
            for value in dict.fromkeys(map(source, node.inputs)):
                found.setdefault(value, []).append(node)
    return found
