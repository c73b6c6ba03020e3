"""Lowering of matrix products to plain loops: any strides and batch dimensions, where no tile fits."""

from __future__ import annotations

from netlang.backends.common.inline import has_halves, in_single_precision
from netlang.backends.common.matrix_strides import batch_axes, inner_size, matrix_strides
from netlang.backends.common.steps import Arg, Step
from netlang.backends.cpu.kernel import native
from netlang.backends.cpu.lower import LoweringContext, lowering
from netlang.ir.dims import size
from netlang.ir.graph import Node

_PRIORITY = -10


@lowering("matmul", priority=_PRIORITY, match=lambda context, node: not has_halves(context, node))
def matmul(context: LoweringContext, node: Node) -> list[Step]:
    (a, b), out = node.inputs, node.out
    strides, inner, axes = matrix_strides(node), inner_size(node), batch_axes(node)
    args: list[Arg] = [a, b, out, *out.shape[-2:], inner, *strides, len(axes)]
    for axis in axes:
        args += axis
    if strides[-1] == 1:
        kernel = native("plain_matmul", "rows", out.dtype.value, fastmath=("contract",))
    else:
        kernel = native("plain_matmul", "dots", out.dtype.value, fastmath=("contract", "reassoc", "nsz"))
    return [Step(kernel, tuple(args), (out,), size(out.shape) * inner)]


lowering("matmul", priority=_PRIORITY, match=has_halves)(in_single_precision)
