"""The gradient of a convolution by its weights, from the same register tile as the convolution itself.

    dw[o][c][row][column] = sum over images and pixels of dy[o][pixel] * x[c][pixel * stride + (row, column)]

The vectors are output channels of dy, brought into blocks; the broadcasts are x at some channels and all columns of
one kernel row; what the tile sums over are pixels. Sums start from zero for a few rows of dy at a time and are added
to memory then, which is also more exact than one long sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from netlang.backends.cpu.tiles import moving
from netlang.backends.cpu.tiles.broadcast_tile import BroadcastTile, emit_broadcast_tile
from netlang.backends.cpu.tiles.emitter import FLOAT_BYTES, Emitter
from netlang.backends.cpu.tiles.numbers import Frame, Number, raw
from netlang.backends.cpu.tiles.strip import Strip, StripFiller
from netlang.backends.cpu.tiles.weight_gradient_table import SumTable, WeightGradientStructure
from netlang.backends.cpu.tiles.weight_gradient_table import WeightGradientTable as T

SUM_PART = 256
"""Weights of one vector that are added up as one unit of work."""


@dataclass(frozen=True)
class Pixels:
    """Of dy, what is summed over at a time: `rows` rows from `row` on, of `images` images from `image` on."""

    image: Number
    images: Number
    row: Number
    rows: Number


class WeightGradientKernel:
    """Writes the kernel that fills the sums; its table is `WeightGradientTable`."""

    def __init__(self, structure: WeightGradientStructure, builder: Any, args: Any, tid: Any, threads: Any) -> None:
        self.tile, self.stripped = structure.tile, structure.stripped
        self.lanes, self.vectors = self.tile.lanes, self.tile.vectors
        self.line = self.lanes * FLOAT_BYTES
        self.f, self.e = Frame(builder, args, tid, threads), Emitter(builder, self.lanes)
        self.filler = StripFiller(self.e, self.f, self._strip())

    def emit(self) -> None:
        f = self.f
        slot = f[T.SCRATCH] + f.tid * f[T.SLOT_BYTES]
        begin, end = f.share(f[T.IMAGE_PARTS] * f[T.GROUP_PARTS], f[T.SLOTS])
        with f.each(begin, end) as task:
            part, group_part = task // f[T.GROUP_PARTS], task % f[T.GROUP_PARTS]
            groups = f[T.GROUPS]
            first, last = groups * group_part // f[T.GROUP_PARTS], groups * (group_part + 1) // f[T.GROUP_PARTS]
            sums = f[T.SUMS] + part * f[T.SUMS_PART]
            self._clear(sums, slot, first, last)
            start, stop = f[T.IMAGES] * part // f[T.IMAGE_PARTS], f[T.IMAGES] * (part + 1) // f[T.IMAGE_PARTS]
            together = f[T.IMAGES_TOGETHER]
            with f.each(0, (stop - start + (together - 1)) // together) as step:
                image = start + step * together
                count = (stop - image).at_most(together)
                chunks = (f[T.OUT_HEIGHT] + f[T.ROWS] - 1) // f[T.ROWS]
                with f.each(0, chunks) as chunk:
                    row = chunk * f[T.ROWS]
                    pixels = Pixels(image, count, row, (f[T.OUT_HEIGHT] - row).at_most(f[T.ROWS]))
                    if self.stripped:
                        self._fill(slot, pixels)
                    with f.each(first, last) as group:
                        self._load_dy(slot, pixels, group)
                        self._group(slot, sums, group, pixels)

    def _strip(self) -> Strip:
        f = self.f
        return Strip(
            x_channel=f[T.X_CHANNEL],
            x_row=f[T.X_ROW],
            height=f[T.IN_HEIGHT],
            width=f[T.IN_WIDTH],
            top=f[T.PAD_TOP],
            left=f[T.PAD_LEFT],
            row=f[T.STRIP_ROW],
            channel=f[T.STRIP_CHANNEL],
            row_width=f[T.STRIP_WIDTH],
        )

    def _clear(self, sums: Number, slot: Number, first: Number, last: Number) -> None:
        """Zeros in the sums of these groups, and in the channels of the strip that do not exist."""
        f = self.f
        vector = f[T.SUMS_VECTOR]
        at, count = sums + first * vector * self.vectors, (last - first) * vector * self.vectors
        self.filler.clear(at, count // FLOAT_BYTES)
        if not self.stripped:
            return
        spare = slot + f[T.IN_CHANNELS] * f[T.STRIP_CHANNEL]
        self.filler.clear(spare, f[T.SPARE_CHANNELS] * f[T.STRIP_CHANNEL] // FLOAT_BYTES)

    def _fill(self, slot: Number, pixels: Pixels) -> None:
        f = self.f
        needed = (pixels.rows - 1) * f[T.STRIDE_DOWN] + (f[T.TAPS_DOWN] - 1) * f[T.DILATION_DOWN] + 1
        with f.each(0, pixels.images) as i:
            x = f[T.X] + (pixels.image + i) * f[T.X_IMAGE]
            to = slot + i * f[T.STRIP_IMAGE]
            self.filler.fill(to, x, f[T.IN_CHANNELS], pixels.row * f[T.STRIDE_DOWN], needed)

    def _load_dy(self, slot: Number, pixels: Pixels, group: Number) -> None:
        """The pixels' dy of one group as [pixel][vector][lanes]."""
        f = self.f
        plane, width = f[T.OUT_HEIGHT] * f[T.OUT_WIDTH], f[T.OUT_WIDTH]
        count = pixels.rows * width
        with f.each(0, pixels.images) as i:
            for v in range(self.vectors):
                channel = group * (self.vectors * self.lanes) + v * self.lanes
                place = ((pixels.image + i) * f[T.OUT_CHANNELS] + channel) * plane + pixels.row * width
                to = slot + f[T.DY_AT] + i * count * (self.vectors * self.line) + v * self.line
                held = f[T.OUT_CHANNELS] - channel
                values = (f[T.DY] + place * FLOAT_BYTES, to, count, held, plane * FLOAT_BYTES)
                moving.emit_block(self.e, "f32", [raw(n) for n in values], pixel_bytes=self.vectors * self.line)

    def _group(self, slot: Number, sums: Number, group: Number, pixels: Pixels) -> None:
        """All weights of one group, for the pixels at hand."""
        f, tile = self.f, self.tile
        values: dict[str, Number | int] = dict.fromkeys(BroadcastTile.ARGUMENTS.split(), 0)
        values |= {"blocks": 0, "rest": f[T.OUT_WIDTH], "x_channel": f[T.STRIDE_ACROSS] * FLOAT_BYTES}
        values |= {"taps_down": pixels.images, "x_down": f[T.STRIP_IMAGE]}
        values |= {"taps_across": pixels.rows, "x_across": f[T.STRIDE_DOWN] * f[T.STRIP_ROW]}
        values |= {"x_row": f[T.STRIP_CHANNEL], "w": slot + f[T.DY_AT]}
        taps = f[T.TAPS_DOWN] * tile.columns
        values |= {"out_vector": f[T.SUMS_VECTOR], "out_row": taps * self.line, "out_pixel": self.line}
        start = slot
        if not self.stripped:
            start = f[T.X] + pixels.image * f[T.X_IMAGE] + pixels.row * f[T.STRIDE_DOWN] * f[T.X_ROW]
        start = start + group // f[T.CHANNEL_GROUPS] * f[T.GROUP_CHANNELS] * f[T.STRIP_CHANNEL]
        out = sums + group * f[T.SUMS_VECTOR] * self.vectors
        blocks = (f[T.GROUP_CHANNELS] + (tile.rows - 1)) // tile.rows
        with f.each(0, blocks) as block, f.each(0, f[T.TAPS_DOWN]) as tap:
            channel = block * tile.rows
            values["x"] = start + channel * f[T.STRIP_CHANNEL] + tap * f[T.DILATION_DOWN] * f[T.STRIP_ROW]
            at = out + (channel * taps + tap * tile.columns) * self.line
            values["out"] = values["tensor"] = at
            emit_broadcast_tile(self.e, tile, [raw(v) for v in values.values()])


def emit_weight_gradient(structure: WeightGradientStructure, builder: Any, args: Any, tid: Any, threads: Any) -> None:
    """The body of the kernel, for `kernel.emitted`."""
    WeightGradientKernel(structure, builder, args, tid, threads).emit()


def emit_sum(lanes: int, builder: Any, args: Any, tid: Any, threads: Any) -> None:
    """The kernel that adds the sums of all parts up, in order, and writes weights; its table is `SumTable`."""
    f, e, t = Frame(builder, args, tid, threads), Emitter(builder, lanes), SumTable
    parts = (f[t.TAPS] + (SUM_PART - 1)) // SUM_PART
    begin, end = f.share(f[t.VECTORS] * parts)
    with f.each(begin, end) as unit:
        vector, tap = unit // parts, unit % parts * SUM_PART
        count = (f[t.TAPS] - tap).at_most(SUM_PART)
        first = f[t.SUMS] + vector * f[t.VECTOR] + tap * e.line
        with f.each(1, f[t.PARTS]) as part:
            moving.emit_add(e, [raw(n) for n in (first, first + part * f[t.PART], count)])
        channel = vector * lanes
        to = f[t.OUT] + (channel * f[t.TAPS] + tap) * FLOAT_BYTES
        held = f[t.OUT_CHANNELS] - channel
        moving.emit_unblock(e, "f32", [raw(n) for n in (first, to, count, held, f[t.TAPS] * FLOAT_BYTES)])
