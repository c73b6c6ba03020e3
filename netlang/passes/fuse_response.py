"""Fusion of local response normalisation with the pool after it: the normalised map never exists in memory.

Before                                              After
    %0 = local_response_norm(%x)  [N, 96, 55, 55]       %0 = fused(%x) {kind = "response"} {
    %1 = max_pool(%0)             [N, 96, 27, 27]         %0 = local_response_norm(%a0)
                                                          %1 = max_pool(%0)
                                                          output r0 = %1 }

Body outputs: r0, the pooled map; r1, the switch, if there is a `max_pool_switch`.
"""

from __future__ import annotations

from netlang.passes.epilogue import Stages, grow
from netlang.passes.fusing import Plan
from netlang.passes.partition import Partition

KIND = "response"

_POOL: Stages = {"pool": ((0, 1),)}


def fuse_response(partition: Partition, plans: dict[int, Plan]) -> None:
    """Join every normalisation with its pool; those that none follows stay as they are."""
    for node in partition.graph.nodes:
        steps = grow(partition, node, 1, _POOL) if node.op == "local_response_norm" else []
        if steps:
            plans[partition.group(node)] = Plan(KIND, node, steps[-1].node.out)
