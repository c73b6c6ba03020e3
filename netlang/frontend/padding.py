"""`pad`: what surrounds a tensor, a number or its own elements, on any axes; negative amounts cut off."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from netlang.frontend import geometry
from netlang.frontend.arguments import Arguments, one, word
from netlang.frontend.context import Site
from netlang.frontend.faults import Fault
from netlang.frontend.signature import Signature
from netlang.frontend.values import Primitive, describe
from netlang.ir.graph import Value
from netlang.ir.types import DType, shape_text

_MODES: dict[str, Literal["reflect", "edge", "wrap"]] = {"reflect": "reflect", "edge": "edge", "wrap": "wrap"}
"""What NumPy calls the modes in which a tensor is surrounded by its own elements."""
_LEAST = -(1 << 31)
_MOST = 1 << 22
"""Elements that a size which is known is surrounded by."""


def _pad(site: Site, arguments: Arguments) -> Value:
    """Pads the spatial axes, or those named by `axes`. What is cut off is cut off before anything is surrounded."""
    x, named = one(arguments["x"]), arguments["axes"]
    chosen = tuple(range(2, x.rank)) if named is None else geometry.in_order(named, x.rank)
    if not chosen:
        raise Fault(f"pad: {shape_text(x.shape)} has no spatial dimensions", hint="name the axes: pad(..., axes = [1])")
    mode, value = word(arguments["mode"], "mode", ("constant", *_MODES)), arguments["value"]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Fault(f"pad: 'value' must be a number, not {describe(value)}")
    value = value if x.dtype.is_int else float(value)
    given = dict(zip(chosen, geometry.sides(arguments["amount"], len(chosen), "pad", _LEAST), strict=True))
    for axis, (low, high) in given.items():
        x = _cropped(site, x, axis, max(0, -low), max(0, -high))
    pairs = {axis: (max(0, low), max(0, high)) for axis, (low, high) in given.items()}
    if mode in _MODES:
        for axis, (low, high) in pairs.items():
            x = _surrounded(site, x, axis, low, high, mode)
        return x
    if not any(map(any, pairs.values())) and any(map(any, given.values())):
        return x
    both = [pairs.get(axis, (0, 0)) for axis in range(x.rank)]
    return site.emit("pad", x, low=tuple(p[0] for p in both), high=tuple(p[1] for p in both), value=value)


def _cropped(site: Site, x: Value, axis: int, low: int, high: int) -> Value:
    if not (low or high):
        return x
    size = x.shape[axis]
    if isinstance(size, int) and low + high >= size:
        raise Fault(f"pad: nothing is left of axis {axis} of {shape_text(x.shape)} without {low} and {high} elements")
    return site.emit("slice", x, axis=axis, start=low, stop=size - high)


def _surrounded(site: Site, x: Value, axis: int, low: int, high: int, mode: str) -> Value:
    """x with elements of its own before and after it along an axis."""
    size = x.shape[axis]
    if not (low or high):
        return x
    if isinstance(size, int):
        if low + high > _MOST:
            raise Fault(f"pad: {low} and {high} elements more are too many for mode = '{mode}'")
        places = np.pad(np.arange(size), (low, high), _MODES[mode])
        return site.emit("gather", x, site.builder.const(places, DType.I64), axis=axis)
    if mode == "edge":
        before, after = _end(site, x, axis, 0, low), _end(site, x, axis, size - 1, high)
    elif mode == "wrap":
        before, after = _piece(site, x, axis, size - low, low), _piece(site, x, axis, 0, high)
    else:
        before, after = (_piece(site, x, axis, start, n) for start, n in ((1, low), (size - 1 - high, high)))
        before, after = ([site.emit("reverse", v, axes=(axis,)) for v in side] for side in (before, after))
    return site.emit("concat", *before, x, *after, axis=axis)


def _piece(site: Site, x: Value, axis: int, start: Any, count: int) -> list[Value]:
    """`count` elements along an axis, as far as these are any."""
    return [site.emit("slice", x, axis=axis, start=start, stop=start + count)] if count else []


def _end(site: Site, x: Value, axis: int, start: Any, count: int) -> list[Value]:
    """One element along an axis, repeated."""
    shape = (*x.shape[:axis], count, *x.shape[axis + 1 :])
    return [site.emit("broadcast", v, shape=shape) for v in _piece(site, x, axis, start, min(count, 1))]


def listed() -> list[Primitive]:
    """The one primitive of this file."""
    return [Primitive(Signature.of("pad", "x", "amount", value=0.0, axes=None, mode="constant"), 1, _pad)]
