"""Matrix product, batched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from netlang.ir.build import Builder
from netlang.ir.dims import Dim, size
from netlang.ir.graph import Attrs, Node, Value
from netlang.ir.opdef import Array, OpDef, Sample, ShapeError, Types, broadcast_shapes, define, float_only
from netlang.ir.types import TensorType, shape_text
from netlang.ops.numeric import rounded, widen
from netlang.ops.sampling import normal


def _rows_columns(t: TensorType, transposed: bool) -> tuple[Dim, Dim]:
    rows, columns = t.shape[-2:]
    return (columns, rows) if transposed else (rows, columns)


def _infer(types: Types, attrs: Attrs) -> Sequence[TensorType]:
    float_only("matmul", types)
    a, b = types
    for t in types:
        if t.rank < 2:
            raise ShapeError(f"matmul expects matrices [..., rows, columns], got {shape_text(t.shape)}")
    rows, inner = _rows_columns(a, attrs["transpose_a"])
    same, columns = _rows_columns(b, attrs["transpose_b"])
    if inner != same:
        shapes = f"{shape_text(a.shape)} and {shape_text(b.shape)}"
        raise ShapeError(f"matmul cannot multiply {shapes}: the inner sizes {inner} and {same} differ")
    batch = broadcast_shapes([a.shape[:-2], b.shape[:-2]], "matmul")
    return (a.with_shape((*batch, rows, columns)),)


def _meaning(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    a, b = map(widen, arrays)
    if attrs["transpose_a"]:
        a = a.swapaxes(-1, -2)
    if attrs["transpose_b"]:
        b = b.swapaxes(-1, -2)
    return (rounded(np.matmul(a, b), types[0]),)


def _gradient(g: Builder, node: Node, grads: Sequence[Value | None]) -> Sequence[Value | None]:
    """With A, B the inputs after transposition: dA = dy B^T, dB = A^T dy; summed over broadcast batch dims."""
    (a, b), dy = node.inputs, grads[0]
    ta, tb = node.attrs["transpose_a"], node.attrs["transpose_b"]
    assert dy is not None
    if ta:
        da = g.op("matmul", b, dy, transpose_a=tb, transpose_b=True)
    else:
        da = g.op("matmul", dy, b, transpose_b=not tb)
    left, right = (a, dy) if ta else _joined_rows(g, a, b, dy)
    if tb:
        db = g.op("matmul", right, left, transpose_a=True, transpose_b=ta)
    else:
        db = g.op("matmul", left, right, transpose_a=not ta)
    return g.sum_to(da, a.shape), g.sum_to(db, b.shape)


def _joined_rows(g: Builder, a: Value, b: Value, dy: Value) -> tuple[Value, Value]:
    """One matrix b for a batch of a: the batch's rows are one tall matrix, and no batch of products is summed up."""
    if b.rank > 2 or a.rank == 2:
        return a, dy
    rows = size(a.shape[:-1])
    return g.reshape(a, (rows, a.shape[-1])), g.reshape(dy, (rows, dy.shape[-1]))


def _madds(ins: Types, outs: Types, attrs: Attrs) -> Dim:
    return outs[0].size * _rows_columns(ins[0], attrs["transpose_a"])[1]


def _samples(rng: np.random.Generator) -> Iterable[Sample]:
    def case(a: tuple[int, ...], b: tuple[int, ...], ta: bool = False, tb: bool = False) -> Sample:
        return Sample((normal(rng, a), normal(rng, b)), {"transpose_a": ta, "transpose_b": tb})

    yield case((3, 4), (4, 2))
    yield case((4, 3), (4, 2), ta=True)
    yield case((3, 4), (2, 4), tb=True)
    yield case((4, 3), (2, 4), ta=True, tb=True)
    yield case((2, 3, 4), (2, 4, 5))
    yield case((2, 3, 4), (4, 5))
    yield case((2, 2, 3, 4), (5, 4), tb=True)
    yield case((2, 4, 3), (4, 5), ta=True)
    yield case((3, 4), (2, 5, 4), tb=True)
    yield case((2, 1, 3, 4), (3, 4, 2))
    yield case((3, 1, 4, 3), (2, 5, 4), ta=True, tb=True)


define(
    OpDef(
        "matmul",
        "Matrix product over the last two axes; leading axes broadcast. transpose_a, transpose_b swap the two first.",
        _infer,
        _meaning,
        _gradient,
        madds=_madds,
        samples=_samples,
        attrs={"transpose_a": False, "transpose_b": False},
        arity=(2, 2),
    )
)
