"""Pooling of blocked map rows inside a kernel."""

from __future__ import annotations

from dataclasses import replace

from netlang.backends.cpu.tiles.conv_table import ConvTable as T
from netlang.backends.cpu.tiles.emitter import Emitter
from netlang.backends.cpu.tiles.max_rows import MaxRows
from netlang.backends.cpu.tiles.numbers import Frame, Number, raw
from netlang.backends.cpu.tiles.pool_tile import PoolTile, emit_pool_tile
from netlang.backends.cpu.tiles.window_rows import Window, WindowRows


class PoolRows(WindowRows):
    """Pools map rows of one vector of channels."""

    def __init__(self, e: Emitter, f: Frame, pool: PoolTile, count_pad: bool) -> None:
        super().__init__(e, f, count_pad)
        self.pool = pool
        self.edge = replace(pool, window=None)

    def emit(self, map_: Number, out: Number, switches: Number, operands: Number, row: Number, stop: Number) -> None:
        """Result rows `row` to `stop` into `out` (and positions into `switches`), of the map whose row 0 is, or would
        be, at `map_`; `operands` are those of the epilogue."""
        f = self.f
        with f.each(row, stop) as r:
            offset = (r - row) * f[T.OUT_WIDTH] * self.line
            if self.pool.stride:
                MaxRows(self.e, f, self.pool).emit(map_, out + offset, operands, r)
            else:
                self.map, self.operands = map_, operands
                self.out, self.switches = out + offset, switches + offset
                self.walk_row(r)

    def whole(self, top: Number, row: Number, first: Number, count: Number) -> None:
        f = self.f
        step, down, across = f[T.POOL_STRIDE_ACROSS], f[T.POOL_DOWN], f[T.POOL_ACROSS]
        column = first * step - f[T.POOL_LEFT]
        window = Window(top, column, down, across, down * 0, down * across)
        self._tile(self.pool, window, step * self.line, count, first)

    def cut(self, row: Number, column: Number, window: Window) -> None:
        self._tile(self.edge, window, 0, 1, column)

    def _tile(self, tile: PoolTile, window: Window, step: Number | int, count: Number | int, column: Number) -> None:
        f = self.f
        source_row = f[T.MAP_WIDTH] * self.line
        source, at = self.map + window.row * source_row + window.column * self.line, column * self.line
        values = (
            source, source_row, step, count, window.rows, window.columns, self.out + at, self.switches + at,
            window.position, f[T.POOL_ACROSS], window.divisor, self.operands, f[T.CHANNEL_PITCH],
        )  # fmt: skip
        emit_pool_tile(self.e, tile, [raw(v) for v in values])
