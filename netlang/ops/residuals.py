"""What the forward pass of a scan keeps of every step for its gradient, and what is rather computed again.

A step's gradient reads values of the step: some of them are at hand (slices, constants), the others are emitted by the
forward scan as stacks, or computed again from such. Elementwise and moving ops are so cheap that a step's memory
traffic costs more: of what they make nothing is kept, unless that takes less room than what it is made of.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from netlang.ir.dims import evaluate, names
from netlang.ir.graph import Node, Value, topological
from netlang.ir.opdef import opdef

_CHEAP = frozenset(
    {"add", "sub", "mul", "div", "neg", "abs", "sign", "relu", "leaky_relu", "max", "min", "where", "cast"}
    | {"eq", "ne", "lt", "le", "gt", "ge", "and", "or", "not", "stop_gradient", "one_hot", "const", "extent", "iota"}
)
SEED = "seed"
"""The origin of inputs that stand for incoming gradients."""
_NOT_MOVED = frozenset({"gather", "scatter_add"})
_TYPICAL = 32
"""The size that stands for an unknown one where bytes are compared."""


def kept_values(
    roots: Sequence[Value], given: Collection[Value], states: Sequence[Value], all_again: bool
) -> list[Value]:
    """The values of a step that its gradient `roots` need kept, in the order of the step.

    given      what every step of the gradient has besides: slices, constants, incoming gradients
    states     the states at the start of the step; they are kept where they are read
    all_again  compute everything again: only states are kept
    """
    order = tuple(topological(roots))
    late = _late(order, given)
    needed = _boundary(order, roots, late)
    if all_again:
        reached = set(topological(needed))
        return [s for s in states if s.node in reached]
    kept = dict.fromkeys(v for v in needed if not _needs_nothing(v.node, given))
    for value in (v for v in needed if v not in kept):
        missing = [v for v in _sources(value, given) if v not in kept]
        if sum(map(typical_bytes, missing)) > typical_bytes(value):
            kept[value] = None
        else:
            kept.update(dict.fromkeys(missing))
    return list(kept)


def _late(order: Sequence[Node], given: Collection[Value]) -> set[Node]:
    """The nodes that depend on incoming gradients: they cannot be carried out in the forward pass."""
    seeds = {v for v in given if v.node.origin == SEED}
    late: set[Node] = {v.node for v in seeds}
    for node in order:
        if any(v.node in late for v in node.inputs):
            late.add(node)
    return late


def _boundary(order: Sequence[Node], roots: Sequence[Value], late: set[Node]) -> list[Value]:
    """What nodes of the gradient read of the forward pass, in order."""
    found: dict[Value, None] = {}
    for node in order:
        if node in late:
            found.update(dict.fromkeys(v for v in node.inputs if v.node not in late))
    found.update(dict.fromkeys(v for v in roots if v.node not in late))
    return list(found)


def _needs_nothing(node: Node, given: Collection[Value]) -> bool:
    if node.op == "input":
        return node.out in given
    moves = "movement" in opdef(node.op).traits and node.op not in _NOT_MOVED
    return moves or node.op in _CHEAP


def _sources(value: Value, given: Collection[Value]) -> list[Value]:
    """What a cheap value is made of, past other cheap ones."""
    found: dict[Value, None] = {}
    seen: set[Value] = set()
    waiting = [value]
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        if _needs_nothing(current.node, given):
            waiting += current.node.inputs
        else:
            found[current] = None
    return list(found)


def is_free(op: str) -> bool:
    """Whether an op costs less than the memory traffic of its results."""
    return op in _CHEAP


def typical_bytes(value: Value) -> int:
    """The bytes of a value where unknown sizes are of a typical size."""
    size = value.type.bytes
    return evaluate(size, dict.fromkeys(names(size), _TYPICAL))
