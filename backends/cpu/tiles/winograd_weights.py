"""The transform of a Winograd convolution's weights, and packing of its per-channel operands."""

from __future__ import annotations

from functools import partial
from typing import Any

from netlang.backends.common.winograd import both_axes, weight_axis
from netlang.backends.cpu.tiles import moving
from netlang.backends.cpu.tiles.emitter import FLOAT_BYTES, Emitter
from netlang.backends.cpu.tiles.numbers import Frame, Number, raw
from netlang.backends.cpu.tiles.winograd_arithmetic import Vectors
from netlang.backends.cpu.tiles.winograd_table import VECTORS, TransformStructure
from netlang.backends.cpu.tiles.winograd_table import TransformTable as T


class WeightKernel:
    """[position][group of output channels][input channel][VECTORS][lanes] from weights with any strides; the
    distances of positions and groups are arguments."""

    def __init__(self, structure: TransformStructure, builder: Any, args: Any, tid: Any, threads: Any) -> None:
        self.structure = structure
        self.f, self.e = Frame(builder, args, tid, threads), Emitter(builder, structure.lanes)

    def emit(self) -> None:
        f = self.f
        begin, end = f.share(f[T.GROUPS] * f[T.IN_CHANNELS])
        with f.each(begin, end) as unit:
            group, channel = unit // f[T.IN_CHANNELS], unit % f[T.IN_CHANNELS]
            for v in range(VECTORS):
                self._vector(group, channel, v)
        with f.when(f.tid.equals(0)):
            for k in range(self.structure.operands):
                self._operand(k)

    def _vector(self, group: Number, channel: Number, v: int) -> None:
        """One vector of output channels of one input channel; those that do not exist are 0."""
        f, e, taps = self.f, self.e, self.structure.taps
        size = self.structure.m + taps - 1
        out = group * (VECTORS * e.lanes) + v * e.lanes
        source = f[T.KERNEL] + (out * f[T.STRIDE_OUT] + channel * f[T.STRIDE_IN]) * FLOAT_BYTES
        mask, step = e.prefix_mask(raw(f[T.OUT_CHANNELS] - out)), raw(f[T.STRIDE_OUT] * FLOAT_BYTES)

        def load(row: int, column: int) -> Any:
            place = source + (f[T.STRIDE_DOWN] * row + f[T.STRIDE_ACROSS] * column) * FLOAT_BYTES
            return e.gather(raw(place), step, mask)

        at = f[T.PACKED] + group * f[T.WEIGHT_GROUP] + channel * (VECTORS * e.line) + v * e.line
        for row in both_axes(partial(weight_axis, Vectors(e), size), (taps, taps), load):
            for value in row:
                e.store(value, *e.pointers(raw(at)))
                at = at + f[T.WEIGHT_POSITION]

    def _operand(self, k: int) -> None:
        f, e = self.f, self.e
        to, held = f[T.OPERANDS] + f[T.PITCH] * k, f[T.OUT_CHANNELS]
        moving.emit_copy(e, [raw(n) for n in (to, f[T.COUNT + k], held)])
        moving.emit_clear(e, [raw(n) for n in (to + held * FLOAT_BYTES, f[T.PITCH] // FLOAT_BYTES - held)])


def emit_weight_transform(structure: TransformStructure, builder: Any, args: Any, tid: Any, threads: Any) -> None:
    """The body of the kernel, for `kernel.emitted`; its table is `TransformTable`."""
    WeightKernel(structure, builder, args, tid, threads).emit()
