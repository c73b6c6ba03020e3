"""bodies: make the body of every scan what the graph around it is made: simplified, fused, with layouts decided.

Before                                                   After
    %0 = scan(%h0, %x, %w) {...} {                           %0 = scan(%h0, %x, %w) {...} {
      %0 = matmul(%s0, %c0)                                    %0 = fused(%s0, %c0, %x0) {kind = "dense"} {...}
      %1 = add(%x0, %0)                                        output s0 = %0
      %2 = tanh(%1)                                            output y0 = %0 }
      output s0 = %2
      output y0 = %2 }

What enters and leaves a body stays as it is: states, slices and constants are plain tensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from netlang.ir.graph import Graph, Node, Value
from netlang.ir.rewrite import replace_values
from netlang.ir.scan import SCAN
from netlang.passes import training_pipeline
from netlang.passes.manager import Pass


def run(graph: Graph, backend: Sequence[Pass] = ()) -> Graph:
    """`graph` with the general passes, and those of the `backend`, carried out in the bodies of its scans."""
    found: dict[Value, Value] = {}
    for node in graph.nodes:
        if node.op == SCAN:
            found.update(zip(node.results, _prepared(node, backend).results, strict=True))
    return replace_values(graph, found)


def _prepared(node: Node, backend: Sequence[Pass]) -> Node:
    assert node.body is not None
    body = run(node.body, backend)
    for step in (*training_pipeline(), *backend):
        body = step.run(body)
    return replace(node, body=body)


def bodies_pass(backend: Sequence[Pass]) -> Pass:
    """The pass for a backend with these passes of its own."""
    return Pass("bodies", partial(run, backend=backend))
