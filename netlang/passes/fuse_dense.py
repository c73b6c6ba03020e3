"""Fusion of a matrix product with bias and activation.

Before                                       After
    %0 = matmul(%x, %w)     [N, 120]             %0 = fused(%x, %w, %bias) {kind = "dense"} {
    %1 = add(%0, %bias)     [N, 120]               %0 = matmul(%a0, %a1)
    %2 = relu(%1)           [N, 120]               %1 = add(%0, %a2)
                                                   %2 = relu(%1)
                                                   output r0 = %2 }

The body of kind "dense", in the terms of `epilogue`:
    matmul                 the main node; both its inputs are body inputs
    bias                   or none; channels are the last axis, the columns of the result
    activation | mask      or none; at least one step follows the product
Body outputs: the last value.
"""

from __future__ import annotations

from netlang.passes.epilogue import Stages, grow
from netlang.passes.fusing import Plan
from netlang.passes.partition import Partition

KIND = "dense"

_BARE, _BIASED, _ACTIVE = range(3)
_EPILOGUE: Stages = {
    "bias": ((_BARE, _BIASED),),
    "activation": ((_BARE, _ACTIVE), (_BIASED, _ACTIVE)),
    "mask": ((_BARE, _ACTIVE), (_BIASED, _ACTIVE)),
}


def fuse_dense(partition: Partition, plans: dict[int, Plan]) -> None:
    """Join every matrix product with its chain; products that nothing can follow stay as they are."""
    for node in partition.graph.nodes:
        steps = grow(partition, node, node.out.rank - 1, _EPILOGUE) if node.op == "matmul" else []
        if steps:
            plans[partition.group(node)] = Plan(KIND, node, steps[-1].node.out)
