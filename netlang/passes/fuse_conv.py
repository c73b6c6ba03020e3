"""Fusion of a convolution with all that follows it, so that the map before a pool never exists in memory.

Before                                              After
    %0 = conv(%image, %w)         [N, 6, 28, 28]        %0, %1 = fused(%image, %w, %bias) {kind = "conv"} {
    %1, %2 = max_pool_switch(%0)  [N, 6, 14, 14]          %0 = conv(%a0, %a1)
    %3 = reshape(%bias)           [1, 6, 1, 1]            %1, %2 = max_pool_switch(%0)
    %4 = add(%1, %3)                                      %3 = reshape(%a2)
    %5 = relu(%4)                                         %4 = add(%1, %3)
                                                          %5 = relu(%4)
                                                          output r0 = %5
                                                          output r1 = %2 }

The body of kind "conv", in the terms of `epilogue` (each line but the first may be missing):
    conv | conv_data_grad                  the main node; both its inputs are body inputs
    (bias | affine)*                       any number of them: the bias, batchnorm's scale and shift
    residual
    activation | mask | bound
    bound*                                 as min(relu(v), 6)
    pool                                   after conv only
    (bias | affine)*                       after a pool only: what `commute` moved behind it
    (activation | bound) bound*            after a pool only
Channels are axis 1. Body outputs: r0, the last value of the chain; r1, the switch, if there is a `max_pool_switch`.
"""

from __future__ import annotations

from netlang.passes.epilogue import Stages, grow
from netlang.passes.fusing import Plan
from netlang.passes.partition import Partition

KIND = "conv"

_BARE, _ADDED, _ACTIVE, _POOLED, _DONE = range(5)
_EPILOGUE: Stages = {
    "bias": ((_BARE, _BARE), (_POOLED, _POOLED)),
    "affine": ((_BARE, _BARE), (_POOLED, _POOLED)),
    "residual": ((_BARE, _ADDED),),
    "activation": ((_BARE, _ACTIVE), (_ADDED, _ACTIVE), (_POOLED, _DONE)),
    "bound": ((_BARE, _ACTIVE), (_ADDED, _ACTIVE), (_ACTIVE, _ACTIVE), (_POOLED, _DONE), (_DONE, _DONE)),
    "mask": ((_BARE, _ACTIVE), (_ADDED, _ACTIVE)),
}
_WITH_POOL: Stages = {**_EPILOGUE, "pool": ((_BARE, _POOLED), (_ADDED, _POOLED), (_ACTIVE, _POOLED))}


def fuse_conv(partition: Partition, plans: dict[int, Plan]) -> None:
    """Join every convolution with its chain; convolutions that nothing can follow stay as they are."""
    for node in partition.graph.nodes:
        if node.op not in ("conv", "conv_data_grad"):
            continue
        stages = _WITH_POOL if node.op == "conv" else _EPILOGUE
        steps = grow(partition, node, 1, stages)
        if steps:
            plans[partition.group(node)] = Plan(KIND, node, steps[-1].node.out)
