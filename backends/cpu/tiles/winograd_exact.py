"""One patch of a convolution by its definition, for where Winograd's transform would spread NaN and infinity.

The transform computes m by m places from all inputs of a patch: one that is not finite, or an overflow on the way,
would reach places whose sum it is no part of. Such patches are rare; they are computed again, as slowly as may be.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir

from netlang.backends.cpu.tiles import moving
from netlang.backends.cpu.tiles.emitter import FLOAT_BYTES, Emitter
from netlang.backends.cpu.tiles.numbers import Frame, Number, raw
from netlang.backends.cpu.tiles.winograd_table import WinogradStructure
from netlang.backends.cpu.tiles.winograd_table import WinogradTable as T


def not_finite(e: Emitter, values: Sequence[Any]) -> Any:
    """An i1: whether a vector has a lane that is not finite. Also where their sum overflows."""
    total = values[0]
    for value in values[1:]:
        total = e.b.fadd(total, value)
    nothing = e.b.fsub(total, total)
    lanes = e.b.bitcast(e.b.fcmp_unordered("uno", nothing, nothing), ir.IntType(e.lanes))
    return e.b.icmp_unsigned("!=", lanes, ir.IntType(e.lanes)(0))


class ExactPatch:
    """Writes the code."""

    def __init__(self, e: Emitter, f: Frame, structure: WinogradStructure) -> None:
        self.e, self.f, self.s = e, f, structure

    def emit(self, to: Number, image: Number, channel: Number, row: Number, column: Number) -> None:
        """m by m places of the map from (row, column) on, one vector of output channels, as [row][column][lanes]."""
        f, e, m, taps = self.f, self.e, self.s.m, self.s.taps
        moving.emit_clear(e, [raw(to), raw(m * m * e.lanes)])
        mask, step = e.prefix_mask(raw(f[T.OUT_CHANNELS] - channel)), raw(f[T.STRIDE_OUT] * FLOAT_BYTES)
        row, column = row - f[T.PAD_TOP], column - f[T.PAD_LEFT]
        with f.each(0, f[T.IN_CHANNELS]) as c, f.each(0, taps) as down, f.each(0, taps) as across:
            place = (
                channel * f[T.STRIDE_OUT] + c * f[T.STRIDE_IN] + down * f[T.STRIDE_DOWN] + across * f[T.STRIDE_ACROSS]
            )
            weights = e.gather(raw(f[T.KERNEL] + place * FLOAT_BYTES), step, mask)
            with f.each(0, m) as i, f.each(0, m) as j:
                x = e.splat(self._input(image, c, row + i + down, column + j + across))
                (at,) = e.pointers(raw(to + (i * m + j) * e.line))
                e.store(e.fma(x, weights, e.load(at)), at)

    def _input(self, image: Number, channel: Number, row: Number, column: Number) -> Any:
        """One element of the input, 0 where there is none."""
        f, e = self.f, self.e
        height, width, lanes = f[T.IN_HEIGHT], f[T.IN_WIDTH], e.lanes
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        pixel = inside.choose(row * width + column, 0)
        if self.s.x_blocked:
            place = (channel // lanes * (height * width) + pixel) * lanes + channel % lanes
        else:
            place = channel * (height * width) + pixel
        (at,) = e.pointers(raw(f[T.X] + image * f[T.X_IMAGE] + place * FLOAT_BYTES))
        return e.b.select(inside.value, e.scalar(at), ir.Constant(ir.FloatType(), 0.0))
