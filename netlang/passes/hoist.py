"""hoist: what does not depend on the states of a loop leaves it, and is done for all steps at once.

Before                                                      After
    %1 = scan(%h0, %x, %w, %u) {                                %1 = matmul(reshape(%x), %w)       all rows at once
      %0 = matmul(%x, %w)                                       %2 = scan(%h0, %1, %u) {
      %1 = matmul(%h, %u)                                         %0 = matmul(%h, %u)
      %2 = tanh(add(%0, %1))                                      %1 = tanh(add(%x1, %0))
      %3 = matmul(%2, %v)                                         output s0 = %1
      output s0 = %2                                              output y0 = %1 }
      output y0 = %3 }                                          %3 = matmul(reshape(%2), %v)

Ahead of the loop: what depends on slices and constants only. After it: what is emitted and no state depends on, from
stacks of what it reads. Worth it are products, convolutions, lookups and whatever else costs more than the traffic of a
step, with the cheap ops before and after them. In a product with a concatenation, the parts that do not depend on
states are multiplied by themselves. Only what depends on constants alone leaves a loop that keeps its states every few
steps: stacks of all steps are what it does without.
"""

from __future__ import annotations

from netlang.ir.build import Builder
from netlang.ir.graph import Graph, Node
from netlang.ir.rewrite import Replacement, transform
from netlang.ir.scan import SCAN, Loop, copied, finals, stacks
from netlang.passes.bodies import inside
from netlang.passes.hoist_after import after
from netlang.passes.hoist_ahead import ahead
from netlang.passes.hoist_split import split
from netlang.passes.manager import Pass

ORIGIN = "hoist"


def run(graph: Graph) -> Graph:
    """Hoist out of every loop."""
    if not any(node.op == SCAN for node in graph.nodes):
        return graph
    return transform(graph, _hoisted, ORIGIN)


def _hoisted(build: Builder, node: Node) -> Replacement:
    if node.op != SCAN:
        return None
    before = Loop.of(node)
    loop = ahead(build, split(build, before))
    late = after(build, loop) if not loop.checkpoint else None
    if late is None:
        return None if loop is before else loop.build(build).results
    made = late.loop.build(build)
    emitted = dict(zip(late.loop.emitted, stacks(made), strict=True))
    results = copied(late.results, {late.stand_ins[v]: emitted[v] for v in emitted})
    return (*finals(made), *results)


PASS = Pass("hoist", inside(run))
