"""Lowerings of what goes along one axis, every line by itself: indexing, cumsum, topk, resampling."""

from __future__ import annotations

from netlang.backends.common.inline import has_halves, in_single_precision
from netlang.backends.common.steps import Step
from netlang.backends.cpu.kernel import native
from netlang.backends.cpu.kernels.indexing import AS_MOVED, around
from netlang.backends.cpu.lower import LoweringContext, lowering
from netlang.ir.dims import size
from netlang.ir.graph import Node


def _in_singles(context: LoweringContext, node: Node) -> bool:
    return not has_halves(context, node)


@lowering("take_along")
def take_along(context: LoweringContext, node: Node) -> list[Step]:
    (x, indices), axis = node.inputs, node.attrs["axis"]
    outer, inner = around(x, axis, axis + 1)
    kernel = native("along", "take", AS_MOVED[x.dtype.size], indices.dtype.value)
    args = (x, indices, node.out, outer, x.shape[axis], inner, indices.shape[axis])
    return [Step(kernel, args, (node.out,), size(node.out.shape))]


@lowering("put_along", match=_in_singles)
def put_along(context: LoweringContext, node: Node) -> list[Step]:
    (updates, indices), axis = node.inputs, node.attrs["axis"]
    outer, inner = around(updates, axis, axis + 1)
    kernel = native("along", "put", updates.dtype.value, indices.dtype.value)
    args = (updates, indices, node.out, outer, node.attrs["size"], inner, indices.shape[axis])
    return [Step(kernel, args, (node.out,), size(node.out.shape) + size(updates.shape))]


def _sets_halves(node: Node) -> bool:
    """Elements that are only moved need no wider type."""
    return node.op == "scatter_along" and node.attrs["reduction"] == "set"


@lowering("scatter_along", match=lambda context, node: _sets_halves(node) or not has_halves(context, node))
def scatter_along(context: LoweringContext, node: Node) -> list[Step]:
    (x, indices, updates), axis = node.inputs, node.attrs["axis"]
    outer, inner = around(x, axis, axis + 1)
    kernel = native("along", "scatter", x.dtype.value, indices.dtype.value, node.attrs["reduction"])
    args = (x, indices, updates, node.out, outer, x.shape[axis], inner, indices.shape[axis])
    return [Step(kernel, args, (node.out,), size(x.shape) + size(updates.shape))]


@lowering("cumsum", match=_in_singles)
def cumsum(context: LoweringContext, node: Node) -> list[Step]:
    (x,), axis = node.inputs, node.attrs["axis"]
    outer, inner = around(x, axis, axis + 1)
    return [
        Step(
            native("along", "cumsum", x.dtype.value),
            (x, node.out, outer, x.shape[axis], inner),
            (node.out,),
            size(x.shape),
        )
    ]


@lowering("topk")
def topk(context: LoweringContext, node: Node) -> list[Step]:
    (x,), axis, (values, indices) = node.inputs, node.attrs["axis"], node.results
    outer, inner = around(x, axis, axis + 1)
    args = (x, values, indices, outer, x.shape[axis], inner, node.attrs["k"])
    return [Step(native("along", "topk", x.dtype.value), args, (values, indices), size(x.shape) * 2)]


@lowering("resample", match=_in_singles)
def resample(context: LoweringContext, node: Node) -> list[Step]:
    (x,), axis = node.inputs, node.attrs["axis"]
    outer, inner = around(x, axis, axis + 1)
    kernel = native("along", "resample", x.dtype.value, int(node.attrs["mode"] == "linear"))
    args = (x, node.out, outer, x.shape[axis], inner, node.out.shape[axis])
    return [Step(kernel, args, (node.out,), size(node.out.shape) * 2)]


@lowering("resample_grad", match=_in_singles)
def resample_grad(context: LoweringContext, node: Node) -> list[Step]:
    (dy,), axis = node.inputs, node.attrs["axis"]
    outer, inner = around(dy, axis, axis + 1)
    kernel = native("along", "resample_grad", dy.dtype.value, int(node.attrs["mode"] == "linear"))
    args = (dy, node.out, outer, node.out.shape[axis], inner, dy.shape[axis])
    return [Step(kernel, args, (node.out,), size(dy.shape) * 2)]


_SUMMED = ("put_along", "scatter_along", "cumsum", "resample", "resample_grad")
lowering(*_SUMMED, priority=-10, match=has_halves)(in_single_precision)
