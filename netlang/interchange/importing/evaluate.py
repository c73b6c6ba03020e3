"""What a tensor of the net is that depends on constants alone."""

from __future__ import annotations

import math

import numpy as np

from netlang.interchange.importing.sheet import Sheet
from netlang.ir.graph import Node, Value, topological
from netlang.ir.opdef import opdef
from netlang.runtime.ports import Array

LARGEST = 1 << 24
"""Elements of what is computed while a network is imported."""


def evaluated(value: Value, sheet: Sheet) -> Array | None:
    """The elements of `value` by the ops' own meanings; None where it is too large, or not known after all."""
    arrays: dict[Value, Array] = {}
    weights = sheet.parameters()
    for node in topological([value]):
        if node.op == "param":
            if node.out not in weights:
                return None
            arrays[node.out] = weights[node.out]
        elif not _carry_out(node, arrays):
            return None
    return arrays[value]


def _carry_out(node: Node, arrays: dict[Value, Array]) -> bool:
    record = opdef(node.op)
    shapes = [t.shape for t in node.types]
    if node.op == "input" or "random" in record.traits or record.body is not None:
        return False
    if any(not isinstance(d, int) for shape in shapes for d in shape):
        return False
    if sum(math.prod(t.concrete({})) for t in node.types) > LARGEST:
        return False
    if node.op == "const":
        arrays[node.out] = node.attrs["value"]
        return True
    if node.op == "extent":
        return False
    try:
        with np.errstate(all="ignore"):
            results = record.meaning([arrays[v] for v in node.inputs], node.attrs, node.types)
    except IndexError:
        return False
    arrays.update(zip(node.results, results, strict=True))
    return True
