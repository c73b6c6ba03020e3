"""The gradient by the weights of a convolution by lanes.

    dw[o][plane][row][column] = sum over images and pixels of dy[o][pixel] * x[plane][pixel * stride + (row, column)]

Vectors are output channels; a tile is some rows and columns of the kernel, whose sums stay in registers while the
pixels of some rows of dy go by. Every part of the images has sums of its own, added up by the kernel that does so for
all convolutions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import auto
from typing import Any

from netlang.backends.cpu.tiles import moving
from netlang.backends.cpu.tiles.emitter import FLOAT_BYTES, Emitter
from netlang.backends.cpu.tiles.lane_strip import LaneSource, LaneStripFiller
from netlang.backends.cpu.tiles.numbers import Frame, Number, raw
from netlang.backends.cpu.tiles.strip import Strip
from netlang.backends.cpu.tiles.tables import Table


class DepthwiseGradientTable(Table):
    """Distances are in bytes, widths in pixels. A task is a part of the images and one vector of output channels."""

    X = auto()
    DY = auto()
    SUMS = auto()
    SCRATCH = auto()
    SLOT_BYTES = auto()
    SLOTS = auto()
    IMAGES = auto()
    IMAGE_PARTS = auto()
    VECTORS = auto()
    X_IMAGE = auto()
    X_CHANNEL = auto()
    X_ROW = auto()
    IN_CHANNELS = auto()
    IN_HEIGHT = auto()
    IN_WIDTH = auto()
    PAD_TOP = auto()
    PAD_LEFT = auto()
    STRIP_WIDTH = auto()
    STRIP_ROW = auto()
    STRIP_CHANNEL = auto()
    STRIDE_DOWN = auto()
    STRIDE_ACROSS = auto()
    DILATION_DOWN = auto()
    TAPS_DOWN = auto()
    TAPS_ACROSS = auto()
    OUT_CHANNELS = auto()
    OUT_HEIGHT = auto()
    OUT_WIDTH = auto()
    ROWS = auto()  # rows of dy at a time
    DY_AT = auto()  # the rows of dy in a slot
    SUMS_VECTOR = auto()
    SUMS_PART = auto()


T = DepthwiseGradientTable


@dataclass(frozen=True)
class DepthwiseGradientStructure:
    """`rows` and `columns` of a tile divide the kernel's; `dilation` is that of columns."""

    source: LaneSource
    rows: int
    columns: int
    dilation: int

    @property
    def key(self) -> str:
        return f"weight_gradient:{self!r}"


class DepthwiseGradientKernel:
    """Writes the kernel that fills the sums."""

    def __init__(self, structure: DepthwiseGradientStructure, builder: Any, args: Any, tid: Any, threads: Any) -> None:
        self.structure, self.lanes = structure, structure.source.lanes
        self.line = self.lanes * FLOAT_BYTES
        self.f, self.e = Frame(builder, args, tid, threads), Emitter(builder, self.lanes)
        self.filler = LaneStripFiller(self.e, self.f, self._strip(), structure.source)

    def emit(self) -> None:
        f = self.f
        slot = f[T.SCRATCH] + f.tid * f[T.SLOT_BYTES]
        begin, end = f.share(f[T.IMAGE_PARTS] * f[T.VECTORS], f[T.SLOTS])
        with f.each(begin, end) as task:
            part, vector = task // f[T.VECTORS], task % f[T.VECTORS]
            sums = f[T.SUMS] + part * f[T.SUMS_PART] + vector * f[T.SUMS_VECTOR]
            moving.emit_clear(self.e, [raw(sums), raw(f[T.SUMS_VECTOR] // FLOAT_BYTES)])
            images = f[T.IMAGES]
            start, stop = images * part // f[T.IMAGE_PARTS], images * (part + 1) // f[T.IMAGE_PARTS]
            chunks = (f[T.OUT_HEIGHT] + f[T.ROWS] - 1) // f[T.ROWS]
            with f.each(start, stop) as image, f.each(0, chunks) as chunk:
                row = chunk * f[T.ROWS]
                rows = (f[T.OUT_HEIGHT] - row).at_most(f[T.ROWS])
                self._fill(slot, image, vector, row, rows)
                self._load_dy(slot, image, vector, row, rows)
                self._tiles(slot, sums, rows)

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

    def _fill(self, slot: Number, image: Number, vector: Number, row: Number, rows: Number) -> None:
        f = self.f
        needed = (rows - 1) * f[T.STRIDE_DOWN] + (f[T.TAPS_DOWN] - 1) * f[T.DILATION_DOWN] + 1
        x = f[T.X] + image * f[T.X_IMAGE]
        self.filler.fill(slot, x, f[T.IN_CHANNELS], vector, row * f[T.STRIDE_DOWN], needed)

    def _load_dy(self, slot: Number, image: Number, vector: Number, row: Number, rows: Number) -> None:
        """Rows of dy of one vector as [pixel][lanes]."""
        f = self.f
        plane, width, channel = f[T.OUT_HEIGHT] * f[T.OUT_WIDTH], f[T.OUT_WIDTH], vector * self.lanes
        place = (image * f[T.OUT_CHANNELS] + channel) * plane + row * width
        held = f[T.OUT_CHANNELS] - channel
        values = (f[T.DY] + place * FLOAT_BYTES, slot + f[T.DY_AT], rows * width, held, plane * FLOAT_BYTES)
        moving.emit_block(self.e, "f32", [raw(n) for n in values])

    def _tiles(self, slot: Number, sums: Number, rows: Number) -> None:
        """All weights of one vector, for the rows at hand."""
        f, tile = self.f, self.structure
        down, across = f[T.TAPS_DOWN], f[T.TAPS_ACROSS]
        with (
            f.each(0, tile.source.inputs) as plane,
            f.each(0, down // tile.rows) as r,
            f.each(0, across // tile.columns) as c,
        ):
            row, column = r * tile.rows, c * tile.columns
            x = slot + plane * f[T.STRIP_CHANNEL] + row * f[T.DILATION_DOWN] * f[T.STRIP_ROW]
            x = x + column * (tile.dilation * self.line)
            self._tile(x, slot + f[T.DY_AT], rows, sums + ((plane * down + row) * across + column) * self.line)

    def _tile(self, x: Number, dy: Number, rows: Number, sums: Number) -> None:
        e, f, tile = self.e, self.f, self.structure
        tap_row = raw(f[T.DILATION_DOWN] * f[T.STRIP_ROW])

        def pixel(pointers: list[Any], totals: list[Any]) -> Sequence[Any]:
            # Without the fence LLVM keeps x in registers for the taps of the next pixel, and spills.
            e.fence()
            slope = e.load(pointers[1])
            starts = [e.at(pointers[0], e.mul(r, tap_row)) for r in range(tile.rows)]
            taps = (e.load(start, c * tile.dilation * self.line) for start in starts for c in range(tile.columns))
            return [e.fma(tap, slope, total) for tap, total in zip(taps, totals, strict=True)]

        def row(pointers: list[Any], totals: list[Any]) -> Sequence[Any]:
            return e.loop(
                raw(f[T.OUT_WIDTH]), pointers, [raw(f[T.STRIDE_ACROSS] * self.line), self.line], totals, pixel
            )

        strides = [raw(f[T.STRIDE_DOWN] * f[T.STRIP_ROW]), raw(f[T.OUT_WIDTH] * self.line)]
        start = e.pointers(raw(x), raw(dy))
        totals = e.loop(raw(rows), start, strides, [e.zero] * (tile.rows * tile.columns), row)
        (at,) = e.pointers(raw(sums))
        for i, total in enumerate(totals):
            place = e.add(e.mul(i // tile.columns, raw(f[T.TAPS_ACROSS] * self.line)), i % tile.columns * self.line)
            e.store(e.b.fadd(e.load(at, place), total), at, place)


def emit_depthwise_gradient(
    structure: DepthwiseGradientStructure, builder: Any, args: Any, tid: Any, threads: Any
) -> None:
    """The body of the kernel, for `kernel.emitted`."""
    DepthwiseGradientKernel(structure, builder, args, tid, threads).emit()
