"""Matrix products as tiled kernels see them: one batch axis, each factor a plain matrix in either order."""

from __future__ import annotations

from dataclasses import dataclass

from netlang.ir.dims import Dim, size
from netlang.ir.graph import Node
from netlang.ir.types import DType

_FLOAT = 4


@dataclass(frozen=True)
class Product:
    """batch x (rows, inner) x (inner, columns); a factor that all products share has `a_batch` or `b_batch` 0, else
    these are bytes from one to the next."""

    batch: Dim
    rows: Dim
    columns: Dim
    inner: Dim
    a_batch: Dim
    b_batch: Dim
    transposed_a: bool
    transposed_b: bool


def product_of(node: Node) -> Product | None:
    """A matmul node of float32 as one kind of batched product; None where its batch dims broadcast in a mixed way."""
    a, b = node.inputs
    ta, tb = bool(node.attrs["transpose_a"]), bool(node.attrs["transpose_b"])
    if any(v.dtype != DType.F32 or v.type.layout for v in (a, b, node.out)):
        return None
    rows, columns = node.out.shape[-2:]
    inner = a.shape[-2] if ta else a.shape[-1]
    lead, a_lead, b_lead = node.out.shape[:-2], a.shape[:-2], b.shape[:-2]
    if size(b_lead) == 1 and size(a_lead) == size(lead) and not ta:
        return Product(1, size(lead) * rows, columns, inner, 0, 0, ta, tb)
    a_batch, b_batch = rows * inner * _FLOAT, inner * columns * _FLOAT
    if size(a_lead) == 1 and a_lead != lead:
        a_batch = 0
    elif a_lead != lead:
        return None
    if size(b_lead) == 1 and b_lead != lead:
        b_batch = 0
    elif b_lead != lead:
        return None
    return Product(size(lead), rows, columns, inner, a_batch, b_batch, ta, tb)
