"""Resizing one axis by interpolation, and its transpose. A picture is resized one axis after the other.

With n elements made into m, element i of the result lies at position s = (i + 1/2) n / m - 1/2 of the input, the
convention in which elements are cells and the corners are not aligned (PyTorch's `align_corners=False`):

    nearest   y[i] = x[floor(i n / m)]
    linear    y[i] = (1 - f) x[j] + f x[min(j + 1, n - 1)]     j + f = max(s, 0), j whole, 0 <= f < 1

Positions are fractions of whole numbers, so nothing is lost to rounding but in the last step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from netlang.ir.graph import Attrs, Node, Value
from netlang.ir.opdef import REQUIRED, Array, OpDef, Sample, ShapeError, Types, define, elements, float_only
from netlang.ir.types import TensorType, shape_text
from netlang.ops.numeric import rounded, widen
from netlang.ops.reductions import check_axes
from netlang.ops.sampling import normal

if TYPE_CHECKING:
    from netlang.ir.build import Builder

MODES = ("nearest", "linear")


def sources(n: int, m: int, mode: str) -> tuple[Array, Array, Array]:
    """For each of m elements of the result the two of n elements it is made of, and the weight of the second."""
    i = np.arange(m, dtype=np.int64)
    if mode == "nearest":
        first = i * n // m
        return first, first, np.zeros(m)
    position = np.maximum((2 * i + 1) * n - m, 0)
    first = position // (2 * m)
    return first, np.minimum(first + 1, n - 1), (position - first * 2 * m) / (2 * m)


# ---- shape rules


def _infer(name: str) -> Callable[[Types, Attrs], Sequence[TensorType]]:
    def infer(types: Types, attrs: Attrs) -> Sequence[TensorType]:
        (x,), axis, size = types, attrs["axis"], attrs["size"]
        float_only(name, types)
        check_axes(name, (axis,), x.shape)
        if attrs["mode"] not in MODES:
            raise ShapeError(f"{name}: the mode is nearest or linear, not {attrs['mode']}")
        if (isinstance(size, int) and size < 1) or x.shape[axis] == 0:
            raise ShapeError(f"{name} cannot make {size} of axis {axis} of {shape_text(x.shape)}")
        return (TensorType(x.dtype, (*x.shape[:axis], size, *x.shape[axis + 1 :])),)

    return infer


# ---- meanings


def _meaning(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    x, axis = widen(arrays[0]), attrs["axis"]
    first, second, weight = sources(x.shape[axis], types[0].concrete({})[axis], attrs["mode"])
    along = weight.astype(x.dtype).reshape(-1, *(1,) * (x.ndim - axis - 1))
    return (rounded(np.take(x, first, axis) * (1 - along) + np.take(x, second, axis) * along, types[0]),)


def _meaning_grad(arrays: Sequence[Array], attrs: Attrs, types: Types) -> Sequence[Array]:
    dy, axis, shape = widen(arrays[0]), attrs["axis"], types[0].concrete({})
    first, second, weight = sources(shape[axis], dy.shape[axis], attrs["mode"])
    rows = np.moveaxis(dy, axis, 0)
    along = weight.astype(dy.dtype).reshape(-1, *(1,) * (dy.ndim - 1))
    total = np.zeros((shape[axis], *rows.shape[1:]), dy.dtype)
    np.add.at(total, first, rows * (1 - along))
    np.add.at(total, second, rows * along)
    return (rounded(np.moveaxis(total, 0, axis), types[0]),)


# ---- gradients: each is the other's, being linear and the other's transpose


def _gradient(other: str) -> Callable[[Builder, Node, Sequence[Value | None]], Sequence[Value | None]]:
    def gradient(b: Builder, node: Node, grads: Sequence[Value | None]) -> Sequence[Value | None]:
        axis, dy = node.attrs["axis"], grads[0]
        assert dy is not None
        size = node.inputs[0].shape[axis]
        return (b.op(other, dy, axis=axis, size=size, mode=node.attrs["mode"]),)

    return gradient


# ---- samples

_CASES: tuple[tuple[tuple[int, ...], int, int], ...] = (
    ((3,), 7, 0),
    ((2, 5), 2, 1),
    ((4, 2, 3), 8, 0),
    ((2, 1, 4), 3, 1),
    ((1, 2, 3, 5), 10, 3),
)
"""Shape before, the axis's size after, the axis."""


def _samples(rng: np.random.Generator) -> Iterable[Sample]:
    for shape, size, axis in _CASES:
        for mode in MODES:
            yield Sample((normal(rng, shape),), {"axis": axis, "size": size, "mode": mode})


def _define(name: str, other: str, summary: str, meaning: Any) -> None:
    define(
        OpDef(
            name,
            summary,
            _infer(name),
            meaning,
            _gradient(other),
            madds=lambda ins, outs, attrs: 2 * elements(outs),
            samples=_samples,
            attrs={"axis": REQUIRED, "size": REQUIRED, "mode": REQUIRED},
        )
    )


_define("resample", "resample_grad", "x with an axis resized to `size`, `nearest` or `linear`.", _meaning)
_define("resample_grad", "resample", "Gradient of resample; `size`: that of the axis of its input.", _meaning_grad)
