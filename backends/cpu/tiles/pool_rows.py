"""Pooling of blocked map rows inside a kernel."""

from __future__ import annotations

from dataclasses import replace

from netlang.backends.cpu.tiles.conv_table import ConvTable as T
from netlang.backends.cpu.tiles.emitter import Emitter
from netlang.backends.cpu.tiles.numbers import Frame, Number, raw
from netlang.backends.cpu.tiles.pool_tile import PoolTile, emit_pool_tile
from netlang.backends.cpu.tiles.window_rows import Window, WindowRows


class PoolRows(WindowRows):
    """Pools the map rows of one group into the slot's pooled rows (and positions)."""

    def __init__(self, e: Emitter, f: Frame, pool: PoolTile, vectors: int, count_pad: bool) -> None:
        super().__init__(e, f, count_pad)
        self.pool, self.vectors = pool, vectors
        self.edge = replace(pool, window=None)

    def emit(self, slot: Number, group: Number, first: Number, row: Number, stop: Number) -> None:
        """Result rows `row` to `stop`, of a map that is held from row `first` on."""
        f = self.f
        operands = f[T.POOL_CHANNELS] + group * (self.vectors * self.line)
        with f.each(0, self.vectors) as v, f.each(row, stop) as r:
            offset = v * f[T.POOLED_VECTOR] + (r - row) * f[T.OUT_WIDTH] * self.line
            self.operands = operands + v * self.line
            self.map = slot + f[T.MAP_AT] + v * f[T.MAP_VECTOR] - first * f[T.MAP_WIDTH] * self.line
            self.out, self.switches = slot + f[T.POOLED_AT] + offset, slot + f[T.SWITCHES_AT] + offset
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
