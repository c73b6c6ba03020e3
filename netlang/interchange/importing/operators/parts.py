"""Parts of tensors, and tensors as parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from netlang.interchange.importing import writing as w
from netlang.interchange.importing.axes import axis_of
from netlang.interchange.importing.known import Known
from netlang.interchange.importing.operator import REQUIRED, Call, Result, operator
from netlang.interchange.importing.sheet import Tensor
from netlang.interchange.importing.writing import besides
from netlang.ir.dims import Dim, exact_quotient, size


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
