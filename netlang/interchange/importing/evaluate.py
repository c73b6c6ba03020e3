"""What a tensor of the net is that depends on constants alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from netlang.interchange.importing.sheet import Sheet
from netlang.ir.graph import Node, Value, topological
from netlang.ir.opdef import opdef
from netlang.runtime.ports import Array

LARGEST = 1 << 24
"""Elements of what is computed while a network is imported."""
MOST_WORK = 1 << 28
"""Multiply-adds likewise, of one operation."""


@dataclass
class Allowance:
    """How much is computed altogether while a network is imported: a small file can ask for hours, and for all memory.

    work     multiply-adds and elements of results
    memory   bytes of results that are kept
    turns    operators carried out, those of loops as often as they are
    """

    work: int = 1 << 31
    memory: int = 1 << 30
    turns: int = 1_000_000


def evaluated(value: Value, sheet: Sheet, allowance: Allowance) -> Array | None:
    """The elements of `value` by the ops' own meanings, paid for from the allowance; None where they are too many,
    too expensive, or not known after all."""
    arrays: dict[Value, Array] = {}
    weights = sheet.parameters()
    for node in topological([value]):
        if node.op == "param":
            if node.out not in weights:
                return None
            arrays[node.out] = weights[node.out]
        elif not _carry_out(node, arrays, allowance):
            return None
    if arrays[value].nbytes > allowance.memory:
        return None
    allowance.memory -= arrays[value].nbytes
    return arrays[value]


def _carry_out(node: Node, arrays: dict[Value, Array], allowance: Allowance) -> bool:
    record = opdef(node.op)
    if node.op in ("input", "extent") or "random" in record.traits or record.body is not None:
        return False
    inputs = [v.type for v in node.inputs]
    if any(not isinstance(d, int) for t in (*inputs, *node.types) for d in t.shape):
        return False
    elements = sum(math.prod(t.concrete({})) for t in node.types)
    work = record.madds(inputs, node.types, node.attrs)
    if elements > LARGEST or not isinstance(work, int) or work > MOST_WORK or elements + work > allowance.work:
        return False
    allowance.work -= elements + work
    if node.op == "const":
        arrays[node.out] = node.attrs["value"]
        return True
    try:
        with np.errstate(all="ignore"):
            results = record.meaning([arrays[v] for v in node.inputs], node.attrs, node.types)
    except IndexError:
        return False
    arrays.update(zip(node.results, results, strict=True))
    return True
