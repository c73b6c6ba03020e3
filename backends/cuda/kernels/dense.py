"""Lowering of matrix products, bare and fused with bias and activation."""

from __future__ import annotations

from netlang.backends.common.chain import Chain, OuterValues, read_chain
from netlang.backends.common.product import Product, product_of
from netlang.backends.common.steps import Buffer
from netlang.backends.cuda.lower import LoweringContext, lowering
from netlang.backends.cuda.product_problem import Problem
from netlang.backends.cuda.product_ways import ways
from netlang.backends.cuda.steps import Launch
from netlang.backends.cuda.ways import best_way
from netlang.ir.graph import Node
from netlang.ir.types import DType


def _parts(node: Node) -> tuple[Chain, Product] | None:
    """What a node computes; None where it is nothing for these kernels."""
    chain = read_chain(node, frozenset({"matmul"}), -1)
    product = product_of(chain.main) if chain else None
    if chain is None or product is None or chain.pool or any(v.dtype != DType.F32 for v in chain.tensors):
        return None
    return chain, product


@lowering("matmul", "fused.dense", priority=10, match=lambda context, node: _parts(node) is not None)
def product(context: LoweringContext, node: Node) -> list[Launch]:
    """Tiles, thin sums or parts of sums, whatever is estimated to be fastest."""
    parts = _parts(node)
    assert parts is not None
    chain, product = parts
    outer = OuterValues(context, node)
    a, b = (outer(v) for v in chain.main.inputs)
    operands: tuple[Buffer, ...] = tuple(outer(v) for v in (*chain.channels, *chain.tensors))
    problem = Problem(product, a, b, context.buffer(node.out), tuple(chain.before), operands)
    numbers = (product.batch, product.rows, product.columns, product.inner)
    return best_way(context, "product", ways(context, problem), numbers)
