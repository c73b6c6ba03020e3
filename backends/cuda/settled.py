"""Choices that a file goes with: noted when its code is made, and kept to when it is carried out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from netlang.backends.common.choices import NO_SIZES, Candidate, Choices, Remembered, cheapest
from netlang.backends.common.numbers import Sizes
from netlang.ir.graph import Graph, Node

Table = Mapping[str, Mapping[str, str]]
"""By problem (`Remembered.problem`) and by sizes ("N=1 T=64"), the name of the candidate that was picked."""


@dataclass
class Noted(Choices):
    """Chooses as another one does, and writes it down."""

    choices: Choices
    table: dict[str, dict[str, str]] = field(default_factory=dict)
    _names: Remembered = field(default_factory=lambda: Remembered({}))

    def pick(
        self, graph: Graph, node: Node, kind: str, candidates: Sequence[Candidate], sizes: Sizes = NO_SIZES
    ) -> str:
        name = self.choices.pick(graph, node, kind, candidates, sizes)
        self.table.setdefault(self._names.problem(graph, node, kind), {})[_written(sizes)] = name
        return name


@dataclass
class Settled(Choices):
    """Picks what was noted for the sizes, and for others the cheapest of all that were noted: no other has code."""

    table: Table
    _names: Remembered = field(default_factory=lambda: Remembered({}))

    def pick(
        self, graph: Graph, node: Node, kind: str, candidates: Sequence[Candidate], sizes: Sizes = NO_SIZES
    ) -> str:
        noted = self.table.get(self._names.problem(graph, node, kind), {})
        exact = noted.get(_written(sizes))
        there = [c for c in candidates if c.name == exact] or [c for c in candidates if c.name in noted.values()]
        return cheapest(there or candidates)


def _written(sizes: Sizes) -> str:
    return " ".join(f"{name}={sizes[name]}" for name in sorted(sizes))
