"""Lowering of concatenations: what was not computed in its place is copied there, by blocks where it is blocked."""

from __future__ import annotations

from collections.abc import Sequence

from netlang.backends.common.context import Context, block_of
from netlang.backends.common.lowerings import AnyLowerings, Sliceable
from netlang.backends.common.moves import raw
from netlang.backends.common.nest import Axis, Nest, Operand
from netlang.backends.common.nest_build import row_major
from netlang.backends.common.slices import concat_of, part_of
from netlang.backends.common.steps import Step
from netlang.ir.dims import Dim, size
from netlang.ir.graph import Node, Value


def _anywhere(context: Context, node: Node) -> Sliceable:
    return Sliceable(range(len(node.inputs)), (0,))


def concat(context: Context, node: Node) -> list[Step]:
    """One step for each input that lies elsewhere."""
    inner = concat_of(node)
    assert inner is not None
    axis, whole = inner.attrs["axis"], node.out
    steps: list[Step] = []
    start: Dim = 0
    for value in node.inputs:
        in_place = axis == 1 and context.slices.get(value) == part_of(context, whole, start)
        if not in_place:
            steps += _copy(context, value, whole, axis, start)
        start = start + value.shape[axis]
    return steps


def _copy(context: Context, value: Value, whole: Value, axis: int, start: Dim) -> list[Step]:
    """`value` to the places of `whole` from index `start` of `axis` on."""
    block = max(block_of(value.type), block_of(whole.type))
    strides = _strides(context, whole, block)
    offset = start * (size(whole.shape[2:]) if block else strides[axis])
    nest = Nest([Axis(d, False) for d in _shape(value, block)])
    if block:
        nest.axes[-1] = Axis(block, False, lanes=block == context.channel_block)
    source = Operand(context.buffer(value), raw(value.dtype), _strides(context, value, block))
    nest.stores.append((Operand(context.buffer(whole), raw(value.dtype), strides, offset), nest.load(source)))
    return context.nest_steps(nest)


def _shape(value: Value, block: int) -> Sequence[Dim]:
    """Axes of a copy: those of the tensor, or images, blocks of channels (the last one padded), pixels, lanes."""
    if not block:
        return value.shape
    return (value.shape[0], (value.shape[1] + (block - 1)) // block, size(value.shape[2:]), block)


def _strides(context: Context, value: Value, block: int) -> tuple[Dim, ...]:
    """Elements between neighbours along these axes."""
    image = context.image_elements(context.buffer(value), value.type)
    if not block:
        return (image, *row_major(value.shape[1:]))
    pixels = size(value.shape[2:])
    return (image, block * pixels, block, 1) if value.type.layout else (image, block * pixels, 1, pixels)


def register(table: AnyLowerings) -> None:
    """Concatenations."""
    table.lowering("concat", "fused.concat", slices=_anywhere)(concat)
