"""Shapes: what moves elements and computes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from netlang.interchange.importing import writing as w
from netlang.interchange.importing.axes import axes_of, axis_of
from netlang.interchange.importing.known import Known
from netlang.interchange.importing.operator import Call, Result, operator
from netlang.interchange.importing.sheet import Tensor, known_shape
from netlang.ir.dims import Dim, exact_quotient, size


@operator("Identity")
def identity(call: Call) -> Result:
    return call.value(0)


@operator("Constant", value=None, value_float=None, value_floats=None, value_int=None, value_ints=None)
def constant(call: Call) -> Known:
    given = {key: value for key, value in call.attrs.items() if value is not None}
    if len(given) != 1:
        raise call.refuse(f"a constant has one value, not {len(given)}")
    (key, value), hint = next(iter(given.items())), call.node.outputs[0]
    if key == "value":
        return Known(value, hint)
    return Known(np.array(value, np.float32 if "float" in key else np.int64), hint)


@operator("ConstantOfShape", value=None)
def constant_of_shape(call: Call) -> Result:
    filling = np.zeros(1, np.float32) if call.attrs["value"] is None else call.attrs["value"]
    if filling.size != 1:
        raise call.refuse(f"the value must have one element, not {filling.size}")
    return filled(call, call.known(0, "the shape").entries(), filling.reshape(()))


_FILLED = 4096
"""Elements of a constant that are known rather than broadcast when the net runs."""


def filled(call: Call, shape: Sequence[Dim], number: Any) -> Result:
    """A tensor of one number; a small one is known, a large one is broadcast when the net runs."""
    if any(isinstance(d, int) and d < 0 for d in shape):
        raise call.refuse(f"a shape has no sizes below 0: {list(shape)}")
    sizes = known_shape(shape)
    if sizes is not None and prod(sizes) <= _FILLED:
        return Known(np.full(sizes, number))
    return call.apply("broadcast", call.sheet.tensor(Known(np.asarray(number)), "filling"), list(shape))


@operator("Shape", start=0, end=None)
@operator("Size")
def shape(call: Call) -> Result:
    raise AssertionError("carried out by the importer, which knows all shapes")


# ---- new shapes


@operator("Reshape", allowzero=0, shape=None)
def reshape(call: Call) -> Result:
    """An entry 0 is the size that is there, unless `allowzero`; -1 is what is left."""
    wanted = call.integers(1, "shape")
    if wanted is None:
        raise call.refuse("the shape is missing")
    before = call.value(0).shape
    copies = not call.attrs["allowzero"]
    if copies and any(v == 0 and place >= len(before) for place, v in enumerate(wanted)):
        raise call.refuse(f"{wanted} copies a size that {list(before)} has not")
    shape = [before[place] if copies and v == 0 else v for place, v in enumerate(wanted)]
    return reshaped(call, completed(call, shape, before))


def completed(call: Call, shape: list[Dim], before: Sequence[Dim]) -> list[Dim]:
    """`shape` with its -1 replaced by what is left."""
    if sum(v == -1 for v in shape) > 1:
        raise call.refuse(f"{shape} leaves more than one size open")
    if -1 not in shape:
        return shape
    rest = exact_quotient(size(before), size([d for d in shape if d != -1]))
    if rest is None:
        raise call.refuse(f"{list(before)} cannot become {shape}")
    return [rest if d == -1 else d for d in shape]


def reshaped(call: Call, shape: Sequence[Dim]) -> Result:
    """The first input with a new shape."""
    return with_shape(call, call.value(0), shape)


def with_shape(call: Call, value: Result, shape: Sequence[Dim], hint: str = "") -> Result:
    """A new shape: what had it already where that was reshaped before, the natural layer for it where there is one."""
    known = known_shape(shape)
    if isinstance(value, Known):
        if known is None:
            return call.let(w.call("reshape", call.sheet.tensor(value, hint), list(shape)), hint)
        if any(d < 0 for d in known) or prod(known) != value.array.size:
            raise call.refuse(f"{list(value.shape)} cannot become {list(known)}")
        return Known(value.array.reshape(known), value.source, value.trained)
    if tuple(value.shape) == tuple(shape):
        return value
    earlier = value.value
    while earlier.node.op == "reshape":
        earlier = earlier.node.inputs[0]
        tensor = call.sheet.named(earlier)
        if tensor is not None and earlier.shape == tuple(shape):
            return tensor
    before = value.shape
    for axis in range(1, len(before)):
        if tuple(shape) == (*before[:axis], size(before[axis:])) and axis < len(before) - 1:
            return call.let(w.pipe(value, w.call("flatten", axis=axis) if axis != 1 else "flatten"), hint)
    return call.let(w.call("reshape", value, list(shape)), hint)


@operator("Flatten", axis=1)
def flatten(call: Call) -> Result:
    before = call.value(0).shape
    given, rank = call.attrs["axis"], len(before)
    axis = axis_of(call, given, rank) if given < 0 else axis_of(call, given, rank + 1)  # the end is an axis, too
    return reshaped(call, [size(before[:axis]), size(before[axis:])])


@operator("Squeeze", axes=None)
def squeeze(call: Call) -> Result:
    before = call.value(0).shape
    given = call.integers(1, "axes")
    axes = [i for i, d in enumerate(before) if d == 1] if given is None else axes_of(call, given, len(before))
    if any(before[a] != 1 for a in axes):
        raise call.refuse(f"only axes of size 1 can be squeezed, not {axes} of {list(before)}")
    return reshaped(call, [d for i, d in enumerate(before) if i not in axes])


@operator("Unsqueeze", axes=None)
def unsqueeze(call: Call) -> Result:
    before, given = list(call.value(0).shape), call.integers(1, "axes")
    if given is None:
        raise call.refuse("the axes are missing")
    rank = len(before) + len(given)
    axes, rest = axes_of(call, given, rank), iter(before)
    return reshaped(call, [1 if i in axes else next(rest) for i in range(rank)])


@operator("Expand")
def expand(call: Call) -> Result:
    wanted, before = call.known(1, "the shape").entries(), call.value(0).shape
    rank = max(len(wanted), len(before))
    left, right = [1] * (rank - len(before)) + list(before), [1] * (rank - len(wanted)) + wanted
    shape = [_common(call, a, b) for a, b in zip(left, right, strict=True)]
    return call.value(0) if tuple(shape) == tuple(before) else call.apply("broadcast", call.tensor(0), shape)


def _common(call: Call, a: Dim, b: Dim) -> Dim:
    if a == b or b == 1:
        return a
    if a == 1:
        return b
    raise call.refuse(f"sizes {a} and {b} do not broadcast")


@operator("Transpose", perm=None)
def transpose(call: Call) -> Result:
    x, order = call.tensor(0), call.attrs["perm"]
    rank = x.rank
    axes = list(reversed(range(rank))) if order is None else axes_of(call, order, rank)
    if len(axes) != rank:
        raise call.refuse(f"perm {axes} is not for {rank} axes")
    return transposed(call, x, axes)


def transposed(call: Call, x: Tensor, axes: Sequence[int]) -> Tensor:
    """Axes in another order; what had that order already where x is a transpose."""
    order, earlier = list(axes), x.value
    while earlier.node.op == "transpose":
        order, earlier = [earlier.node.attrs["perm"][axis] for axis in order], earlier.node.inputs[0]
        tensor = call.sheet.named(earlier)
        if tensor is not None and order == list(range(x.rank)):
            return tensor
    return x if list(axes) == list(range(x.rank)) else call.through(x, "transpose", list(axes))
