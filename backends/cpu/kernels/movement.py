"""Lowerings of ops that move elements: slices, pads, reversals as strided copies."""

from __future__ import annotations

from dataclasses import replace

from netlang.backends.cpu.lower import LoweringContext, Step, lowering
from netlang.backends.cpu.moves import copy, copy_steps, fill, view
from netlang.backends.cpu.nest import Operand
from netlang.ir.dims import Dim
from netlang.ir.graph import Node


def _along(operand: Operand, axis: int, start: Dim, step: int) -> Operand:
    """Every `step`-th position of an axis, from `start`."""
    stride = operand.strides[axis]
    strides = (*operand.strides[:axis], stride * step, *operand.strides[axis + 1 :])
    return replace(operand, strides=strides, offset=operand.offset + stride * start)


@lowering("slice")
def take_slice(context: LoweringContext, node: Node) -> list[Step]:
    if node.out in context.slices:
        return []
    source = _along(view(node.inputs[0]), node.attrs["axis"], node.attrs["start"], node.attrs["step"])
    return copy(context, node.out.shape, source, view(node.out))


@lowering("slice_grad")
def slice_grad(context: LoweringContext, node: Node) -> list[Step]:
    target = _along(view(node.out), node.attrs["axis"], node.attrs["start"], node.attrs["step"])
    steps = fill(context, node.out, 0)
    return steps + copy(context, node.inputs[0].shape, view(node.inputs[0]), target)


@lowering("reverse")
def reverse(context: LoweringContext, node: Node) -> list[Step]:
    source = view(node.inputs[0])
    for axis in node.attrs["axes"]:
        source = _along(source, axis, node.out.shape[axis] - 1, -1)
    return copy(context, node.out.shape, source, view(node.out))


@lowering("pad")
def pad(context: LoweringContext, node: Node) -> list[Step]:
    target = view(node.out)
    for axis, low in enumerate(node.attrs["low"]):
        target = _along(target, axis, low, 1)
    steps = fill(context, node.out, node.attrs["value"])
    return steps + copy(context, node.inputs[0].shape, view(node.inputs[0]), target)


@lowering("reshape", "stop_gradient", priority=-10)
def whole(context: LoweringContext, node: Node) -> list[Step]:
    """Only where these are not views: a layout that must be stored anew."""
    return copy_steps(context, node.inputs[0], node.out)
