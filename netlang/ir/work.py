"""How much a node computes, with all that its body computes."""

from __future__ import annotations

from collections.abc import Collection

from netlang.ir.dims import Dim
from netlang.ir.graph import Node
from netlang.ir.opdef import opdef


def multiply_adds(node: Node, only: Collection[str] | None = None) -> Dim:
    """Multiply-adds of a node, a multiply and an add as one; of a node with a body those of the body, as often as it is
    carried out. With `only`, those of these ops alone."""
    record = opdef(node.op)
    if node.body is None or record.body is None:
        counts = only is None or node.op in only
        return record.madds([v.type for v in node.inputs], node.types, node.attrs) if counts else 0
    total: Dim = 0
    for inner in node.body.nodes:
        total = total + multiply_adds(inner, only)
    return total * record.body.steps(node.attrs)
