"""Graphs around drawn nodes: leaves with numbers, the gradients of a weighted sum of the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from netlang.ir.build import Builder, make_node
from netlang.ir.dims import names
from netlang.ir.gradient import gradients
from netlang.ir.graph import Graph, Value
from tests.drawing import Array, Case, Draw, Made, N, Operand, filled, normal, tensor

B = Builder()


@dataclass(frozen=True)
class Leaf:
    """An input, a parameter or a constant. `before` are the leaves that its numbers may depend on."""

    value: Value
    operand: Operand
    before: tuple[Value, ...]
    seed: int


@dataclass
class Drawn:
    """A graph that is being drawn."""

    d: Draw
    leaves: list[Leaf] = field(default_factory=list)

    def leaf(self, operand: Operand, before: Sequence[Value] = (), place: str = "") -> Value:
        """A leaf for an operand: `input`, `param` or `const`. With a symbolic dim it can only be an input."""
        number, seed = len(self.leaves), self.d.whole(0, 2**31)
        if any(map(names, operand.type.shape)):
            place = "input"
        place = place or self.d.pick("input", "param", "const")
        if place == "const":
            have = self.arrays(self.d.batch)
            made = Made(self.d.batch, [have[v] for v in before])
            value = B.const(filled(operand, made, seed), operand.type.dtype)
        elif place == "param":
            value = B.param(f"p{number}", operand.type, "weight", ("constant", 0.0))
        else:
            value = B.input(f"x{number}", operand.type)
        self.leaves.append(Leaf(value, operand, tuple(before), seed))
        return value

    def node(self, op: str, case: Case, main: Value | None = None) -> tuple[Value, ...]:
        """The results of a node; `main` is its main operand where that is there already."""
        values: list[Value] = []
        for i, operand in enumerate(case.operands):
            if i != case.main:
                values.append(self.leaf(operand, [v for v in values if v is not main]))
            else:
                # A node of constants alone would be folded away.
                values.append(self.leaf(operand, values, "input") if main is None else main)
        results = make_node(op, values, dict(case.attrs)).results
        self._tell_size([*values, *results])
        return results

    def _tell_size(self, values: Sequence[Value]) -> None:
        """An input from which the size of `N` follows, where it is not known yet."""
        known = any(N in leaf.value.shape for leaf in self.leaves)
        if not known and any(names(dim) for value in values for dim in value.shape):
            self.leaf(tensor((N,)), place="input")

    def arrays(self, batch: int) -> dict[Value, Array]:
        """The numbers of all leaves for a size of the batch."""
        found: dict[Value, Array] = {}
        for leaf in self.leaves:
            made = Made(batch, [found[v] for v in leaf.before])
            found[leaf.value] = filled(leaf.operand, made, leaf.seed)
        return found

    def named(self, place: str, batch: int) -> dict[str, Array]:
        """The numbers of all inputs or all parameters by name."""
        return {v.node.name: a for v, a in self.arrays(batch).items() if v.node.op == place}

    def graph(self, outputs: Mapping[str, Value]) -> Graph:
        inputs, params = (tuple(leaf.value for leaf in self.leaves if leaf.value.node.op == p) for p in _PLACES)
        return Graph("drawn", inputs, params, tuple(outputs.items()))

    def slopes(self, results: Sequence[Value]) -> dict[str, Value]:
        """Gradients of sum(result * random constant), over all float results, by all float leaves."""
        wrt = [leaf.value for leaf in self.leaves if leaf.value.dtype.is_float and leaf.value.node.op in _PLACES]
        total: Value | None = None
        for result in results:
            if result.dtype.is_float:
                weight = self.leaf(tensor(result.shape, normal, result.dtype), place="input")
                part = B.sum(B.mul(result, weight), range(result.rank))
                total = part if total is None else B.add(total, part)
        if total is None or not wrt:
            return {}
        return {f"d_{v.node.name}": g for v, g in zip(wrt, gradients(total, wrt), strict=True)}


_PLACES = ("input", "param")
