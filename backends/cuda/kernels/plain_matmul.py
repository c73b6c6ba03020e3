"""Lowering of matrix products that no tile fits: float64, batch dimensions that broadcast in a mixed way."""

from __future__ import annotations

from netlang.backends.common.inline import has_halves, in_single_precision
from netlang.backends.common.matrix_strides import batch_axes, inner_size, matrix_strides
from netlang.backends.common.steps import Arg, Sizes, evaluated
from netlang.backends.cuda.lower import LoweringContext, lowering
from netlang.backends.cuda.steps import Launch
from netlang.backends.cuda.tiles.plain_product import PlainProduct
from netlang.ir.dims import size
from netlang.ir.graph import Node

_PRIORITY = -10


@lowering("matmul", priority=_PRIORITY, match=lambda context, node: not has_halves(context, node))
def matmul(context: LoweringContext, node: Node) -> list[Launch]:
    """One thread for each result."""
    (a, b), out = node.inputs, node.out
    inner, axes = inner_size(node), batch_axes(node)
    args: list[Arg] = [a, b, out, size(out.shape), *out.shape[-2:], inner, *matrix_strides(node)]
    for axis in reversed(axes):
        args += axis
    structure = PlainProduct(out.dtype.value, len(axes), 32 if context.target.small else 256)

    def blocks(sizes: Sizes) -> int:
        return -(-evaluated(size(out.shape), sizes) // structure.threads)

    return [Launch(structure.kernel, tuple(args), (out,), size(out.shape) * inner, grid=(blocks, 1, 1))]


lowering("matmul", priority=_PRIORITY, match=has_halves)(in_single_precision)
