"""Lowering a whole graph, node by node."""

from __future__ import annotations

from netlang.backends.common.context import Context
from netlang.backends.common.steady import lives
from netlang.backends.common.steps import Step
from netlang.ir.graph import Node
from netlang.passes.memory import VIEWS

_NOTHING_TO_DO = frozenset({"input", "param", "const", *VIEWS})


def lower_graph(context: Context) -> dict[Node, list[Step]]:
    """The steps of every node of the context's graph that has any."""
    return {n: lower_node(context, n) for n in context.graph.nodes if n.op not in _NOTHING_TO_DO}


def lower_node(context: Context, node: Node) -> list[Step]:
    """The steps of a node of the context's own graph."""
    context.owner = node
    steps = context.lower(node)
    if any(step.loops for step in steps):
        context.lives.update(lives(steps))
    return steps
