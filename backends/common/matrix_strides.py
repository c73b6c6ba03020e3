"""A matrix product as plain loops see it: any strides, and batch axes that broadcast in any way."""

from __future__ import annotations

from netlang.backends.common.nest_build import row_major
from netlang.backends.common.steps import Arg
from netlang.ir.dims import Dim
from netlang.ir.graph import Node, Value


def matrix_strides(node: Node) -> tuple[Dim, Dim, Dim, Dim]:
    """Elements from one to the next: of A by row and by k, of B by k and by column."""
    a, b = node.inputs
    return *_strides(a, node.attrs["transpose_a"]), *_strides(b, node.attrs["transpose_b"])


def inner_size(node: Node) -> Dim:
    """How many products a sum has."""
    a = node.inputs[0]
    return a.shape[-2] if node.attrs["transpose_a"] else a.shape[-1]


def batch_axes(node: Node) -> list[tuple[Arg, Arg, Arg]]:
    """For each batch axis of the result its size and the strides of A and B along it: 0 where one is broadcast."""
    (a, b), out = node.inputs, node.out
    batch = out.rank - 2
    return list(zip(out.shape[:batch], _batch_strides(a, batch), _batch_strides(b, batch), strict=True))


def _strides(value: Value, transposed: bool) -> tuple[Dim, Dim]:
    row, column = row_major(value.shape)[-2:]
    return (column, row) if transposed else (row, column)


def _batch_strides(value: Value, batch: int) -> list[Dim]:
    own = value.rank - 2
    strides = [0 if d == 1 else s for d, s in zip(value.shape[:own], row_major(value.shape)[:own], strict=True)]
    return [0] * (batch - own) + strides
