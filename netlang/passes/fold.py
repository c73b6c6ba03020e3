"""fold: nodes that read only constants become constants, computed by the ops' own meanings.

Before                                      After
    %0: f32[] = const() {value = f32 3.0}
    %1: f32[] = sqrt(%0)                        %0: f32[] = const() {value = f32 1.7320508}
    %2: f32[N] = mul(%x, %1)                    %1: f32[N] = mul(%x, %0)

Bit for bit what the reference backend would compute. A result of many elements stays a computation, unless it is
smaller than what it is computed from; a broadcast stays one, since whatever reads it can broadcast by itself.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from netlang.ir.build import Builder
from netlang.ir.dims import Sym
from netlang.ir.graph import Graph, Node
from netlang.ir.opdef import opdef
from netlang.ir.rewrite import Replacement, transform
from netlang.passes.bodies import inside
from netlang.passes.manager import Pass

ORIGIN = "fold"
LARGEST = 1024
"""Results of more elements are folded only where that makes the graph smaller."""

_KEPT = frozenset({"const", "broadcast", "layout"})


def run(graph: Graph) -> Graph:
    """Fold every node that can be."""
    return transform(graph, _fold, ORIGIN)


def _fold(build: Builder, node: Node) -> Replacement:
    if node.op in _KEPT or not _is_constant(node) or not _is_small(node):
        return None
    record = opdef(node.op)
    if "random" in record.traits or record.body is not None:
        return None
    arrays = [v.node.attrs["value"] for v in node.inputs]
    try:
        with np.errstate(all="ignore"):
            results = record.meaning(arrays, node.attrs, node.types)
    except IndexError:
        # An index out of range is reported when the node is carried out, if it ever is.
        return None
    return [build.const(array, t.dtype) for array, t in zip(results, node.types, strict=True)]


def _is_constant(node: Node) -> bool:
    if any(v.node.op != "const" for v in node.inputs):
        return False
    known_shapes = all(isinstance(d, int) for t in node.types for d in t.shape)
    return known_shapes and not any(map(_is_symbolic, node.attrs.values()))


def _is_symbolic(attr: Any) -> bool:
    return isinstance(attr, Sym) or (isinstance(attr, tuple) and any(map(_is_symbolic, attr)))


def _is_small(node: Node) -> bool:
    made = sum(math.prod(t.concrete({})) for t in node.types)
    read: int = sum(v.node.attrs["value"].size for v in node.inputs)
    return made <= max(LARGEST, read)


PASS = Pass("fold", inside(run))
