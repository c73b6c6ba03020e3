"""One axis resized: by the op that knows how, where there is one, otherwise by picking and weighting elements."""

from __future__ import annotations

import numpy as np

from netlang.frontend.context import Site
from netlang.frontend.faults import Fault
from netlang.frontend.interpolation import Interpolation, Stencil, stencil
from netlang.frontend.open_resampling import open_along
from netlang.ir.dims import Dim, exact_quotient
from netlang.ir.graph import Value
from netlang.ir.types import DType
from netlang.ops.resample import sources

_LARGEST = 64
"""Up to this factor it is tried whether resizing repeats every element."""
_CELLS = ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric")
"""Coordinates that are the same where sizes are multiplied by a whole number."""


def along(
    site: Site, x: Value, axis: int, size: Dim, scale: float | None, how: Interpolation
) -> tuple[Value, Stencil | None]:
    """One axis; and of what its elements are made, where that is known."""
    n = x.shape[axis]
    if n == size and scale is None and how.coordinates != "tf_crop_and_resize" and not how.antialias:
        return x, None
    if not isinstance(n, int) or not isinstance(size, int):
        mode = _by_op(n, size, how) if scale is None and x.dtype.is_float else None
        if mode is not None:
            return site.emit("resample", x, axis=axis, size=size, mode=mode), None
        return open_along(site, x, axis, size, scale, how), None
    found = stencil(n, size, scale, how)
    for mode in ("nearest", "linear"):
        if x.dtype.is_float and found.alike(*sources(n, size, mode)):
            return (x if n == size else site.emit("resample", x, axis=axis, size=size, mode=mode)), None
    places = found.places[:, 0] if found.is_choice else found.places
    picked = site.emit("gather", x, site.builder.const(places, DType.I64), axis=axis)
    if found.is_choice:
        return picked, found
    weights = found.weights.reshape(*found.weights.shape, *(1,) * (x.rank - axis - 1))
    weighted = site.emit("mul", picked, site.builder.const(weights, x.dtype))
    return site.emit("reduce_sum", weighted, axes=(axis + 1,), keepdims=False), found


def resampled(site: Site, x: Value, axis: int, size: Dim, mode: str) -> Value:
    """An axis resized as the op `resample` does it; also of what is no float, if it is chosen and not mixed."""
    if x.dtype.is_float:
        return site.emit("resample", x, axis=axis, size=size, mode=mode)
    if mode != "nearest":
        raise Fault(f"{x.dtype} elements have no means", hint="convert with cast(x, f32)")
    n = x.shape[axis]
    if isinstance(n, int) and isinstance(size, int):
        return site.emit("gather", x, site.builder.const(sources(n, size, mode)[0], DType.I64), axis=axis)
    factor = exact_quotient(size, n)
    if factor is None:
        raise Fault(f"{x.dtype} elements cannot be resized from {n} to {size}", hint="convert with cast(x, f32)")
    before, after = x.shape[:axis], x.shape[axis + 1 :]
    raised = site.emit("reshape", x, shape=(*before, n, 1, *after))
    repeated = site.emit("broadcast", raised, shape=(*before, n, factor, *after))
    return site.emit("reshape", repeated, shape=(*before, size, *after))


def _by_op(n: Dim, size: Dim, how: Interpolation) -> str | None:
    """The mode in which the op `resample` does the same, whatever the sizes are; None where there is none."""
    factor = exact_quotient(size, n)
    whole = factor if isinstance(factor, int) and 1 < factor <= _LARGEST else None
    if how.mode == "linear" and not how.exclude_outside and not how.antialias:
        always = how.coordinates in ("half_pixel", "half_pixel_symmetric")
        return "linear" if always or (how.coordinates in _CELLS and whole) else None
    if how.mode != "nearest" or how.coordinates not in (*_CELLS, "asymmetric"):
        return None
    if how.coordinates == "asymmetric" and how.rounding == "floor":
        return "nearest"
    if whole is None:
        return None
    found = stencil(8, 8 * whole, None, how)
    return "nearest" if np.array_equal(found.places[:, 0], np.arange(8 * whole) // whole) else None
