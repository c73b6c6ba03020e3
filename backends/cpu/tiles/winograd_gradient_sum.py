"""The second half of Winograd's weight gradient: the sums of all parts added up and transformed into weights.

A sum that is not finite would spread to weights that what is not finite does not meet: these are computed again, by the
definition, as slowly as may be.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from llvmlite import ir

from netlang.backends.common.winograd import both_axes, weight_gradient_axis
from netlang.backends.cpu.tiles import moving
from netlang.backends.cpu.tiles.emitter import FLOAT_BYTES, Emitter
from netlang.backends.cpu.tiles.numbers import Condition, Frame, Number, raw
from netlang.backends.cpu.tiles.winograd_arithmetic import Vectors
from netlang.backends.cpu.tiles.winograd_exact import not_finite
from netlang.backends.cpu.tiles.winograd_gradient_table import SIZE, VECTORS, GradientStructure
from netlang.backends.cpu.tiles.winograd_gradient_table import GradientSumTable as T


class GradientSumKernel:
    """Writes the kernel. Its slot holds the weights of one vector of output channels and `lanes` input channels as
    [channel][row][column][lanes]."""

    def __init__(self, structure: GradientStructure, builder: Any, args: Any, tid: Any, threads: Any) -> None:
        self.s = structure
        self.f, self.e = Frame(builder, args, tid, threads), Emitter(builder, structure.lanes)

    def emit(self) -> None:
        f, e, taps = self.f, self.e, self.s.taps**2
        slot = f[T.SCRATCH] + f.tid * f[T.SLOT_BYTES]
        vectors, blocks = ((f[entry] + (e.lanes - 1)) // e.lanes for entry in (T.OUT_CHANNELS, T.IN_CHANNELS))
        begin, end = f.share(vectors * blocks, f[T.SLOTS])
        with f.each(begin, end) as unit:
            vector, first = unit // blocks, unit % blocks * e.lanes
            count = (f[T.IN_CHANNELS] - first).at_most(e.lanes)
            with f.each(0, count) as c:
                self._weights(slot + c * (taps * e.line), vector, first + c)
            out = vector * e.lanes
            to = f[T.OUT] + (out * f[T.IN_CHANNELS] + first) * (taps * FLOAT_BYTES)
            held, pitch = f[T.OUT_CHANNELS] - out, f[T.IN_CHANNELS] * (taps * FLOAT_BYTES)
            moving.emit_unblock(e, "f32", [raw(n) for n in (slot, to, count * taps, held, pitch)])

    def _weights(self, to: Number, vector: Number, channel: Number) -> None:
        """The weights of one vector and channel."""
        f, e = self.f, self.e
        group, v = vector // VECTORS, vector % VECTORS
        at = f[T.SUMS] + group * f[T.SUMS_GROUP] + (channel * VECTORS + v) * e.line
        places = e.pointers(*[raw(at + f[T.SUMS_POSITION] * p) for p in range(SIZE * SIZE)])
        parts, part = raw(f[T.PARTS]), raw(f[T.SUMS_PART])

        def load(row: int, column: int) -> Any:
            """All parts, in order."""
            place = places[row * SIZE + column]
            following = e.at(place, part)
            return e.loop(
                e.b.sub(parts, e.i64(1)),
                [following],
                [part],
                [e.load(place)],
                lambda p, total: [e.b.fadd(total[0], e.load(p[0]))],
                guarded=True,
            )[0]

        axis = partial(weight_gradient_axis, Vectors(e), self.s.m)
        weights = [w for row in both_axes(axis, (SIZE, SIZE), load) for w in row]
        (pointer,) = e.pointers(raw(to))
        for i, weight in enumerate(weights):
            e.store(weight, pointer, i * e.line)
        with f.when(Condition(f.builder, not_finite(e, weights))):
            self._exactly(to, vector, channel)

    def _exactly(self, to: Number, vector: Number, channel: Number) -> None:
        """The same, tap by tap and pixel by pixel."""
        f, e, taps = self.f, self.e, self.s.taps
        height, width = f[T.OUT_HEIGHT], f[T.OUT_WIDTH]
        with f.each(0, taps) as down, f.each(0, taps) as across:
            (at,) = e.pointers(raw(to + (down * taps + across) * e.line))
            e.store(e.zero, at)
            with f.each(0, f[T.IMAGES]) as image, f.each(0, height) as row, f.each(0, width) as column:
                x = self._x(image, channel, row + down - f[T.PAD_TOP], column + across - f[T.PAD_LEFT])
                dy = self._dy(image, vector, row * width + column)
                e.store(e.fma(e.splat(x), dy, e.load(at)), at)

    def _dy(self, image: Number, vector: Number, pixel: Number) -> Any:
        """One vector of channels of one pixel."""
        f, e = self.f, self.e
        plane, start = f[T.OUT_HEIGHT] * f[T.OUT_WIDTH], f[T.DY] + image * f[T.DY_IMAGE]
        if self.s.dy_blocked:
            return e.load(*e.pointers(raw(start + (vector * plane + pixel) * e.line)))
        mask = e.prefix_mask(raw(f[T.OUT_CHANNELS] - vector * e.lanes))
        place = start + (vector * e.lanes * plane + pixel) * FLOAT_BYTES
        return e.gather(raw(place), raw(plane * FLOAT_BYTES), mask)

    def _x(self, image: Number, channel: Number, row: Number, column: Number) -> Any:
        """One element of x, 0 where there is none."""
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


def emit_gradient_sum(structure: GradientStructure, builder: Any, args: Any, tid: Any, threads: Any) -> None:
    """The body of the kernel, for `kernel.emitted`."""
    GradientSumKernel(structure, builder, args, tid, threads).emit()
