"""chunks: write out which states a loop keeps for its gradient, before it is differentiated.

Before                                                      After
    %1, %2 = scan(%h0, %x) {checkpoint = 10, length = T}      %3, %4 = scan(%h0, reshape(%x)) {checkpoint = 1} {
                                                                  scan(...) {length = 10} }
                                                                %5, %6 = scan(%3, slice(%x)) {length = T - 10*(T//10)}

The gradient of such a loop would do it by itself, but carry out the loop a second time.
"""

from __future__ import annotations

from netlang.ir.build import Builder
from netlang.ir.graph import Graph, Node
from netlang.ir.rewrite import Replacement, transform
from netlang.ir.scan import SCAN
from netlang.ops.scan_chunks import chunked
from netlang.passes.bodies import inside

ORIGIN = "chunks"


def _chunked(build: Builder, node: Node) -> Replacement:
    return chunked(build, node) if node.op == SCAN and node.attrs["checkpoint"] > 1 else None


def _run(graph: Graph) -> Graph:
    return transform(graph, _chunked, ORIGIN) if any(n.op == SCAN for n in graph.nodes) else graph


run = inside(_run)
