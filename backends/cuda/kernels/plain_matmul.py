"""Lowering of matrix products that no tile fits: float64, batch dimensions that broadcast in a mixed way."""

from __future__ import annotations

from netlang.backends.common.inline import has_halves, in_single_precision
from netlang.backends.common.nest_build import row_major
from netlang.backends.common.steps import Arg, Sizes, evaluated
from netlang.backends.cuda.lower import LoweringContext, lowering
from netlang.backends.cuda.steps import Launch
from netlang.backends.cuda.tiles.plain_product import PlainProduct
from netlang.ir.dims import Dim, size
from netlang.ir.graph import Node, Value

_PRIORITY = -10


def _strides(value: Value, transposed: bool) -> tuple[Dim, Dim]:
    """By row and by column of the matrix after transposition."""
    row, column = row_major(value.shape)[-2:]
    return (column, row) if transposed else (row, column)


def _batch_strides(value: Value, batch: int) -> list[Dim]:
    """Along each batch axis of the result; zero where the input is broadcast."""
    own = value.rank - 2
    strides = [0 if d == 1 else s for d, s in zip(value.shape[:own], row_major(value.shape)[:own], strict=True)]
    return [0] * (batch - own) + strides


@lowering("matmul", priority=_PRIORITY, match=lambda context, node: not has_halves(context, node))
def matmul(context: LoweringContext, node: Node) -> list[Launch]:
    """One thread for each result."""
    (a, b), out = node.inputs, node.out
    a_row, a_inner = _strides(a, node.attrs["transpose_a"])
    b_inner, b_column = _strides(b, node.attrs["transpose_b"])
    inner = a.shape[-2] if node.attrs["transpose_a"] else a.shape[-1]
    batch = out.rank - 2
    args: list[Arg] = [a, b, out, size(out.shape), *out.shape[-2:], inner, a_row, a_inner, b_inner, b_column]
    steps = zip(out.shape[:batch], _batch_strides(a, batch), _batch_strides(b, batch), strict=True)
    for axis in reversed(list(steps)):
        args += axis
    structure = PlainProduct(out.dtype.value, batch, 32 if context.target.small else 256)

    def blocks(sizes: Sizes) -> int:
        return -(-evaluated(size(out.shape), sizes) // structure.threads)

    return [Launch(structure.kernel, tuple(args), (out,), size(out.shape) * inner, grid=(blocks, 1, 1))]


lowering("matmul", priority=_PRIORITY, match=has_halves)(in_single_precision)
