"""fuse: make one node of all that one kernel can do, so that what lies between is never stored.

Before                                        After
    %0 = conv(%image, %w1)                        %0 = fused(%image, %w1, %b1) {kind = "conv"} {...}
    %1 = max_pool(%0)                             %1 = reshape(%0)
    %2 = add(%1, %b1)                             %2 = fused(%1, %w2, %b2) {kind = "dense"} {...}
    %3 = relu(%2)                                 %3 = softmax(%2)
    %4 = reshape(%3)
    %5 = matmul(%4, %w2)
    %6 = add(%5, %b2)
    %7 = softmax(%6)

What each kind of body may hold is stated where it is made: `fuse_conv`, `fuse_dense`, `fuse_response`, `fuse_loops`, in
this order of preference. A fused body runs the same ops on the same values: the results are the same, bit for bit.
"""

from __future__ import annotations

from netlang.ir.graph import Graph
from netlang.passes.bodies import inside
from netlang.passes.fuse_conv import fuse_conv
from netlang.passes.fuse_dense import fuse_dense
from netlang.passes.fuse_loops import fuse_loops
from netlang.passes.fuse_response import fuse_response
from netlang.passes.fusing import Plan, fuse_groups
from netlang.passes.manager import Pass
from netlang.passes.partition import Partition


def run(graph: Graph) -> Graph:
    """`graph` with fused nodes of the kinds "conv", "dense", "response" and "loop"; what is fused already stays."""
    partition = Partition(graph)
    plans: dict[int, Plan] = {}
    fuse_conv(partition, plans)
    fuse_dense(partition, plans)
    fuse_response(partition, plans)
    fuse_loops(partition, plans)
    return fuse_groups(partition, plans)


PASS = Pass("fuse", inside(run), ensures=frozenset({"fused"}))
