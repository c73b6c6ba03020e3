"""Lowerings of what goes along one axis, every line by itself: indexing, cumsum, resampling."""

from __future__ import annotations

from netlang.backends.common.steps import Step
from netlang.backends.cuda.kernels.indexing import around
from netlang.backends.cuda.kernels.pool import threads
from netlang.backends.cuda.lower import LoweringContext, lowering
from netlang.backends.cuda.tiles import along, rows
from netlang.ir.dims import size
from netlang.ir.graph import Node

_NARROW = 1 << 31
"""What 32 bits can hold with a sign."""


@lowering("take_along")
def take_along(context: LoweringContext, node: Node) -> list[Step]:
    (x, indices), axis, out = node.inputs, node.attrs["axis"], node.out
    outer, inner = around(x, axis, axis + 1)
    kernel = along.take_kernel(x.dtype.size, indices.dtype.value, threads(context, rows.THREADS))
    count = indices.shape[axis]
    args = (x, indices, out, x.shape[axis], inner, count)
    line = x.shape[axis] * inner
    return [rows.launch(kernel, args, outer, count * inner, (out,), size(out.shape), (line,))]


@lowering("put_along")
def put_along(context: LoweringContext, node: Node) -> list[Step]:
    (updates, indices), axis, out = node.inputs, node.attrs["axis"], node.out
    outer, inner = around(updates, axis, axis + 1)
    count, length = indices.shape[axis], node.attrs["size"]
    kernel = along.put_kernel(out.dtype.value, indices.dtype.value, False, threads(context, rows.THREADS))
    args = (updates, indices, out, length, inner, count)
    return [rows.launch(kernel, args, outer, length * inner, (out,), size(out.shape) * count, (count * inner,))]


@lowering("scatter_along")
def scatter_along(context: LoweringContext, node: Node) -> list[Step]:
    (x, indices, updates), axis, out = node.inputs, node.attrs["axis"], node.out
    outer, inner = around(x, axis, axis + 1)
    count, length = indices.shape[axis], x.shape[axis]
    of_block = threads(context, rows.THREADS)
    kernel = along.scatter_kernel(out.dtype.value, indices.dtype.value, node.attrs["reduction"], of_block)
    args = (x, indices, updates, out, length, inner, count)
    within = (count * inner, length * inner)
    return [rows.launch(kernel, args, outer, length * inner, (out,), size(out.shape) * count, within)]


@lowering("cumsum")
def cumsum(context: LoweringContext, node: Node) -> list[Step]:
    (x,), axis, out = node.inputs, node.attrs["axis"], node.out
    outer, inner = around(x, axis, axis + 1)
    kernel = along.cumsum_kernel(out.dtype.value, threads(context, rows.THREADS))
    length = x.shape[axis]
    return [rows.launch(kernel, (x, out, length, inner), outer, inner, (out,), size(out.shape), (length * inner,))]


@lowering("resample", "resample_grad")
def resample(context: LoweringContext, node: Node) -> list[Step]:
    (given,), axis, out = node.inputs, node.attrs["axis"], node.out
    outer, inner = around(given, axis, axis + 1)
    before, after = given.shape[axis], out.shape[axis]
    linear = node.attrs["mode"] == "linear"
    # Positions are numbers of up to (2 * n + 3) * m for n elements made into m.
    wide = not (isinstance(before, int) and isinstance(after, int)) or 2 * (before + 2) * (after + 2) >= _NARROW
    make = along.resample_kernel if node.op == "resample" else along.resample_grad_kernel
    kernel = make(out.dtype.value, linear, wide, threads(context, rows.THREADS))
    n, m = (before, after) if node.op == "resample" else (after, before)
    args = (given, out, n, inner, m)
    return [rows.launch(kernel, args, outer, after * inner, (out,), size(out.shape) * 2, (before * inner,))]
