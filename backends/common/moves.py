"""Copies between strided views: what all movement ops are made of."""

from __future__ import annotations

from collections.abc import Sequence

from netlang.backends.common.context import Context
from netlang.backends.common.nest import Axis, Nest, Operand
from netlang.backends.common.nest_build import row_major
from netlang.backends.common.steps import Buffer, Step
from netlang.ir.dims import Dim
from netlang.ir.graph import Value
from netlang.ir.types import DType


def raw(dtype: DType) -> str:
    """The name under which elements of this type are moved without looking at them."""
    return f"raw{dtype.size}"


def view(value: Value, dtype: str | None = None) -> Operand:
    """A whole plain tensor."""
    return Operand(value, dtype or raw(value.dtype), row_major(value.shape))


def copy(context: Context, shape: Sequence[Dim], source: Operand, target: Operand) -> list[Step]:
    """Copy elements: both operands have one stride per dim of `shape`."""
    nest = Nest([Axis(d, False) for d in shape])
    nest.stores.append((target, nest.load(source)))
    return context.nest_steps(nest)


def fill(context: Context, value: Value, number: float | int | bool) -> list[Step]:
    """Set all elements to a number."""
    nest = Nest([Axis(d, False) for d in value.shape])
    dtype = value.dtype.value
    nest.stores.append((view(value, dtype), nest.add("constant", dtype, value=number)))
    return context.nest_steps(nest)


def copy_steps(context: Context, source: Value, target: Buffer) -> list[Step]:
    """Copy a whole tensor to a buffer of the same type."""
    strides = row_major(source.shape)
    return copy(context, source.shape, view(source), Operand(target, raw(source.dtype), strides))
