"""Shapes: what moves elements and computes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from netlang.interchange.importing import writing as w
from netlang.interchange.importing.known import Known
from netlang.interchange.importing.operator import REQUIRED, Call, Result, operator
from netlang.interchange.importing.sheet import Tensor, known_shape
from netlang.interchange.importing.writing import besides
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


# ---- parts


@operator("Concat", axis=REQUIRED)
def concat(call: Call) -> Result:
    parts = [call.tensor(i) for i in range(len(call.values)) if 0 not in call.value(i).shape]
    if not parts:
        return call.value(0)
    axis = axis_of(call, call.attrs["axis"], parts[0].rank)
    if len(parts) == 1:
        return parts[0]
    return call.let(w.pipe(parts, w.call("concat", axis=axis) if axis != 1 else "concat"))


@operator("Split", axis=0, split=None, num_outputs=None)
def split(call: Call) -> list[Result | None]:
    x, count = call.value(0), len(call.node.outputs)
    axis = axis_of(call, call.attrs["axis"], len(x.shape))
    whole, given = x.shape[axis], call.integers(1, "split")
    if given is None:
        if not isinstance(whole, int):
            part = exact_quotient(whole, count)
            if part is None:
                raise call.refuse(f"a size {whole} cannot be split into {count}")
            given = [part] * count
        else:
            part = -(-whole // count)
            given = [min(part, whole - i * part) for i in range(count)]
    below = any(isinstance(d, int) and d < 0 for d in given)
    if len(given) != count or below or (size(given) != 0 and sum(given[1:], given[0]) != whole):
        raise call.refuse(f"{given} does not split a size of {whole} into {count} outputs")
    if isinstance(x, Known):
        parts = np.split(x.array, np.cumsum([int(d) for d in given])[:-1], axis)
        return [Known(part) for part in parts]
    if len({*map(str, given)}) == 1 and isinstance(whole, int) and count > 1:
        layer = w.call("split", count, **besides({"axis": 1}, axis=axis))
        return list(call.sheet.several(w.pipe(x, layer), [n or f"_{call.hint}" for n in call.node.outputs]))
    return _pieces(call, x, axis, given)


def _pieces(call: Call, x: Tensor, axis: int, sizes: Sequence[Dim]) -> list[Result | None]:
    found: list[Result | None] = []
    start: Dim = 0
    for name, part in zip(call.node.outputs, sizes, strict=True):
        end = start + part
        if part == 0:
            shape = [part if i == axis else d for i, d in enumerate(x.shape)]
            found.append(Known(np.zeros([d if isinstance(d, int) else 0 for d in shape], x.dtype.numpy)))
        else:
            found.append(call.let(w.pipe(x, w.call("slice", axis, start, end)), name or call.hint))
        start = end
    return found


@operator("Slice", starts=None, ends=None, axes=None)
def slices(call: Call) -> Result:
    """Bounds below 0 count from the end, those beyond it mean the end; a step below 0 goes backwards."""
    starts, ends = call.integers(1, "starts"), call.integers(2, "ends")
    if starts is None or ends is None:
        raise call.refuse("where the slice begins and ends is missing")
    axes = call.integers(3, "axes") or list(range(len(starts)))
    steps = call.integers(4, "steps") or [1] * len(starts)
    if len({len(starts), len(ends), len(axes), len(steps)}) != 1:
        raise call.refuse("starts, ends, axes and steps differ in length")
    x: Result = call.value(0)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        x = _sliced(call, x, axis_of(call, axis, len(x.shape)), start, end, step)
    return x


def _sliced(call: Call, x: Result, axis: int, start: Dim, end: Dim, step: int) -> Result:
    whole = x.shape[axis]
    if step == 0:
        raise call.refuse("the step of a slice must not be 0")
    if step > 0:
        first, last = _bound(whole, start, 0, whole), _bound(whole, end, 0, whole)
    else:
        # Backwards from `start` down to, and without, `end`: that part, reversed.
        top, bottom = _bound(whole, start, -1, whole - 1), _bound(whole, end, -1, whole - 1)
        count = (top - bottom - step - 1) // -step
        first, last = top + (count - 1) * step, top + 1
    if isinstance(first, int) and isinstance(last, int) and last <= first:
        shape = [0 if i == axis else d if isinstance(d, int) else 1 for i, d in enumerate(x.shape)]
        return Known(np.zeros(shape, x.array.dtype if isinstance(x, Known) else x.dtype.numpy))
    if first == 0 and last == whole and step == 1:
        return x
    out = call.sheet.tensor(x)
    if not isinstance(first, int):
        # A slice begins at a fixed place: these are picked by their numbers.
        count = (last - first + abs(step) - 1) // abs(step)
        places: Any = w.call("arange", count)
        places = places if abs(step) == 1 else w.infix(places, "*", abs(step))
        out = call.let(w.call("gather", out, w.infix(places, "+", first), **besides({"axis": 0}, axis=axis)))
    elif (first, last) != (0, whole) or abs(step) != 1:
        more = {"step": abs(step)} if abs(step) != 1 else {}
        out = call.let(w.pipe(out, w.call("slice", axis, first, last, **more)))
    return call.let(w.pipe(out, w.call("reverse", axis))) if step < 0 else out


def _bound(whole: Dim, place: Dim, low: Dim, high: Dim) -> Dim:
    """A place along an axis of `whole` elements, counted from the end where it is below 0, kept within bounds."""
    if isinstance(place, int) and isinstance(whole, int):
        assert isinstance(low, int) and isinstance(high, int)
        return min(max(place + whole if place < 0 else place, low), high)
    if isinstance(place, int):
        if place >= _END:
            return high
        if place <= -_END:
            return low
        return whole + place if place < 0 else place
    return place


_END = 1 << 30
"""From here on, a bound of a slice means the end of an axis whose size is not known."""


@operator("Tile")
def tile(call: Call) -> Result:
    x, repeats = call.tensor(0), call.known(1, "the repeats").entries()
    if len(repeats) != x.rank:
        raise call.refuse(f"{len(repeats)} repeats for {x.rank} axes")
    if 0 in repeats:
        return Known(np.zeros([int(d * r) for d, r in zip(x.shape, repeats, strict=True)], x.dtype.numpy))
    for axis, count in enumerate(repeats):
        if count != 1:
            whole = [*x.shape[:axis], x.shape[axis] * count, *x.shape[axis + 1 :]]
            raised = call.apply("reshape", x, [*x.shape[:axis], 1, *x.shape[axis:]])
            spread = call.apply("broadcast", raised, [*x.shape[:axis], count, *x.shape[axis:]])
            x = call.apply("reshape", spread, whole)
    return x


# ---- axes


def axis_of(call: Call, axis: int, rank: int) -> int:
    """An axis counted from 0. Raises Refused for one that is not there."""
    if not -rank <= axis < rank:
        raise call.refuse(f"there is no axis {axis} among {rank}")
    return int(axis) % rank


def axes_of(call: Call, axes: Sequence[int], rank: int) -> list[int]:
    """Axes counted from 0, each once."""
    found = [axis_of(call, a, rank) for a in axes]
    if len({*found}) != len(found):
        raise call.refuse(f"an axis is named twice: {list(axes)}")
    return found
