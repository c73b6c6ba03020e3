"""Lowerings of everything that is one loop nest: elementwise ops, reductions, normalisations, fused loops."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from netlang.backends.cpu.expansions import EXPANSIONS
from netlang.backends.cpu.expressions import EXPRESSIONS
from netlang.backends.cpu.lower import Buffer, LoweringContext, Step, lowering
from netlang.backends.cpu.nest import Nest
from netlang.backends.cpu.nest_build import build_nest
from netlang.backends.cpu.nest_steps import is_in_place_safe, nest_steps
from netlang.ir.graph import Node, Value

_SINGLE = frozenset(
    {*EXPRESSIONS, *EXPANSIONS, "reduce_sum", "reduce_mean", "reduce_max", "reduce_min", "one_hot", "uniform", "extent"}
)


@lru_cache(maxsize=1)  # asked twice in a row: whether it fits, and to carry it out
def nest_of(node: Node) -> Nest | None:
    """The nest that carries out a node, or None."""
    if any(v.type.layout for v in (*node.inputs, *node.results)):
        return None
    if node.body is None:
        # The exponent of a power decides on the code; other constants are read, so that they share a kernel.
        known = node.inputs[1:] if node.op == "pow" and node.inputs[1].node.op == "const" else ()
        return build_nest({v: v for v in node.inputs if v not in known}, [(v, v) for v in node.results])
    inputs: Mapping[Value, Buffer] = dict(zip(node.body.inputs, node.inputs, strict=True))
    targets = [(v, r) for (_, v), r in zip(node.body.outputs, node.results, strict=True)]
    return build_nest(inputs, targets)


@lowering(*sorted(_SINGLE), "fused.loop", match=lambda context, node: nest_of(node) is not None)
def loop(context: LoweringContext, node: Node) -> list[Step]:
    """One kernel for the whole node."""
    nest = nest_of(node)
    assert nest is not None
    if node is context.owner:
        context.allow_in_place(*(i for i, v in enumerate(node.inputs) if is_in_place_safe(nest, v)))
    return nest_steps(context, nest)
