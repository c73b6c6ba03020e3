"""Lowering of local response normalisation, and of its gradient, in terms of other ops."""

from __future__ import annotations

from netlang.backends.common.context import Context
from netlang.backends.common.inline import has_halves, in_single_precision, inline
from netlang.backends.common.lowerings import AnyLowerings
from netlang.backends.common.steps import Step
from netlang.ir.build import Builder
from netlang.ir.graph import Graph, Node
from netlang.ops.response import composed


def response_composed(context: Context, node: Node) -> list[Step]:
    """A node of either op, halves in single precision."""
    if has_halves(context, node):
        return in_single_precision(context, node)
    b = Builder(node.spans, node.name, node.origin)
    inputs = tuple(b.input(f"x{i}", v.type) for i, v in enumerate(node.inputs))
    return inline(context, node, Graph("composed", inputs, (), (("y0", composed(b, node, inputs)),)))


def register(table: AnyLowerings) -> None:
    """What kernels of its own cannot carry out."""
    table.lowering("local_response_norm", "local_response_norm_grad", priority=-10)(response_composed)
