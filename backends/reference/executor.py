"""Evaluates a graph node by node through the meanings of the op records: slow, plain, the definition of correct."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import netlang.ops  # noqa: F401  (fills the registry)
from netlang.backends.base import Array, Observer
from netlang.backends.reference.concrete import (
    Retype,
    bind_sizes,
    concrete_attrs,
    concrete_types,
    in_type,
    is_symbolic,
)
from netlang.diagnostics import error
from netlang.ir.graph import Graph, Node, Value
from netlang.ir.opdef import OpDef, opdef
from netlang.ir.sizes import check_sizes
from netlang.ir.types import TensorType

Results = Mapping[str, Array]
Values = dict[Value, Array]


@dataclass(frozen=True)
class _Step:
    """One node to carry out, and the values that nobody reads after it.

    `fixed` holds attributes and result types already made concrete, where no size enters them.
    """

    node: Node
    record: OpDef
    dead: tuple[Value, ...]
    fixed: tuple[dict[str, Any], tuple[TensorType, ...]] | None
    body: Plan | None


class Plan:
    """A graph in the order it is evaluated, with the place where each value dies."""

    def __init__(self, graph: Graph, retype: Retype) -> None:
        self.graph = graph
        self.retype = retype
        work = [n for n in graph.nodes if n.op not in ("input", "param")]
        dead = _last_reads(graph, work)
        self.steps = [self._step(n, dead.get(n, ())) for n in work]

    def _step(self, node: Node, dead: tuple[Value, ...]) -> _Step:
        fixed = None
        if not is_symbolic(node):
            fixed = concrete_attrs(node.attrs, {}, self.retype), concrete_types(node, {}, self.retype)
        body = None if node.body is None else Plan(node.body, self.retype)
        return _Step(node, opdef(node.op), dead, fixed, body)

    def run(self, values: Values, sizes: Mapping[str, int], observe: Observer | None) -> Values:
        """Evaluate every node. `values` starts with inputs and params and ends with what leaves the graph."""
        for step in self.steps:
            results = self._carry_out(step, [values[v] for v in step.node.inputs], sizes, observe)
            if observe is not None:
                observe(step.node, results)
            values.update(zip(step.node.results, results, strict=True))
            for value in step.dead:
                del values[value]
        return values

    def call(self, arrays: Sequence[Array], sizes: Mapping[str, int], observe: Observer | None) -> list[Array]:
        """Evaluate the graph as a body: the arrays of its inputs, in order, to those of its outputs."""
        values = self.run(dict(zip(self.graph.inputs, arrays, strict=True)), sizes, observe)
        return [values[v] for _, v in self.graph.outputs]

    def _carry_out(
        self, step: _Step, arrays: list[Array], sizes: Mapping[str, int], observe: Observer | None
    ) -> tuple[Array, ...]:
        node = step.node
        if step.fixed is not None:
            attrs, types = step.fixed
        else:
            attrs = concrete_attrs(node.attrs, sizes, self.retype)
            types = concrete_types(node, sizes, self.retype)
        body, rules = step.body, step.record.body
        try:
            if body is not None and rules is not None:
                return tuple(rules.meaning(lambda given: body.call(given, sizes, observe), arrays, attrs, types))
            return tuple(step.record.meaning(arrays, attrs, types))
        except IndexError as fault:
            raise error(f"{node.op}: {fault}", *node.spans) from fault
        except MemoryError as fault:
            wanted = ", ".join(map(str, types))
            raise error(f"{node.op}: not enough memory for {wanted}", *node.spans) from fault

    def peak_bytes(self, sizes: Mapping[str, int]) -> int:
        """The most bytes alive at once, inputs, params and constants apart; views count as if they were copies."""
        alive = peak = 0
        size: dict[Value, int] = {}
        for step in self.steps:
            for value in step.node.results:
                dtype = self.retype.get(value.dtype, value.dtype)
                count = int(np.prod(value.type.concrete(sizes), dtype=np.int64))
                size[value] = 0 if step.node.op == "const" else count * dtype.size
                alive += size[value]
            inner = step.body.peak_bytes(sizes) if step.body is not None else 0
            peak = max(peak, alive + inner)
            alive -= sum(size.get(v, 0) for v in step.dead)
        return peak


def _last_reads(graph: Graph, work: list[Node]) -> dict[Node, tuple[Value, ...]]:
    """For each node the values to drop after it: read for the last time there, or never read at all."""
    last: dict[Value, Node] = {}
    for node in work:
        last.update(dict.fromkeys(node.results, node))
        last.update(dict.fromkeys(node.inputs, node))
    dead: dict[Node, list[Value]] = {}
    for value, node in last.items():
        if value not in graph.escaping:
            dead.setdefault(node, []).append(value)
    return {n: tuple(v) for n, v in dead.items()}


def run_plan(
    plan: Plan, inputs: Results, params: Results, observe: Observer | None = None
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Outputs and updates by name, in arrays that share no memory with inputs, params or each other."""
    graph = plan.graph
    values: Values = {v: in_type(np.asarray(inputs[v.node.name]), plan.retype) for v in graph.inputs}
    sizes = bind_sizes((v.type, a.shape) for v, a in values.items())
    check_sizes(graph, sizes)
    values.update({v: in_type(np.asarray(params[v.node.name]), plan.retype) for v in graph.params})
    given = {id(a) for a in values.values()}
    with np.errstate(all="ignore"):
        values = plan.run(values, sizes, observe)
    outputs = {name: _own(values[v], given) for name, v in graph.outputs}
    return outputs, {name: _own(values[v], given) for name, v in graph.updates}


def _own(array: Array, given: set[int]) -> Array:
    """A contiguous array that nobody else holds."""
    flags = array.flags
    if id(array) not in given and flags.owndata and flags.c_contiguous and flags.writeable:
        given.add(id(array))
        return array
    return array.copy(order="C")
