"""Convolutions whose groups do not fill vectors, depthwise ones above all: every lane has an input channel of its own.

Table, tasks and slot are those of the direct kernel, but a task is one image, some rows and one vector of channels, and
its strip holds the planes of that vector.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from netlang.backends.cpu.tiles.conv_kernel import ConvKernel
from netlang.backends.cpu.tiles.conv_table import ConvStructure
from netlang.backends.cpu.tiles.conv_table import ConvTable as T
from netlang.backends.cpu.tiles.emitter import F32, FLOAT_BYTES
from netlang.backends.cpu.tiles.lane_strip import LaneSource, LaneStripFiller
from netlang.backends.cpu.tiles.lane_tile import LaneTile, emit_lane_tile
from netlang.backends.cpu.tiles.numbers import Number, raw
from netlang.backends.cpu.tiles.pack_kernel import PackKernel, PackStructure
from netlang.backends.cpu.tiles.pack_table import PackTable as P


@dataclass(frozen=True)
class DepthwiseStructure:
    """`conv` is what the direct kernel would be, `source` says where the lanes find their input."""

    conv: ConvStructure
    source: LaneSource

    @property
    def key(self) -> str:
        return f"depthwise:{self!r}"


class DepthwiseKernel(ConvKernel):
    """Writes the kernel of one structure; its table is `ConvTable`, with widths of the strip in pixels."""

    def __init__(self, structure: DepthwiseStructure, builder: Any, args: Any, tid: Any, threads: Any) -> None:
        super().__init__(structure.conv, builder, args, tid, threads)
        self.source = structure.source

    def emit(self) -> None:
        f = self.f
        slot = f[T.SCRATCH] + f.tid * f[T.SLOT_BYTES]
        begin, end = f.share(f[T.IMAGES] * f[T.ROW_TASKS] * f[T.GROUPS], f[T.SLOTS])
        with f.each(begin, end) as task:
            part, group = task // f[T.GROUPS], task % f[T.GROUPS]
            image, row = part // f[T.ROW_TASKS], part % f[T.ROW_TASKS] * f[T.ROWS]
            stop = (row + f[T.ROWS]).at_most(f[T.OUT_HEIGHT])
            first, last = self._map_rows(row, stop)
            x = self._planes(slot, image, group, first, last)
            self._load_tensors(slot + f[T.TENSORS_AT], image, group, first, last)
            self._run_tiles(x, slot, image, group, first, last - first)
            self._finish(slot, image, group, first, row, stop)

    def _planes(self, slot: Number, image: Number, group: Number, first: Number, last: Number) -> Number:
        """The address of the first row that a vector reads: of its strip, which is filled, or of its block of x."""
        f = self.f
        x, row = f[T.X] + image * f[T.X_IMAGE], first * f[T.STRIDE_DOWN]
        if not self.structure.stripped:
            return x + group * f[T.X_CHANNEL] + row * f[T.X_ROW]
        span = (f[T.TAPS_DOWN] - 1) * f[T.DILATION_DOWN] + 1
        rows = (last - 1 - first) * f[T.STRIDE_DOWN] + span
        filler = LaneStripFiller(self.e, f, self._strip(), self.source)
        filler.fill(slot, x, f[T.IN_CHANNELS], group, row, rows)
        return slot

    def _run_tiles(self, x: Number, slot: Number, image: Number, group: Number, first: Number, count: Number) -> None:
        """`count` map rows of one vector; the last tiles of a row and the last rows may overlap their neighbours."""
        f, shape = self.f, self.tile
        tile = LaneTile(shape.rows, shape.columns, shape.pixel_bytes, shape.epilogue)
        x_row, width = f[T.STRIP_ROW] if self.structure.stripped else f[T.X_ROW], f[T.MAP_WIDTH]
        x_step = f[T.STRIDE_DOWN] * x_row
        out, tensor, pitch = self._result(slot, image, group, first)
        values: dict[str, Number | int] = dict.fromkeys(LaneTile.ARGUMENTS.split(), 0)
        values |= {"w": f[T.WEIGHTS] + group * f[T.WEIGHT_GROUP], "planes": f[T.GROUP_CHANNELS]}
        values |= {"x_plane": f[T.STRIP_CHANNEL], "x_row": x_step}
        values |= {"taps_down": f[T.TAPS_DOWN], "x_down": f[T.DILATION_DOWN] * x_row}
        values |= {"taps_across": f[T.TAPS_ACROSS], "x_across": f[T.ACROSS]}
        values |= {"out_row": width * self.line, "out_pixel": self.line}
        values |= {"channels": f[T.CHANNELS] + group * self.line, "channel_pitch": f[T.CHANNEL_PITCH]}
        values |= {"tensor_pitch": pitch}
        with f.each(0, (count + (tile.rows - 1)) // tile.rows) as r:
            row = (r * tile.rows).at_most(count - tile.rows)
            with f.each(0, (width + (tile.columns - 1)) // tile.columns) as q:
                column = (q * tile.columns).at_most(width - tile.columns)
                place = (row * width + column) * self.line
                values["x"] = x + row * x_step + column * tile.pixel_bytes
                values["out"], values["tensor"] = out + place, tensor + place
                emit_lane_tile(self.e, tile, [raw(v) for v in values.values()])

    def _result(self, slot: Number, image: Number, group: Number, first: Number) -> tuple[Number, Number, Number]:
        """Where the first map row of a vector is written, where the epilogue's tensors are, and their distance."""
        f, tensors = self.f, len(self.structure.tensors)
        if not self.structure.direct:
            return slot + f[T.MAP_AT], slot + f[T.TENSORS_AT], f[T.TENSOR_PITCH]
        start = self._block_at(group, 0, f[T.MAP_HEIGHT] * f[T.MAP_WIDTH], first * f[T.MAP_WIDTH])
        pitch = f[T.COUNT + 1] - f[T.COUNT] if tensors > 1 else f[T.TENSOR_PITCH]
        tensor = self._tensor(0, image) + start if tensors else start
        return f[T.OUT] + image * f[T.OUT_IMAGE] + start, tensor, pitch


class LanePackKernel(PackKernel):
    """[vector][plane][row][column][lanes] from weights with any strides."""

    def _block(self, group: Number, first: Number, channels: Number) -> None:
        """All taps of up to `lanes` planes of one vector: lane by lane, because groups end anywhere in it."""
        f, taps = self.f, self.f[P.TAPS_DOWN] * self.f[P.TAPS_ACROSS]
        to = f[P.PACKED] + group * f[P.GROUP_BYTES] + first * taps * self.e.line
        with f.each(0, channels) as plane, f.each(0, self.lanes) as lane:
            channel = (group * self.lanes + lane).at_most(f[P.OUT_CHANNELS] - 1)
            place = channel // f[P.GROUP_OUT] * f[P.STRIDE_GROUP] + channel % f[P.GROUP_OUT] * f[P.STRIDE_OUT]
            source = f[P.WEIGHTS] + (place + (first + plane) * f[P.STRIDE_IN]) * FLOAT_BYTES
            exists = group * self.lanes + lane < f[P.OUT_CHANNELS]
            with f.each(0, f[P.TAPS_DOWN]) as row, f.each(0, f[P.TAPS_ACROSS]) as column:
                tap = source + (row * f[P.STRIDE_DOWN] + column * f[P.STRIDE_ACROSS]) * FLOAT_BYTES
                number = (plane * taps + row * f[P.TAPS_ACROSS] + column) * self.e.line + lane * FLOAT_BYTES
                self._copy(tap, to + number, exists.value)

    def _copy(self, source: Number, to: Number, exists: Any) -> None:
        """One weight; 0 for a channel that does not exist, whose place is that of another one."""
        e = self.e
        read, written = e.pointers(raw(source), raw(to))
        e.store(e.b.select(exists, e.scalar(read), F32(0.0)), written)


def emit_depthwise(structure: DepthwiseStructure, builder: Any, args: Any, tid: Any, threads: Any) -> None:
    """The body of the kernel, for `kernel.emitted`."""
    DepthwiseKernel(structure, builder, args, tid, threads).emit()


def emit_lane_pack(structure: PackStructure, builder: Any, args: Any, tid: Any, threads: Any) -> None:
    """The body of the kernel that packs the weights; its table is `PackTable`."""
    LanePackKernel(structure, builder, args, tid, threads).emit()
