"""Run a graph on both backends and compare."""

from __future__ import annotations

from collections.abc import Mapping

from netlang.backends.cpu import Cpu
from netlang.backends.reference import Reference
from netlang.ir.graph import Graph
from tests.backends.compared import Array, B, assert_same, feed_of, graph_of, inputs_like

__all__ = ["Array", "B", "assert_same", "check", "feed_of", "graph_of", "inputs_like"]


def check(graph: Graph, feed: Mapping[str, Array], tolerance: float = 1e-5, threads: int = 1) -> dict[str, Array]:
    """Compare the backends on a graph without params; returns what the cpu backend computed."""
    want = Reference().compile(graph).run(feed, {})
    got = Cpu().compile(graph, threads=threads).run(feed, {})
    assert_same(got, want, tolerance)
    return got
