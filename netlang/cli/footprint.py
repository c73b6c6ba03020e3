"""Bytes that a net needs, by the line of the source that needs them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from netlang.backends.base import Backend
from netlang.driver import stages
from netlang.ir import dims
from netlang.ir.gradient import ORIGIN as GRADIENT
from netlang.ir.graph import Graph, Node
from netlang.ir.module import Module
from netlang.passes.manager import PassManager
from netlang.passes.optimizer import ORIGIN as OPTIMIZER
from netlang.passes.optimizer import training_step

Sizes = dict[str, int]
"""Bytes by kind."""


@dataclass(frozen=True)
class Footprint:
    """Planned bytes at the fullest moment, with these sizes of symbolic dims.

    `by_line` is by (file, line); `("", 0)` is what no line accounts for: gaps between buffers, weights packed for a
    kernel, scalars of the optimiser.
    """

    target: str
    training: bool
    sizes: Mapping[str, int]
    by_line: Mapping[tuple[str, int], Sizes]

    KINDS = ("weights", "inputs", "activations", "gradients", "optimiser")

    @property
    def total(self) -> int:
        return sum(self.totals())

    def totals(self) -> list[int]:
        """Bytes of each kind."""
        return [sum(sizes.get(kind, 0) for sizes in self.by_line.values()) for kind in self.KINDS]

    def lines(self) -> list[tuple[str, list[int]]]:
        """(place, bytes of each kind), in the order of the source."""
        return [
            (f"{file}:{line}" if line else "(other)", [sizes.get(kind, 0) for kind in self.KINDS])
            for (file, line), sizes in sorted(self.by_line.items(), key=lambda item: (not item[0][1], item[0]))
        ]


def footprint(module: Module, net: Graph, backend: Backend, sizes: Mapping[str, int], training: bool) -> Footprint:
    """What one call takes: a training step, which needs a `train` section, or an inference."""
    graph = training_step(module.train) if training and module.train else net
    graph = PassManager().run(graph, stages(backend, training))
    plan = backend.plan(graph, sizes)
    found: dict[tuple[str, int], Sizes] = {}

    def add(node: Node, kind: str, size: int) -> None:
        line = (node.spans[0].source.name, node.spans[0].line) if node.spans else ("", 0)
        there = found.setdefault(line, {})
        there[kind] = there.get(kind, 0) + size

    for value in graph.inputs:
        add(value.node, "inputs", dims.evaluate(value.type.bytes, sizes))
    for value in graph.params:
        kind = "optimiser" if value.node.attrs["role"] == "state" else "weights"
        add(value.node, kind, dims.evaluate(value.type.bytes, {}))
    for node, size in plan.at_peak:
        add(node, _kind(node), size)
    gaps = plan.peak - sum(size for _, size in plan.at_peak)
    for kind, size in (("activations", gaps), ("weights", plan.kept)):
        if size:
            other = found.setdefault(("", 0), {})
            other[kind] = other.get(kind, 0) + size
    return Footprint(backend.name, training, sizes, found)


def _kind(node: Node) -> str:
    """To what the results of a node belong; those of a fused one to what most of its body does."""
    origins = [n.origin for n in node.body.nodes if n.op not in ("input", "param", "const")] if node.body else []
    origins.append(node.origin)
    if OPTIMIZER in origins:
        return "optimiser"
    return "gradients" if GRADIENT in origins else "activations"
