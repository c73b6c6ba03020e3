"""Lowerings of ops that move elements: slices, pads, reversals as strided copies."""

from __future__ import annotations

from dataclasses import replace

from netlang.backends.common.context import Context
from netlang.backends.common.lowerings import AnyLowerings
from netlang.backends.common.moves import copy, copy_steps, fill, view
from netlang.backends.common.nest import Operand
from netlang.backends.common.steps import Step
from netlang.ir.dims import Dim
from netlang.ir.graph import Node


def _along(operand: Operand, axis: int, start: Dim, step: int) -> Operand:
    """Every `step`-th position of an axis, from `start`."""
    stride = operand.strides[axis]
    strides = (*operand.strides[:axis], stride * step, *operand.strides[axis + 1 :])
    return replace(operand, strides=strides, offset=operand.offset + stride * start)


def take_slice(context: Context, node: Node) -> list[Step]:
    if node.out in context.slices:
        return []
    source = _along(view(node.inputs[0]), node.attrs["axis"], node.attrs["start"], node.attrs["step"])
    return copy(context, node.out.shape, source, view(node.out))


def slice_grad(context: Context, node: Node) -> list[Step]:
    target = _along(view(node.out), node.attrs["axis"], node.attrs["start"], node.attrs["step"])
    steps = fill(context, node.out, 0)
    return steps + copy(context, node.inputs[0].shape, view(node.inputs[0]), target)


def reverse(context: Context, node: Node) -> list[Step]:
    source = view(node.inputs[0])
    for axis in node.attrs["axes"]:
        source = _along(source, axis, node.out.shape[axis] - 1, -1)
    return copy(context, node.out.shape, source, view(node.out))


def pad(context: Context, node: Node) -> list[Step]:
    target = view(node.out)
    for axis, low in enumerate(node.attrs["low"]):
        target = _along(target, axis, low, 1)
    steps = fill(context, node.out, node.attrs["value"])
    return steps + copy(context, node.inputs[0].shape, view(node.inputs[0]), target)


def whole(context: Context, node: Node) -> list[Step]:
    """Only where these are not views: a layout that must be stored anew."""
    return copy_steps(context, node.inputs[0], node.out)


def register(table: AnyLowerings) -> None:
    """Slices, pads, reversals, and views that must be stored anew."""
    table.lowering("slice")(take_slice)
    table.lowering("slice_grad")(slice_grad)
    table.lowering("reverse")(reverse)
    table.lowering("pad")(pad)
    table.lowering("reshape", "stop_gradient", priority=-10)(whole)
