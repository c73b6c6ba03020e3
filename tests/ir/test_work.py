"""The work of nodes with bodies."""

from __future__ import annotations

from netlang.frontend import load
from netlang.ir.dims import sym
from netlang.ir.scan import SCAN
from netlang.ir.work import multiply_adds


def test_a_loop_does_the_work_of_its_body_at_every_step() -> None:
    graph = load("net n() {\ninput x: f32[N, T, 3]\noutput y = x -> rnn(4)\n}\n").net
    (node,) = [n for n in graph.nodes if n.op == SCAN]
    n, t = sym("N"), sym("T")
    assert multiply_adds(node, ("matmul",)) == n * t * (3 * 4 + 4 * 4)
    assert node.body is not None
    inside: object = sum((multiply_adds(i) for i in node.body.nodes), start=0 * n)
    assert multiply_adds(node) == t * inside
    assert multiply_adds(graph.inputs[0].node) == 0
