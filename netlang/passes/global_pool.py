"""global_pool: write the mean of whole maps that a convolution makes as a pool, so that it is taken in its kernel.

Before                                                After
    %0 = conv(%x, %w)             [N, 512, 7, 7]          %0 = conv(%x, %w)             [N, 512, 7, 7]
    %1 = relu(%0)                 [N, 512, 7, 7]          %1 = relu(%0)                 [N, 512, 7, 7]
    %2 = reduce_mean(%1)          [N, 512]                %2 = avg_pool(%1)             [N, 512, 1, 1]
      {axes = (2, 3)}                                     %3 = reshape(%2)              [N, 512]

Done where the map comes from windows or channels joined, by steps that one kernel can do and that nobody else reads:
there a kernel that owns the channels has the map at hand, and a mean by itself would have to be stored for. The sums
are taken in another order, so results differ by rounding.
"""

from __future__ import annotations

from netlang.ir.graph import Graph, Node, Value
from netlang.ir.rewrite import replace_values, single_use, stamp
from netlang.passes.epilogue import ACTIVATIONS
from netlang.passes.manager import Pass

ORIGIN = "global_pool"

_MAKERS = frozenset({"conv", "max_pool", "avg_pool", "sum_pool", "local_response_norm", "concat"})
_STEPS = frozenset({"add", "sub", "mul", "div", "min", "max"})


def run(graph: Graph) -> Graph:
    """`graph` with pools for means over all spatial axes."""
    found = {n.out: _as_pool(n) for n in graph.nodes if _whole_map(n) and _comes_from_kernel(graph, n.inputs[0])}
    return replace_values(graph, found) if found else graph


PASS = Pass("global_pool", run)


def _whole_map(node: Node) -> bool:
    """Whether a node is the mean over all of one or two spatial axes of known size."""
    if node.op != "reduce_mean":
        return False
    x = node.inputs[0]
    spatial = x.shape[2:]
    return (
        len(spatial) in (1, 2)
        and node.attrs["axes"] == tuple(range(2, x.rank))
        and all(isinstance(d, int) and d > 0 for d in spatial)
    )


def _comes_from_kernel(graph: Graph, value: Value) -> bool:
    """Whether nobody else reads `value`, and it follows from a kernel's map by steps of which the same is true."""
    if not single_use(graph, value):
        return False
    node = value.node
    if node.op in _MAKERS:
        return True
    if node.op not in ACTIVATIONS and node.op not in _STEPS:
        return False
    return any(v.type == value.type and _comes_from_kernel(graph, v) for v in node.inputs)


def _as_pool(node: Node) -> Value:
    x, make = node.inputs[0], stamp([node], ORIGIN)
    window = x.shape[2:]
    pooled = make.op("avg_pool", x, kernel=window, stride=window, pad=((0, 0),) * len(window))
    return make.reshape(pooled, node.out.shape)
