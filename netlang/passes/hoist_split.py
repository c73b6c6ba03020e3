"""Products with a concatenation, part by part: [x, h] @ W = x @ W[:F] + h @ W[F:], where x depends on no state."""

from __future__ import annotations

from dataclasses import replace

from netlang.ir.build import Builder
from netlang.ir.graph import Node, Value, topological
from netlang.ir.rewrite import Replacement, transform
from netlang.ir.scan import Loop


def split(build: Builder, loop: Loop) -> Loop:
    """`loop` with such products written out; the same object where there are none."""
    bound = _bound(loop)

    def rule(make: Builder, node: Node) -> Replacement:
        return _by_parts(make, node, bound)

    body = transform(loop.body, rule, build.origin)
    made = tuple(v for _, v in body.outputs)
    if made == loop.made:
        return loop
    count = len(loop.states)
    return replace(loop, following=made[:count], emitted=made[count:])


def _bound(loop: Loop) -> set[Value]:
    """What depends on a state, or is drawn anew in every step."""
    found = set(loop.states)
    for node in topological(loop.made):
        if any(v in found for v in node.inputs):
            found.update(node.results)
    return found


def _by_parts(make: Builder, node: Node, bound: set[Value]) -> Replacement:
    if node.op != "matmul" or node.attrs["transpose_a"] or node.inputs[1].rank != 2:
        return None
    joined, weight = node.inputs
    parts = joined.node
    if parts.op != "concat" or parts.attrs["axis"] != joined.rank - 1 or weight in bound:
        return None
    if len({v in bound for v in parts.inputs}) == 1:
        return None
    free = [i for i, v in enumerate(parts.inputs) if v not in bound]
    rest = [i for i, v in enumerate(parts.inputs) if v in bound]
    axis = 1 if node.attrs["transpose_b"] else 0
    return make.add(*(_product(make, node, axis, chosen) for chosen in (free, rest)))


def _product(make: Builder, node: Node, axis: int, chosen: list[int]) -> Value:
    """The product of some parts, side by side, with their rows of the weight."""
    joined, weight = node.inputs
    starts = [0]
    for value in joined.node.inputs:
        starts.append(starts[-1] + value.shape[-1])  # type: ignore[arg-type]
    rows = [make.op("slice", weight, axis=axis, start=starts[i], stop=starts[i + 1]) for i in chosen]
    parts = [joined.node.inputs[i] for i in chosen]
    left = parts[0] if len(parts) == 1 else make.op("concat", *parts, axis=joined.rank - 1)
    right = rows[0] if len(rows) == 1 else make.op("concat", *rows, axis=axis)
    return make.op("matmul", left, right, **node.attrs)
