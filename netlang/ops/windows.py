"""Sliding windows over the spatial axes of [N, C, ...spatial]: what convolutions and pools share.

A window is a grid of taps. Tap t of output o on one axis reads input `o * stride - low + t * dilation`. All NumPy
meanings loop over the taps, never over the outputs: all outputs of one tap are one strided slice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import numpy as np

from netlang.ir.dims import Dim, Shape
from netlang.ir.graph import Attrs
from netlang.ir.opdef import Array, ShapeError
from netlang.ir.types import TensorType, shape_text

Pad = tuple[int, int]


@dataclass(frozen=True)
class Windows:
    """The geometry of the windows of one op: one entry per spatial axis. `name` is the op's, for messages."""

    name: str
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    pad: tuple[Pad, ...]
    dilation: tuple[int, ...]
    ceil_mode: bool = False

    @staticmethod
    def of(name: str, attrs: Attrs, kernel: tuple[int, ...] | None = None) -> Windows:
        """From an op's attributes; `kernel` where it is a shape and no attribute. Dilation is 1 where there is none."""
        taps = attrs["kernel"] if kernel is None else kernel
        dilation = attrs.get("dilation") or (1,) * len(taps)
        return Windows(name, taps, attrs["stride"], attrs["pad"], dilation, attrs.get("ceil_mode", False))

    @property
    def rank(self) -> int:
        """Number of spatial axes."""
        return len(self.kernel)

    @property
    def taps(self) -> int:
        """Elements of one window."""
        return prod(self.kernel)

    @property
    def span(self) -> tuple[int, ...]:
        """Input positions from the first to the last tap of a window, per axis."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    # ---- shapes

    def check(self, rank: int) -> None:
        """Raise ShapeError unless every attribute has `rank` entries in its range."""
        parts = {"kernel": self.kernel, "stride": self.stride, "pad": self.pad, "dilation": self.dilation}
        for what, given in parts.items():
            if len(given) != rank:
                raise ShapeError(f"{self.name}: {what} has {len(given)} entries for {rank} spatial dimensions")
        for what in ("kernel", "stride", "dilation"):
            for value in parts[what]:
                if not isinstance(value, int):
                    raise ShapeError(f"{self.name}: {what} must be a fixed number, got {value}")
                if value < 1:
                    raise ShapeError(f"{self.name}: {what} must be at least 1, got {value}")
        for low, high in self.pad:
            if low < 0 or high < 0:
                raise ShapeError(f"{self.name}: pad must not be negative, got {min(low, high)}")

    def check_overlap(self) -> None:
        """Raise ShapeError where a whole window could lie in the padding: a pool of nothing."""
        for pad, span in zip(self.pad, self.span, strict=True):
            if max(pad) >= span:
                raise ShapeError(f"{self.name}: pad {max(pad)} must be smaller than the window, which spans {span}")

    def output(self, spatial: Shape) -> Shape:
        """Output sizes for the input sizes `spatial`, which may be symbolic. Raises ShapeError where nothing fits.

        floor((in + low + high - span) / stride) + 1. With `ceil_mode` the division rounds up, but the last window must
        start in the input or its low padding (as in PyTorch); then both cases are one floor division, because the two
        candidates for the numerator differ by a constant.
        """
        self.check(len(spatial))
        out: list[Dim] = []
        for axis, size in enumerate(spatial):
            (low, high), span, stride = self.pad[axis], self.span[axis], self.stride[axis]
            if self.ceil_mode:
                last = size + (low - 1 + min(0, high - span + stride))
            else:
                last = size + (low + high - span)
            count = last // stride + 1
            if isinstance(count, int) and count < 1:
                raise ShapeError(self._too_large(axis, size))
            out.append(count)
        return tuple(out)

    def _too_large(self, axis: int, size: Dim) -> str:
        kernel, dilation, span = self.kernel[axis], self.dilation[axis], self.span[axis]
        wide = f"kernel {kernel} with dilation {dilation} spans {span} and" if dilation > 1 else f"kernel {kernel}"
        return f"{self.name}: {wide} is larger than the padded input {size + sum(self.pad[axis])} (axis {axis + 2})"

    # ---- NumPy

    def padded(self, x: Array, out: Sequence[int], fill: float = 0.0) -> Array:
        """`x` [N, C, ...spatial] with its padding filled in, large enough for every tap of `out`; to be read only."""
        shape = self._padded_shape(x.shape[2:], out)
        if shape == x.shape[2:]:
            return x
        wide = np.full((*x.shape[:2], *shape), fill, x.dtype)
        wide[self._inner(x.shape[2:])] = x
        return wide

    def blank(self, lead: tuple[int, int], spatial: Sequence[int], out: Sequence[int], like: Array) -> Array:
        """Zeros [*lead, ...padded spatial] to add taps into; `inner` cuts the result out of it."""
        return np.zeros((*lead, *self._padded_shape(spatial, out)), like.dtype)

    def inner(self, wide: Array, spatial: Sequence[int]) -> Array:
        """The part of a padded array that is not padding."""
        return np.ascontiguousarray(wide[self._inner(spatial)])

    def _padded_shape(self, spatial: Sequence[int], out: Sequence[int]) -> tuple[int, ...]:
        return tuple(
            max((o - 1) * stride + span, low + size)
            for size, o, stride, span, (low, _) in zip(spatial, out, self.stride, self.span, self.pad, strict=True)
        )

    def _inner(self, spatial: Sequence[int]) -> tuple[Any, ...]:
        return (..., *(slice(low, low + size) for size, (low, _) in zip(spatial, self.pad, strict=True)))

    def slices(self, wide: Array, out: Sequence[int]) -> Iterator[Array]:
        """For each tap, row-major, the view [N, C, *out] of a padded array that the tap reads."""
        for tap in product(*map(range, self.kernel)):
            starts = [t * d for t, d in zip(tap, self.dilation, strict=True)]
            along = tuple(slice(a, a + (o - 1) * s + 1, s) for a, o, s in zip(starts, out, self.stride, strict=True))
            place: tuple[Any, ...] = (..., *along)
            yield wide[place]

    def counts(self, spatial: Sequence[int], out: Sequence[int], include_pad: bool) -> Array:
        """How many positions each window averages over, shape `out`.

        With `include_pad` the padding counts, but not what lies beyond it (which ceil_mode may reach).
        """
        total = np.ones((), np.int64)
        for axis, (size, o) in enumerate(zip(spatial, out, strict=True)):
            (low, high), apart = self.pad[axis], self.dilation[axis]
            start = np.arange(o) * self.stride[axis] - low
            end = np.minimum(self.kernel[axis], -((start - (size + high if include_pad else size)) // apart))
            begin = 0 if include_pad else np.maximum(-(start // apart), 0)
            total = np.multiply.outer(total, end - begin)
        return total


def spatial_of(name: str, x: TensorType) -> Shape:
    """The spatial sizes of [N, C, ...spatial]; ShapeError where there are none."""
    if x.rank < 3:
        raise ShapeError(f"{name} expects [N, C, ...spatial], got {shape_text(x.shape)}")
    return x.shape[2:]


def pooled(name: str, x: TensorType, attrs: Attrs) -> TensorType:
    """The type of a pool over x [N, C, ...spatial]: [N, C, ...out]."""
    windows = Windows.of(name, attrs)
    out = windows.output(spatial_of(name, x))
    windows.check_overlap()
    return x.with_shape((*x.shape[:2], *out))
