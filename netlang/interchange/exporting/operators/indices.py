"""Indices that may be counted from the end, as ONNX's own are: what makes them count from 0 is left out."""

from __future__ import annotations

import numpy as np

from netlang.interchange.exporting.patterns import Match, Patterns, pattern, written_as
from netlang.interchange.exporting.record import Place
from netlang.ir.dims import Dim
from netlang.ir.graph import Node, Value
from netlang.ir.opdef import Array
from netlang.ir.types import DType


@pattern("gather", "take_along")
def _from_the_end(patterns: Patterns, node: Node) -> Match | None:
    """where(i < 0, i + size, i): indices that may be counted from the end, as ONNX's own are."""
    x, chosen = node.inputs
    where = patterns.hidden(chosen, "where")
    plain = None if where is None else _counted_from_the_end(where, x.shape[node.attrs["axis"]])
    return None if plain is None else Match((x, plain), node.results, written_as(node), node.op)


def _counted_from_the_end(where: Node, size: Dim) -> Value | None:
    """The `i` of where(i < 0, i + size, i)."""
    condition, moved, plain = where.inputs
    below, added = condition.node, moved.node
    fits = below.op == "lt" and added.op == "add" and below.inputs[0] == added.inputs[0] == plain
    return plain if fits and _is_number(below.inputs[1], 0) and _is_number(added.inputs[1], size) else None


def _is_number(value: Value, number: Dim) -> bool:
    """Whether a value is a size or a single number."""
    node = value.node
    if node.op == "const":
        return bool(node.attrs["value"].size == 1 and node.attrs["value"].item() == number)
    return bool(node.op == "extent" and node.attrs["dim"] == number)


@pattern("where")
def _one_hot(patterns: Patterns, node: Node) -> Match | None:
    """where(index == 0, 1, ..., on, off), the index counted from the end where it is negative: a OneHot."""
    condition, on, off = node.inputs
    equal = patterns.hidden(condition, "eq")
    if equal is None or any(v.node.op != "const" or v.rank for v in (on, off)):
        return None
    index, classes = equal.inputs
    counted = classes.node.inputs[0].node if classes.node.op == "reshape" else classes.node
    reshaped = patterns.hidden(index, "reshape")
    if reshaped is None or counted.op != "iota" or index.dtype is not DType.I64:
        return None
    size, plain = counted.attrs["size"], reshaped.inputs[0]
    axis = next((i for i, (a, b) in enumerate(zip(index.shape, node.out.shape, strict=True)) if a != b), index.rank - 1)
    if index.shape != (*plain.shape[:axis], 1, *plain.shape[axis:]) or classes.shape != (
        size,
        *(1,) * (plain.rank - axis),
    ):
        return None
    where = patterns.hidden(plain, "where")
    source = None if where is None else _counted_from_the_end(where, size)
    if source is None or not source.rank:
        return None
    values = np.array([off.node.attrs["value"], on.node.attrs["value"]])
    return Match((source,), node.results, lambda place: _write_one_hot(place, size, values, axis), "one_hot")


def _write_one_hot(place: Place, size: Dim, values: Array, axis: int) -> str:
    numbers = place.sheet.constant(values, "/values")
    return place.op("OneHot", place.inputs[0], place.sizes.scalar(size), numbers, axis=axis)
