"""After a loop: what its steps emit and no state depends on, for all of them at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from netlang.ir.build import Builder
from netlang.ir.graph import Node, Value, topological
from netlang.ir.scan import Loop, is_number
from netlang.ops.residuals import typical_bytes
from netlang.passes.all_steps import Given, at_once

_PRODUCTS = frozenset({"matmul", "conv", "gather"})
_MOST = 2
"""So many times the bytes that the loop emitted before may it emit afterwards."""


@dataclass(frozen=True)
class Late:
    """A loop that emits other values, and what the old ones are made from them.

    results     the old stacks, in order, computed from `stand_ins`
    stand_ins   for everything that the loop emits, the value that stands for its stack in `results`
    """

    loop: Loop
    results: tuple[Value, ...]
    stand_ins: Mapping[Value, Value]


def after(build: Builder, loop: Loop) -> Late | None:
    """Take products that are only emitted, and what is made of them, out of the loop; None where there are none."""
    inside = {n for n in topological(loop.following) if n.op != "input"}
    order = [n for n in topological(loop.emitted) if n not in inside and n.op != "input" and not is_number(n)]
    refused: set[Node] = set()
    while True:
        late = _late(order, loop, refused)
        if not late:
            return None
        found = _Stacks(build, loop, late)
        stuck = found.compute([n for n in order if n in late])
        if stuck is None:
            break
        # Whatever leads to a node that has no stack must stay with it.
        refused.update(topological([stuck.out]))
    emitted = [v for v in loop.emitted if v.node not in late and v not in found.read]
    if _bytes([*found.read, *emitted]) > _MOST * _bytes(loop.emitted):
        return None
    return found.finished(emitted)


def _bytes(values: Sequence[Value]) -> int:
    return sum(map(typical_bytes, dict.fromkeys(values)))


def _late(order: Sequence[Node], loop: Loop, refused: Collection[Node]) -> set[Node]:
    """Products with something that stays, and all that is made of them."""
    still = set(loop.shared)
    late: set[Node] = set()
    for node in order:
        product = node.op in _PRODUCTS and any(v in still for v in node.inputs) and node not in refused
        if product or any(v.node in late for v in node.inputs):
            late.add(node)
    return late


class _Stacks:
    """The stacks of late nodes, from stand-ins for the stacks of what they read."""

    def __init__(self, build: Builder, loop: Loop, late: set[Node]) -> None:
        self.build, self.loop, self.late = build, loop, late
        self.known = {v: (x, True) for v, x in zip(loop.slices, loop.sequences, strict=True)}
        self.known |= {v: (c, False) for v, c in zip(loop.shared, loop.constants, strict=True)}
        self.read: dict[Value, Value] = {}

    def compute(self, nodes: Sequence[Node]) -> Node | None:
        """Make the stacks of all these; the first node that cannot be done for all steps at once, if there is one."""
        for node in nodes:
            given = [self._outside(v) for v in node.inputs]
            stacked = tuple(is_stack for _, is_stack in given)
            if not any(stacked):
                return node
            inputs = tuple(v for v, _ in given)
            results = at_once(Given(self.build.like(node), node, inputs, stacked, self.loop.length))
            if results is None:
                return node
            self.known.update({old: (new, True) for old, new in zip(node.results, results, strict=True)})
        return None

    def _outside(self, value: Value) -> tuple[Value, bool]:
        if value not in self.known:
            if is_number(value.node):
                self.known[value] = value, False
            else:
                self.known[value] = self._stand_in(value), True
        return self.known[value]

    def _stand_in(self, value: Value) -> Value:
        shape = (self.loop.length, *value.shape)
        self.read[value] = self.build.input(f"stack{len(self.read)}", value.type.with_shape(shape))
        return self.read[value]

    def finished(self, emitted: Sequence[Value]) -> Late:
        """The loop that emits `emitted` and what the late nodes read."""
        kept = dict.fromkeys((*emitted, *self.read))
        stand_ins = {v: self.read[v] if v in self.read else self._stand_in(v) for v in kept}
        results = tuple(self.known[v][0] if v.node in self.late else stand_ins[v] for v in self.loop.emitted)
        return Late(replace(self.loop, emitted=tuple(kept)), results, stand_ins)
