"""Passes in the bodies of scans. A body is a graph like any other, and is rewritten before the graph around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from netlang.ir.build import Builder
from netlang.ir.graph import Graph, Node
from netlang.ir.rewrite import Replacement, transform
from netlang.ir.scan import SCAN

Run = Callable[[Graph], Graph]


def inside(run: Run) -> Run:
    """`run`, which first rewrites the bodies of all scans, and those of the scans in them."""

    def both(graph: Graph) -> Graph:
        return run(in_bodies(graph, both))

    return both


def in_bodies(graph: Graph, run: Run) -> Graph:
    """`graph` with every scan's body rewritten. `run` keeps inputs, outputs and their types."""
    if not any(node.op == SCAN for node in graph.nodes):
        return graph

    def rule(build: Builder, node: Node) -> Replacement:
        if node.op != SCAN or node.body is None:
            return None
        body = run(node.body)
        return None if body is node.body else replace(node, body=body).results

    return transform(graph, rule, "")
