"""switches: keep where each maximum was found, one byte per window, in place of the map before the pool.

Before                                           After
    %1 = max_pool(%0)                                %1, %2 = max_pool_switch(%0)       %2: i8, like %1
    %9 = max_pool_grad(%0, %1, %8)                   %9 = max_unpool(%8, %2)

Nothing but the pool reads %0 any more, so fusion can keep it out of memory. Max pools also change places with
activations and additions per channel where that is still possible (see `commute`; in a training graph it is done
before differentiation).
"""

from __future__ import annotations

from netlang.ir.graph import Graph, Node, Value
from netlang.ir.rewrite import replace_values, stamp
from netlang.passes.bodies import inside
from netlang.passes.commute import ORIGIN, commute
from netlang.passes.manager import Pass


def run(graph: Graph) -> Graph:
    """Move max pools up, and give those that have a gradient a switch."""
    graph = commute(graph)
    found: dict[Value, Value] = {}
    switched: dict[Node, Node] = {}
    for node in graph.nodes:
        pool = _pool_of(node)
        if pool is None:
            continue
        if pool not in switched:
            switched[pool] = stamp([pool], ORIGIN).node("max_pool_switch", pool.inputs[0], **pool.attrs)
            found[pool.out] = switched[pool].out
        switch, gradient = switched[pool].results[1], node.inputs[2]
        make = stamp([node], ORIGIN)
        found[node.out] = make.op("max_unpool", gradient, switch, size=node.out.shape[2:], **node.attrs)
    return replace_values(graph, found)


def _pool_of(node: Node) -> Node | None:
    """The max pool that a `max_pool_grad` belongs to."""
    if node.op != "max_pool_grad":
        return None
    x, y, _ = node.inputs
    pool = y.node
    same = pool.op == "max_pool" and pool.inputs[0] == x and dict(pool.attrs) == dict(node.attrs)
    return pool if same else None


PASS = Pass("switches", inside(run))
