"""Putting elements into a tensor along an axis, every line by indices of its own: scatter_along.

Where several go to one place they go there in the order of the indices.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from netlang.ir.graph import Attrs, Node, Value
from netlang.ir.opdef import REQUIRED, Array, OpDef, Sample, ShapeError, Types, define, elements, same_dtype
from netlang.ir.types import DType, TensorType, shape_text
from netlang.ops.along import check_lines
from netlang.ops.indexing import check_range
from netlang.ops.numeric import numbers_only, rounded, widen
from netlang.ops.sampling import distinct, nonzero

if TYPE_CHECKING:
    from netlang.ir.build import Builder

_COMBINED: dict[str, Any] = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}
REDUCTIONS = ("set", *_COMBINED)
"""What becomes of an element of x and one that is put in its place: the latter alone, or both together."""


def _infer(types: Types, attrs: Attrs) -> Sequence[TensorType]:
    x, indices, updates = types
    if attrs["reduction"] not in REDUCTIONS:
        raise ShapeError(f"scatter_along: reduction is {', '.join(REDUCTIONS)}, not {attrs['reduction']}")
    if attrs["reduction"] != "set":
        numbers_only("scatter_along", (x,))
    same_dtype("scatter_along", (x, updates))
    check_lines("scatter_along", x, indices, attrs["axis"])
    if updates.shape != indices.shape:
        raise ShapeError(
            f"scatter_along: there are indices {shape_text(indices.shape)} for updates {shape_text(updates.shape)}"
        )
    return (TensorType(x.dtype, x.shape),)


def _meaning(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    x, indices, updates = arrays
    check_range(indices, x.shape[attrs["axis"]])
    out = np.array(widen(x))
    places: list[Array] = list(np.indices(indices.shape, sparse=True))
    places[attrs["axis"]] = indices
    if attrs["reduction"] == "set":
        out[tuple(places)] = updates
    else:
        _COMBINED[attrs["reduction"]].at(out, tuple(places), widen(updates))
    return (rounded(out, types[0]),)


def _gradient(b: Builder, node: Node, grads: Sequence[Value | None]) -> Sequence[Value | None]:
    dy = grads[0]
    if dy is None:
        return (None, None, None)
    how = {"set": _set_gradient, "add": _add_gradient, "mul": _mul_gradient}.get(node.attrs["reduction"])
    dx, updates = (how or _extreme_gradient)(b, node, dy)
    return dx, None, updates


def _taken(b: Builder, node: Node, x: Value) -> Value:
    return b.op("take_along", x, node.inputs[1], axis=node.attrs["axis"])


def _scattered(b: Builder, node: Node, x: Value, updates: Value, reduction: str) -> Value:
    return b.op("scatter_along", x, node.inputs[1], updates, axis=node.attrs["axis"], reduction=reduction)


def _set_gradient(b: Builder, node: Node, dy: Value) -> tuple[Value, Value]:
    """Of several elements for one place the last has won: it is known by its number."""
    axis, indices = node.attrs["axis"], node.inputs[1]
    zeros = b.broadcast(b.scalar(0.0, dy), indices.shape)
    count = b.op("iota", size=indices.shape[axis], dtype=DType.I64)
    number = b.broadcast(b.along(count, indices.rank, axis), indices.shape)
    nobody = b.broadcast(b.const(-1, DType.I64), dy.shape)
    won = b.op("eq", number, _taken(b, node, _scattered(b, node, nobody, number, "set")))
    return _scattered(b, node, dy, zeros, "set"), b.op("where", won, _taken(b, node, dy), b.scalar(0.0, dy))


def _add_gradient(b: Builder, node: Node, dy: Value) -> tuple[Value, Value]:
    return dy, _taken(b, node, dy)


def _mul_gradient(b: Builder, node: Node, dy: Value) -> tuple[Value, Value]:
    """For each factor the product of the others: what is not zero multiplied, and zeros counted."""
    x, _, updates = node.inputs
    zero, one = b.scalar(0.0, dy), b.scalar(1.0, dy)

    def parts(value: Value) -> tuple[Value, Value]:
        empty = b.op("eq", value, zero)
        return b.op("where", empty, one, value), b.op("cast", empty, dtype=dy.dtype)

    (factor, nothing), (factors, nothings) = parts(x), parts(updates)
    product = _scattered(b, node, factor, factors, "mul")
    zeros = _scattered(b, node, nothing, nothings, "add")

    def slope(factor: Value, nothing: Value, product: Value, zeros: Value, dy: Value) -> Value:
        others = b.op("where", b.op("eq", zeros, nothing), b.div(product, factor), zero)
        return b.mul(dy, others)

    dx = slope(factor, nothing, product, zeros, dy)
    return dx, slope(factors, nothings, *(_taken(b, node, v) for v in (product, zeros, dy)))


def _extreme_gradient(b: Builder, node: Node, dy: Value) -> tuple[Value, Value]:
    """In equal parts to all that are the extreme value of their place."""
    x, _, updates = node.inputs
    kept = b.op("cast", b.op("eq", x, node.out), dtype=dy.dtype)
    came = b.op("cast", b.op("eq", updates, _taken(b, node, node.out)), dtype=dy.dtype)
    share = b.div(dy, _scattered(b, node, kept, came, "add"))
    return b.mul(kept, share), b.mul(came, _taken(b, node, share))


_CASES: tuple[tuple[tuple[int, ...], int, int], ...] = (((4,), 3, 0), ((3, 5), 2, 1), ((3, 2), 5, 0), ((2, 3, 2), 4, 1))
"""Shape of x, length of the indices along the axis, the axis."""


def _samples(rng: np.random.Generator) -> Iterable[Sample]:
    for reduction in REDUCTIONS:
        draw = nonzero if reduction == "mul" else distinct
        for shape, count, axis in _CASES:
            picked = (*shape[:axis], count, *shape[axis + 1 :])
            indices = np.asarray(rng.integers(0, shape[axis], picked))
            attrs = {"axis": axis, "reduction": reduction}
            # Not a whole number of half steps away from x, so that no two are equal.
            yield Sample((draw(rng, shape), indices, draw(rng, picked) + 0.06), attrs)


define(
    OpDef(
        "scatter_along",
        "x with elements put in where the indices say along an axis; `reduction`: in place of what is there (set), "
        "added to it (add), multiplied with it (mul), the larger (max) or the smaller (min) of both.",
        _infer,
        _meaning,
        gradient=_gradient,
        madds=lambda ins, outs, attrs: elements(ins[1:]),
        samples=_samples,
        attrs={"axis": REQUIRED, "reduction": "set"},
        arity=(3, 3),
    )
)
