"""Packing of weights into the order in which tiles read them, and of per-channel operands into whole vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from netlang.backends.cpu.tiles import moving
from netlang.backends.cpu.tiles.emitter import BF16_BYTES, FLOAT_BYTES, Emitter
from netlang.backends.cpu.tiles.numbers import Frame, Number, raw
from netlang.backends.cpu.tiles.pack_table import PackTable as T


@dataclass(frozen=True)
class PackStructure:
    """`vectors` of output channels are a group; `operands` per-channel vectors are packed besides. A packed weight has
    `w_bytes`: 2 stands for bfloat16. Convolution groups may be `interleaved`, so many of them: the same output channels
    of all lie side by side."""

    lanes: int
    vectors: int
    operands: int
    w_bytes: int = FLOAT_BYTES
    interleaved: int = 1


class PackKernel:
    """[group][channel block][row][column][channel][vectors] from weights with any strides."""

    def __init__(self, structure: PackStructure, builder: Any, args: Any, tid: Any, threads: Any) -> None:
        self.structure = structure
        self.f, self.e = Frame(builder, args, tid, threads), Emitter(builder, structure.lanes)
        self.lanes, self.width = structure.lanes, structure.lanes * structure.vectors
        self.line = self.lanes * structure.w_bytes
        self.group = self.width * structure.w_bytes * structure.interleaved

    def emit(self) -> None:
        f = self.f
        inputs = f[T.GROUP_IN]
        blocks = (inputs + (self.lanes - 1)) // self.lanes
        begin, end = f.share(f[T.GROUPS] * blocks)
        with f.each(begin, end) as unit:
            group, block = unit // blocks, unit % blocks
            first = block * self.lanes
            self._block(group, first, (inputs - first).at_most(self.lanes))
        with f.when(f.tid.equals(0)):
            for k in range(self.structure.operands):
                self._operand(k)

    def _block(self, group: Number, first: Number, channels: Number) -> None:
        """All taps of up to `lanes` input channels for one group."""
        f = self.f
        out = group % f[T.CHANNEL_GROUPS] * self.width
        place = group // f[T.CHANNEL_GROUPS] * f[T.STRIDE_GROUP] + out * f[T.STRIDE_OUT] + first * f[T.STRIDE_IN]
        source = f[T.WEIGHTS] + place * FLOAT_BYTES
        taps = f[T.TAPS_DOWN] * f[T.TAPS_ACROSS]
        to = f[T.PACKED] + first * taps * self.group
        if self.structure.interleaved == 1:
            to = to + group * f[T.GROUP_BYTES]
        else:
            beside = group // f[T.CHANNEL_GROUPS] * (self.width * self.structure.w_bytes)
            to = to + group % f[T.CHANNEL_GROUPS] * f[T.GROUP_BYTES] + beside
        with f.each(0, f[T.TAPS_DOWN]) as row, f.each(0, f[T.TAPS_ACROSS]) as column:
            tap = source + (row * f[T.STRIDE_DOWN] + column * f[T.STRIDE_ACROSS]) * FLOAT_BYTES
            at = to + (row * f[T.TAPS_ACROSS] + column) * channels * self.group
            with f.either(f[T.STRIDE_IN].equals(1)) as (side_by_side, apart):
                with side_by_side:
                    self._transposed(at, tap, channels, out)
                with apart, f.each(0, channels) as c:
                    self._channel(at + c * self.group, tap + c * f[T.STRIDE_IN] * FLOAT_BYTES, out)

    def _transposed(self, to: Number, source: Number, channels: Number, out: Number) -> None:
        """Input channels that are side by side, as those of a matrix: squares are read by rows. Gathering their columns
        would read as many lines of memory for each vector, and often lines that push each other out of the cache."""
        f, e = self.f, self.e
        step = f[T.STRIDE_OUT] * FLOAT_BYTES
        for v in range(self.structure.vectors):
            held = f[T.GROUP_OUT] - out - v * self.lanes
            values = (source + v * self.lanes * step, to + v * self.line, channels, held, step)
            moving.emit_block(e, "f32", [raw(n) for n in values], pixel_bytes=self.group, stored=self._store)

    def _store(self, value: Any, base: Any, offset: int) -> None:
        store = self.e.store_bf16 if self.structure.w_bytes == BF16_BYTES else self.e.store
        store(value, base, offset)

    def _channel(self, to: Number, source: Number, out: Number) -> None:
        """The output channels of one input channel and tap; those that do not exist are 0."""
        f, e = self.f, self.e
        step = f[T.STRIDE_OUT] * FLOAT_BYTES
        for v in range(self.structure.vectors):
            (target,) = e.pointers((to + v * self.line).value)
            mask = e.prefix_mask((f[T.GROUP_OUT] - out - v * self.lanes).value)
            place = source + v * self.lanes * step
            with f.either(f[T.STRIDE_OUT].equals(1)) as (side_by_side, apart):
                with side_by_side:
                    self._store(e.load_masked(mask, *e.pointers(place.value)), target, 0)
                with apart:
                    self._store(e.gather(place.value, step.value, mask), target, 0)

    def _operand(self, k: int) -> None:
        f, e = self.f, self.e
        to, held = f[T.OPERANDS] + k * f[T.PITCH], f[T.OUT_CHANNELS]
        moving.emit_copy(e, [raw(n) for n in (to, f[T.COUNT + k], held)])
        moving.emit_clear(e, [raw(n) for n in (to + held * FLOAT_BYTES, f[T.PITCH] // FLOAT_BYTES - held)])


def emit_pack(structure: PackStructure, builder: Any, args: Any, tid: Any, threads: Any) -> None:
    """The body of the kernel, for `kernel.emitted`; its table is `PackTable`."""
    PackKernel(structure, builder, args, tid, threads).emit()
