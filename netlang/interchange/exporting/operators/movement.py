"""Elements in another shape or order, put together, cut out or surrounded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netlang.interchange.exporting.record import Place, exports
from netlang.ir import dims
from netlang.ir.dims import Dim, Shape

LAST = np.iinfo(np.int64).max
"""Where a slice ends that goes to the end of an axis of any size."""


@exports("reshape")
def _reshape(place: Place) -> str:
    old, new = place.node.inputs[0].shape, place.attrs["shape"]
    x = place.inputs[0]
    if old == new:
        return x
    if (axis := _flattened(old, new)) is not None:
        return place.op("Flatten", x, axis=axis)
    if len(new) > len(old) and (axes := _added(old, new)) is not None:
        return place.op("Unsqueeze", x, place.numbers(axes))
    if len(new) < len(old) and (axes := _added(new, old)) is not None:
        return place.op("Squeeze", x, place.numbers(axes))
    return place.op("Reshape", x, _target(place, old, new))


def _flattened(old: Shape, new: Shape) -> int | None:
    """The axis from which on all axes of three or more become one, as all before it."""
    if len(new) != 2 or len(old) < 3:
        return None
    return next((a for a in range(1, len(old)) if (dims.size(old[:a]), dims.size(old[a:])) == new), None)


def _added(short: Shape, long: Shape) -> list[int] | None:
    """The axes of size 1 that `long` has more than `short`."""
    axes: list[int] = []
    rest = list(short)
    for axis, dim in enumerate(long):
        if rest and rest[0] == dim:
            rest.pop(0)
        elif dim == 1:
            axes.append(axis)
        else:
            return None
    return axes if not rest else None


def _target(place: Place, old: Shape, new: Shape) -> str:
    """The shape for Reshape: 0 takes over an axis, -1 stands for one that follows from the others."""
    kept: list[Dim] = [
        0 if i < len(old) and dim == old[i] and not isinstance(dim, int) else dim for i, dim in enumerate(new)
    ]
    open_axes = [i for i, dim in enumerate(kept) if not isinstance(dim, int)]
    if open_axes:
        kept[open_axes[-1]] = -1
    return place.shape(kept)


@exports("broadcast")
def _broadcast(place: Place) -> str:
    if place.node.inputs[0].shape == place.attrs["shape"]:
        return place.inputs[0]
    return place.op("Expand", place.inputs[0], place.shape(place.attrs["shape"]))


@exports("transpose")
def _transpose(place: Place) -> str:
    perm = place.attrs["perm"]
    if list(perm) == sorted(perm):
        return place.inputs[0]
    return place.op("Transpose", place.inputs[0], perm=list(perm))


@exports("reverse")
def _reverse(place: Place) -> str:
    return reversed_along(place, place.inputs[0], place.attrs["axes"])


def reversed_along(place: Place, x: str, axes: Sequence[int]) -> str:
    """The elements in reverse order along some axes."""
    if not axes:
        return x
    ends, count = [-1] * len(axes), len(axes)
    return place.op(
        "Slice",
        x,
        place.numbers(ends),
        place.numbers([-LAST] * count),
        place.numbers(list(axes)),
        place.numbers([-1] * count),
    )


@exports("concat")
def _concat(place: Place) -> str:
    if len(place.inputs) == 1:
        return place.inputs[0]
    return place.op("Concat", *place.inputs, axis=place.attrs["axis"])


@exports("slice")
def _slice(place: Place) -> str:
    axis, start, stop, step = (place.attrs[k] for k in ("axis", "start", "stop", "step"))
    whole = place.node.inputs[0].shape[axis]
    if start == 0 and stop == whole and step == 1:
        return place.inputs[0]
    return sliced(place, place.inputs[0], axis, start, LAST if stop == whole else stop, step)


def sliced(place: Place, x: str, axis: int, start: Dim, stop: Dim, step: int = 1) -> str:
    """The elements start, start + step, ... before stop along an axis."""
    given = [x, place.shape([start]), place.shape([stop]), place.numbers([axis])]
    return place.op("Slice", *given, *([place.numbers([step])] if step != 1 else []))


@exports("pad")
def _pad(place: Place) -> str:
    low, high, value = (place.attrs[k] for k in ("low", "high", "value"))
    if all(p == 0 for p in (*low, *high)):
        return place.inputs[0]
    return padded(place, place.inputs[0], low, high, place.constant(value, place.node.out.dtype))


def padded(place: Place, x: str, low: Sequence[Dim], high: Sequence[Dim], value: str = "") -> str:
    """`x` surrounded by so many elements before and after it on each axis."""
    return place.op("Pad", x, place.shape([*low, *high]), *([value] if value else []))


@exports("slice_grad")
def _slice_grad(place: Place) -> str:
    """Zeros with x put at start, start + step, ...: spread by zeros between, then surrounded."""
    x, (axis, start, step, size) = place.node.inputs[0], (place.attrs[k] for k in ("axis", "start", "step", "size"))
    name, count = place.inputs[0], x.shape[axis]
    if step != 1:
        name = _spread(place, name, x.shape, axis, step)
        count = (count - 1) * step + 1
    zeros: list[Dim] = [0] * x.rank
    low, high = list(zeros), list(zeros)
    low[axis], high[axis] = start, size - start - count
    return padded(place, name, low, high)


def _spread(place: Place, x: str, shape: Shape, axis: int, step: int) -> str:
    """`step - 1` zeros between neighbours along an axis: each element begins a row of zeros, and rows are joined."""
    wide = place.op("Unsqueeze", x, place.numbers([axis + 1]))
    high: list[Dim] = [0] * (len(shape) + 1)
    high[axis + 1] = step - 1
    rows = padded(place, wide, [0] * len(high), high)
    joined = place.op("Reshape", rows, place.shape([*shape[:axis], shape[axis] * step, *shape[axis + 1 :]]))
    return sliced(place, joined, axis, 0, (shape[axis] - 1) * step + 1)
