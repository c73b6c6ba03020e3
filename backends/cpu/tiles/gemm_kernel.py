"""Matrix products from the same register tile as convolutions: rows of A are its pixels, columns of B its channels.

A is packed into panels by a step of its own, so that a column group of B is read from memory once for all rows. One
row alone needs no panel: it is read in place, and B goes by at the speed of the memory.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from netlang.backends.cpu.tiles import moving
from netlang.backends.cpu.tiles.broadcast_tile import BroadcastTile, emit_broadcast_tile
from netlang.backends.cpu.tiles.emitter import FLOAT_BYTES, Emitter
from netlang.backends.cpu.tiles.gemm_table import GemmStructure, PanelTable
from netlang.backends.cpu.tiles.gemm_table import GemmTable as T
from netlang.backends.cpu.tiles.numbers import Frame, Number, raw

INNER_PART = 256
"""Inner indices that are packed as one unit of work."""


def emit_panels(lanes: int, transposed: bool, builder: Any, args: Any, tid: Any, threads: Any) -> None:
    """The kernel that packs A, a tile's rows to a panel; rows that do not exist are 0. Its table is `PanelTable`."""
    f, e, t = Frame(builder, args, tid, threads), Emitter(builder, lanes), PanelTable
    height = f[t.HEIGHT]
    blocks = (f[t.ROWS] + (height - 1)) // height
    parts = (f[t.INNER] + (INNER_PART - 1)) // INNER_PART
    panel = f[t.INNER] * e.line
    units = (f[t.ROWS] > 1).choose(f[t.BATCH] * blocks * parts, 0)
    begin, end = f.share(units)
    with f.each(begin, end) as unit:
        block, first = unit // parts, unit % parts * INNER_PART
        count = (f[t.INNER] - first).at_most(INNER_PART)
        row = block % blocks * height
        held = (f[t.ROWS] - row).at_most(height)
        to = f[t.PANELS] + block * panel + first * e.line
        matrix = f[t.A] + block // blocks * f[t.A_BATCH]
        if transposed:
            _copy_columns(f, e, to, matrix + (first * f[t.ROWS] + row) * FLOAT_BYTES, count, held)
        else:
            source = matrix + (row * f[t.INNER] + first) * FLOAT_BYTES
            values = (source, to, count, held, f[t.INNER] * FLOAT_BYTES)
            moving.emit_block(e, "f32", [raw(v) for v in values])


def _copy_columns(f: Frame, e: Emitter, to: Number, source: Number, count: Number, held: Number) -> None:
    """A panel of a matrix that is stored transposed: the rows are side by side already."""
    mask = e.prefix_mask(held.value)
    with f.each(0, count) as k:
        pointer, target = e.pointers((source + k * f[PanelTable.ROWS] * FLOAT_BYTES).value, (to + k * e.line).value)
        e.store(e.load_masked(mask, pointer), target)


class GemmKernel:
    """Writes the product's kernel; its table is `GemmTable`."""

    def __init__(self, structure: GemmStructure, builder: Any, args: Any, tid: Any, threads: Any) -> None:
        self.tile = structure.tile
        self.single = replace(structure.tile, columns=1)
        self.f, self.e = Frame(builder, args, tid, threads), Emitter(builder, structure.tile.lanes)
        self.lower = replace(structure.tile, columns=structure.lower) if structure.lower else None
        self.height, self.width = self.f[T.HEIGHT], self.tile.vectors * self.tile.lanes

    def emit(self) -> None:
        f = self.f
        blocks = (f[T.ROWS] + (self.height - 1)) // self.height
        groups = (f[T.COLUMNS] + (self.width - 1)) // self.width
        row_parts, group_parts = f[T.ROW_PARTS], f[T.GROUP_PARTS]
        begin, end = f.share(f[T.BATCH] * row_parts * group_parts)
        with f.each(begin, end) as task:
            group_part, rest = task % group_parts, task // group_parts
            row_part, batch = rest % row_parts, rest // row_parts
            first, last = blocks * row_part // row_parts, blocks * (row_part + 1) // row_parts
            stop = groups * (group_part + 1) // group_parts
            with f.each(groups * group_part // group_parts, stop) as group:
                self._group(batch, group, first, last)

    def _group(self, batch: Number, group: Number, first: Number, last: Number) -> None:
        """One group of columns for some row blocks of one product."""
        f = self.f
        values = self._values(batch, group)
        with f.either(f[T.ROWS].equals(1)) as (alone, many):
            with alone:
                self._emit(self.single, values, batch, 0, f[T.A] + batch * f[T.A_BATCH], FLOAT_BYTES)
            with many, f.each(first, last) as block:
                self._block(values, batch, block)

    def _block(self, values: dict[str, Number | int], batch: Number, block: Number) -> None:
        """One tile of rows, of either height."""
        f, line = self.f, self.e.line
        panel = f[T.PANELS] + batch * f[T.PANEL_BATCH] + block * f[T.INNER] * line
        if self.lower is None:
            self._emit(self.tile, values, batch, block * self.height, panel, line)
            return
        with f.either(self.height.equals(self.tile.columns)) as (high, low):
            with high:
                self._emit(self.tile, values, batch, block * self.height, panel, line)
            with low:
                self._emit(self.lower, values, batch, block * self.height, panel, line)

    def _values(self, batch: Number, group: Number) -> dict[str, Number | int]:
        """The tile's arguments that do not depend on the row block."""
        f, lanes = self.f, self.tile.lanes
        values: dict[str, Number | int] = dict.fromkeys(BroadcastTile.ARGUMENTS.split(), 0)
        values |= {"blocks": f[T.INNER] // lanes, "rest": f[T.INNER] % lanes, "taps_down": 1, "taps_across": 1}
        values |= {"w": f[T.B] + batch * f[T.B_BATCH] + group * f[T.B_GROUP], "w_channel": f[T.B_INNER]}
        values |= {"out_vector": self.e.line, "out_pixel": f[T.COLUMNS] * FLOAT_BYTES}
        values |= {"channels": f[T.BIAS] + group * (self.width * FLOAT_BYTES)}
        values |= {"tensor_pitch": f[T.TENSOR_PITCH_FROM] - f[T.TENSOR]}
        values |= {"lanes_valid": f[T.COLUMNS] - group * self.width}
        self.column = group * self.width
        return values

    def _emit(
        self,
        tile: BroadcastTile,
        values: dict[str, Number | int],
        batch: Number,
        row: Number | int,
        x: Number,
        x_channel: int,
    ) -> None:
        f = self.f
        place = ((batch * f[T.ROWS] + row) * f[T.COLUMNS] + self.column) * FLOAT_BYTES
        values = values | {"x": x, "x_channel": x_channel, "x_block": x_channel * tile.lanes}
        values |= {"out": f[T.OUT] + place, "tensor": f[T.TENSOR] + place, "pixels_valid": f[T.ROWS] - row}
        emit_broadcast_tile(self.e, tile, [raw(v) for v in values.values()])


def emit_gemm(structure: GemmStructure, builder: Any, args: Any, tid: Any, threads: Any) -> None:
    """The body of the kernel, for `kernel.emitted`."""
    GemmKernel(structure, builder, args, tid, threads).emit()
