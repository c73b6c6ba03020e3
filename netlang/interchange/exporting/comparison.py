"""Whether a graph computes, op for op, what another one does: blocks of the standard library are found so."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from netlang.interchange.exporting.patterns import Patterns
from netlang.ir.graph import Node, Value

_SHAPES = ("shape", "dim")
"""Attributes that are sizes."""


def equal(wanted: Any, given: Any) -> bool:
    """Whether two attributes are the same."""
    if isinstance(wanted, np.ndarray):
        return bool(wanted.dtype == given.dtype and np.array_equal(wanted, given))
    return bool(wanted == given)


@dataclass
class Comparison:
    """A template and a graph, compared from values on to what they are made of.

    leaves   values of the template for which there may be anything of their type
    loose    the template has other sizes: only element types are compared
    fits     (attribute of the template, that of the graph) -> whether it may be
    pairs    what has been found for each value of the template
    """

    leaves: Collection[Value]
    loose: bool = False
    fits: Callable[[Any, Any], bool] = equal
    pairs: dict[Value, Value] = field(default_factory=dict)

    def same(self, a: Value, b: Value) -> bool:
        """Whether `b` is computed as `a` of the template is."""
        if a in self.pairs:
            return self.pairs[a] is b
        if a.dtype != b.dtype or not (self.loose or a.type == b.type):
            return False
        x, y = a.node, b.node
        if a not in self.leaves and (x.op, a.index, len(x.inputs)) != (y.op, b.index, len(y.inputs)):
            return False
        self.pairs[a] = b
        if a in self.leaves:
            return True
        keys = [key for key in x.attrs if not (self.loose and key in _SHAPES)]
        if x.body is not None or not all(self.fits(x.attrs[key], y.attrs[key]) for key in keys):
            return False
        return all(self.same(p, q) for p, q in zip(x.inputs, y.inputs, strict=True))

    @property
    def inner(self) -> set[Node]:
        """The nodes of the graph that the template stands for, but for constants."""
        return {b.node for a, b in self.pairs.items() if a not in self.leaves and b.node.op != "const"}


def is_hidden(patterns: Patterns, value: Value, inner: Collection[Node]) -> bool:
    """Whether nobody but these nodes would miss a value."""
    if value in patterns.kept or value in patterns.graph.escaping:
        return False
    return all(reader in inner for reader in patterns.graph.uses.get(value, ()))
