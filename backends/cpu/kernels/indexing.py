"""Lowerings of argmax, gather and scatter_add."""

from __future__ import annotations

from netlang.backends.common.inline import has_halves, in_single_precision
from netlang.backends.common.steps import Arg, Step
from netlang.backends.cpu.kernel import native
from netlang.backends.cpu.lower import LoweringContext, lowering
from netlang.ir.dims import size
from netlang.ir.graph import Node, Value

AS_MOVED = {1: "i8", 2: "i16", 4: "i32", 8: "i64"}
"""Under these names elements are copied by their width alone."""


def around(value: Value, axis: int, inner_from: int) -> tuple[Arg, Arg]:
    """Elements before an axis, and from another one on."""
    return size(value.shape[:axis]), size(value.shape[inner_from:])


@lowering("argmax")
def argmax(context: LoweringContext, node: Node) -> list[Step]:
    (x,), axis = node.inputs, node.attrs["axis"]
    outer, inner = around(x, axis, axis + 1)
    kernel = native("indexing", "argmax", x.dtype.value)
    return [Step(kernel, (x, node.out, outer, x.shape[axis], inner), (node.out,), size(x.shape))]


@lowering("gather")
def gather(context: LoweringContext, node: Node) -> list[Step]:
    (x, indices), axis = node.inputs, node.attrs["axis"]
    outer, inner = around(x, axis, axis + 1)
    kernel = native("indexing", "gather", AS_MOVED[x.dtype.size], indices.dtype.value)
    args = (x, indices, node.out, outer, x.shape[axis], inner, size(indices.shape))
    return [Step(kernel, args, (node.out,), size(node.out.shape))]


@lowering("scatter_add", match=lambda context, node: not has_halves(context, node))
def scatter_add(context: LoweringContext, node: Node) -> list[Step]:
    (updates, indices), axis = node.inputs, node.attrs["axis"]
    outer, inner = around(updates, axis, axis + indices.rank)
    kernel = native("indexing", "scatter_add", updates.dtype.value, indices.dtype.value)
    args = (updates, indices, node.out, outer, node.attrs["size"], inner, size(indices.shape))
    return [Step(kernel, args, (node.out,), size(node.out.shape) + size(updates.shape))]


lowering("scatter_add", priority=-10, match=has_halves)(in_single_precision)
